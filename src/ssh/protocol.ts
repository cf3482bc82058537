/**
 * What ssh-caller (native/programs), which sshd starts, and the web process say to each other over a unix socket, in pkt-lines:
 *
 *   caller → web   `key <type> <blob>`, flush                       who has this key?
 *   web → caller   the line of authorized_keys(5), flush
 *
 *   caller → web   `session <pass>`, `command <text>`, `terminal`?, flush
 *   web → caller   packets whose first byte is a band
 *   caller → web   after `input`: packets of the caller's input, and a flush at its end
 *
 * A session ends with `exit`; the end of the stream without one means that the web process died, or that the caller has gone.
 */

/** Bytes for the caller's terminal. */
export const BAND_OUTPUT = 1;
export const BAND_ERRORS = 2;
/** The exit code, in digits. The last. */
export const BAND_EXIT = 3;
/** Become this program: see {@link programOf}. The connection stays, for `exit`. */
export const BAND_BECOME = 4;
/** The caller's input is wanted. */
export const BAND_INPUT = 5;

/** How a program is told: `NAME=value` each with a NUL behind it, a NUL, and the arguments likewise with a `=` before each. */
export function programOf(environment: Readonly<Record<string, string>>, argv: readonly string[]): Buffer {
  const all = Object.entries(environment).map(([name, value]) => `${name}=${value}\0`);
  return Buffer.from(`${all.join('')}\0${argv.map((each) => `=${each}\0`).join('')}`);
}

/**
 * The command line in the room of sshd, where platform/services/ssh.ts has put it. It may read its own files and no others: what
 * a caller names as a file is on the caller's machine. (Node's permission model; it lost its `experimental` on the way to 24.)
 */
export const ROOM_NODE = '/slipway/node';
export const ROOM_APP = '/slipway/app';
const permission =
  Number(process.versions.node.split('.')[0]) >= 24 ? '--permission' : '--experimental-permission';
export const COMMAND_LINE: readonly string[] = [
  ROOM_NODE,
  '--disable-warning=ExperimentalWarning',
  permission,
  `--allow-fs-read=${ROOM_APP}/*`,
  `${ROOM_APP}/bin/slipway`,
];

/** How OpenSSH is called: nobody's own settings, one key, one host key, and no question to a person. */
import { createHash } from 'node:crypto';
import { SlipwayError } from '../../src/errors.js';
import type { HostAddress } from '../../src/model/host-address.js';
import { runProgram } from './program.js';

export type SshAddress = Extract<HostAddress, { kind: 'ssh' }>;

export interface SshFiles {
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

/** A host key that a host shows. */
export interface HostKey {
  /** `ED25519` */
  readonly type: string;
  /** `SHA256:…`, as ssh-keygen -l prints it. */
  readonly fingerprint: string;
  /** The line for known_hosts. */
  readonly line: string;
}

const CONNECT_SECONDS = 5;
/** Asked when nothing comes; silent three times, the connection is given up. */
const ALIVE_SECONDS = 3;
const SCAN_MS = 15_000;

/** The options that every connection has, and where it goes to. A remote command may follow. */
export function sshArguments(
  { user, host, port }: SshAddress,
  { keyFile, knownHostsFile }: SshFiles,
  more: readonly string[] = [],
): string[] {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${quoted(knownHostsFile)}`,
    'GlobalKnownHostsFile=none',
    'UpdateHostKeys=no',
    'CheckHostIP=no',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'PreferredAuthentications=publickey',
    'ControlPath=none',
    'ForwardAgent=no',
    `ConnectTimeout=${CONNECT_SECONDS}`,
    `ServerAliveInterval=${ALIVE_SECONDS}`,
    'ServerAliveCountMax=3',
  ];
  return [
    '-F',
    'none',
    '-T',
    ...options.flatMap((option) => ['-o', option]),
    '-i',
    keyFile,
    ...more,
    '-p',
    String(port),
    '-l',
    user,
    '--',
    host,
  ];
}

/** The keys that the host shows, the one that Debian prefers first. Throws `engine_unavailable` when it shows none. */
export async function scanHostKeys({ host, port }: SshAddress): Promise<readonly HostKey[]> {
  const { output } = await runProgram(
    'ssh-keyscan',
    ['-T', String(CONNECT_SECONDS), '-t', 'ed25519,ecdsa,rsa', '-p', String(port), '--', host],
    { timeoutMs: SCAN_MS, accept: [1] },
  );
  const keys = output.split('\n').flatMap((line): HostKey[] => {
    const [, kind = '', blob = ''] = /^\S+ ([a-z0-9-]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
    if (blob === '') return [];
    const hash = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64');
    const type = kind.replace(/^ssh-|^ecdsa-sha2-.*/, (found) => (found === 'ssh-' ? '' : 'ecdsa'));
    return [{ type: type.toUpperCase(), fingerprint: `SHA256:${hash.replace(/=+$/, '')}`, line }];
  });
  if (keys.length > 0) return keys.sort((a, b) => rank(a) - rank(b));
  throw new SlipwayError('engine_unavailable', `no SSH server answers at ${host}:${port}`, {
    hint: 'check the address, that sshd runs there, and that no firewall is in between',
    temporary: true,
  });
}

/**
 * The line for known_hosts when the operator has confirmed the key. Throws `bad_request` with the fingerprint and the command to
 * repeat, when it was not confirmed or is another; `again` is that command without the fingerprint.
 */
export async function confirmedHostKey(
  address: SshAddress,
  fingerprint: string | undefined,
  again: string,
): Promise<string> {
  const keys = await scanHostKeys(address);
  const confirmed = keys.find((key) => key.fingerprint === fingerprint);
  if (confirmed !== undefined) return confirmed.line;
  const [first] = keys;
  const shown = `${first?.fingerprint} (${first?.type})`;
  if (fingerprint === undefined) {
    throw new SlipwayError('bad_request', `nobody has confirmed the host key of ${address.host}: ${shown}`, {
      hint: `compare it with what \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` prints there, then: ${again} --fingerprint ${first?.fingerprint}`,
    });
  }
  throw new SlipwayError(
    'bad_request',
    `the host key of ${address.host} is ${shown}, not ${JSON.stringify(fingerprint.slice(0, 100))}`,
    { hint: 'if the host was not installed anew, somebody may be in between: do not go on' },
  );
}

function rank({ type }: HostKey): number {
  return ['ED25519', 'ECDSA', 'RSA'].indexOf(type);
}

/** ssh_config(5): a value with spaces is quoted, and percent signs are tokens. */
function quoted(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

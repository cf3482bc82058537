/**
 * OpenSSH's sshd, for pushes and commands by SSH. It proves that a caller has a key and asks the web process for the rest (src/ssh). It runs
 * as an account that owns nothing, in a room (native/programs/ssh-room.cc) whose files are what is made here: nobody who gets out of
 * sshd has got anywhere.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { homePaths } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { projectRoot } from '../../src/root.js';
import { ROOM_APP, ROOM_NODE } from '../../src/ssh/protocol.js';
import { type Service, type ServiceContext, startProgram } from './service.js';

const SSHD = '/usr/sbin/sshd';
/** The account that the package openssh-server makes for what is not to be trusted. */
const ACCOUNT = 'sshd';
/** What the machine lends: programs and libraries, to be read only. */
const LENT = ['/usr', '/lib', '/lib64'];
/** As the room sees it. */
const CALLER = '/slipway/ssh-caller';
const WEB = '/slipway/web';

export async function startSsh(
  context: ServiceContext,
  listen: { host: string; port: number },
): Promise<Service> {
  const { home, run } = context.paths;
  const root = projectRoot();
  const tree = join(run, 'ssh-room');
  const sockets = dirname(homePaths(home).sshSocket);
  // The room's account passes through; nobody else gets as far as here.
  mkdirSync(sockets, { recursive: true, mode: 0o711 });
  const account = accountOf(ACCOUNT);
  const key = hostKey(homePaths(home).ssh);
  const lent = LENT.filter((path) => existsSync(path) && !isLink(path));
  return startProgram(context, {
    name: 'ssh',
    address: `${listen.host}:${listen.port}`,
    prepare: () => {
      furnish(tree, root, lent, account);
      const copy = join(tree, 'etc/ssh_host_key');
      copyFileSync(key, copy);
      chownSync(copy, account.uid, account.gid);
      chmodSync(copy, 0o400);
      writeFileSync(join(tree, 'etc/sshd_config'), sshdConfig(listen));
    },
    argv: [
      join(root, 'native/build/ssh-room'),
      ...[tree, String(account.uid), String(account.gid)],
      ...lent.flatMap((path) => [path, path]),
      ...[process.execPath, ROOM_NODE],
      ...[sockets, WEB],
      ...['--', SSHD, '-D', '-e', '-f', '/etc/sshd_config'],
    ],
    ready: () => answers(listen),
  });
}

/** As `ssh-keygen -lf` shows it: what a person compares at the first connection. */
export function hostFingerprint(home: string): string {
  const key = `${hostKey(homePaths(home).ssh)}.pub`;
  return execFileSync('ssh-keygen', ['-lf', key], { encoding: 'utf8' }).split(' ')[1] ?? '';
}

/** Made once: it is what a platform is known by, and goes into the backup. */
function hostKey(directory: string): string {
  const path = join(directory, 'host_ed25519_key');
  if (existsSync(path)) return path;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}`;
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'slipway', '-f', fresh]);
  for (const end of ['.pub', '']) {
    copyFileSync(`${fresh}${end}`, `${path}${end}`);
    rmSync(`${fresh}${end}`);
  }
  chmodSync(path, 0o600);
  return path;
}

/** sshd_config(5). Whatever is not named here and could be more than an exec of one program is off. */
function sshdConfig({ host, port }: { host: string; port: number }): string {
  return `${[
    `ListenAddress ${host}:${port}`,
    'HostKey /etc/ssh_host_key',
    'PidFile none',
    'UsePAM no',
    'AllowUsers git',
    'AuthenticationMethods publickey',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'AuthorizedKeysFile none',
    `AuthorizedKeysCommand ${CALLER} key %t %k`,
    'AuthorizedKeysCommandUser git',
    'DisableForwarding yes',
    'PermitTunnel no',
    'PermitUserEnvironment no',
    'PermitUserRC no',
    'PrintMotd no',
    'PrintLastLog no',
    'Compression no',
    // Who has not shown a key: so many at once, for so long, and of one address no more than that.
    'MaxStartups 60:30:100',
    'PerSourceMaxStartups 60',
    'LoginGraceTime 20',
    'MaxAuthTries 10',
    'MaxSessions 10',
    // A caller who is gone without a word is noticed within a minute.
    'ClientAliveInterval 15',
    'ClientAliveCountMax 3',
    'LogLevel INFO',
  ].join('\n')}\n`;
}

/** The files of the room. All belong to root, and can be read by everybody in it. */
function furnish(
  tree: string,
  root: string,
  lent: readonly string[],
  { uid, gid }: { uid: number; gid: number },
): void {
  rmSync(tree, { recursive: true, force: true });
  for (const path of ['', 'etc', 'dev', 'proc', 'slipway', 'slipway/web', 'slipway/app', ...lent])
    mkdirSync(join(tree, path), { recursive: true, mode: 0o755 });
  // Where /lib is a link into /usr, it is one here.
  for (const path of LENT)
    if (existsSync(path) && !lent.includes(path)) symlinkSync(readlinkSync(path), join(tree, path));
  writeFileSync(join(tree, 'etc/passwd'), `git:x:${uid}:${gid}::/:${CALLER}\n`);
  writeFileSync(join(tree, 'etc/group'), `git:x:${gid}:\n`);
  writeFileSync(join(tree, ROOM_NODE), '');
  copyFileSync(join(root, 'native/build/ssh-caller'), join(tree, CALLER));
  chmodSync(join(tree, CALLER), 0o755);
  const app = join(tree, ROOM_APP);
  for (const path of ['bin/slipway', 'dist/run', 'package.json', 'Procfile'])
    cpSync(join(root, path), join(app, path), { recursive: true });
  openToAll(tree);
}

/** Whatever umask this was started with. */
function openToAll(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, lstatSync(path).mode | 0o444);
  }
}

/** passwd(5). */
function accountOf(name: string): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  throw new SlipwayError('unavailable', `there is no account ${name} on this machine`, {
    hint: 'run bin/setup, which installs openssh-server; or leave SSH out: SLIPWAY_SSH_LISTEN=none',
  });
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink();
}

function answers({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host === '0.0.0.0' ? '127.0.0.1' : host);
    const done = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    // sshd speaks first (RFC 4253, section 4.2).
    socket.setTimeout(2000, () => done(false));
    socket
      .once('data', (data) => done(data.toString('latin1').startsWith('SSH-2.0-')))
      .once('error', () => done(false));
  });
}

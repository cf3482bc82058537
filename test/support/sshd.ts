/** A real sshd (OpenSSH) on a free port of the loopback address, with host key, configuration and authorized keys of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './ports.js';

const run = promisify(execFile);
const SSHD = '/usr/sbin/sshd';

export interface TestSshd {
  /** `ssh://root@127.0.0.1:40123` */
  readonly address: string;
  readonly port: number;
  /** Of its host key: `SHA256:…` */
  fingerprint(): Promise<string>;
  /** Lets this public key in, and no other. */
  authorize(publicKey: string): Promise<void>;
  /** Kills the sessions under way; new ones are accepted. */
  cut(): Promise<void>;
  /** Ends it, sessions and all. `start` starts it again. */
  end(): Promise<void>;
  start(): Promise<void>;
  /** From its next start on it shows another host key. */
  changeHostKey(): Promise<void>;
  stop(): Promise<void>;
}

export interface SshdOptions {
  /** More lines of sshd_config(5). */
  readonly settings?: readonly string[];
  /** What sshd is started by: a program and its arguments, to which those of sshd are added. */
  readonly wrapper?: readonly string[];
}

/** Why a test with an sshd cannot run here, or undefined. */
export function sshdMissing(): string | undefined {
  if (!existsSync(SSHD)) return 'openssh-server is not installed';
  return process.getuid?.() === 0 ? undefined : 'sshd needs root';
}

export async function startSshd({ settings = [], wrapper = [] }: SshdOptions = {}): Promise<TestSshd> {
  const home = await mkdtemp(join(tmpdir(), 'slipway-sshd-'));
  const port = await freePort();
  const key = join(home, 'host_key');
  const authorized = join(home, 'authorized_keys');
  const { username } = userInfo();
  // It wants this directory although it is told to use no other user (sshd(8)).
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  await writeFile(authorized, '');
  await writeFile(
    join(home, 'config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${key}`,
      `AuthorizedKeysFile ${authorized}`,
      `PidFile ${join(home, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      ...settings,
      '',
    ].join('\n'),
  );
  const makeKey = async (): Promise<void> => {
    await rm(key, { force: true });
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  };
  await makeKey();

  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const argv = [...wrapper, SSHD, '-D', '-e', '-f', join(home, 'config')];
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
    });
    server = child;
    for (let attempt = 0; !(await listens(port)); attempt += 1) {
      if (child.exitCode !== null || attempt > 200) throw new Error(`sshd does not start: ${said}`);
      await sleep(50);
    }
  };
  const cut = async (): Promise<void> => {
    for (const pid of await descendants(server?.pid)) kill(pid);
  };
  const end = async (): Promise<void> => {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const left = await descendants(child.pid);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    for (const pid of left) kill(pid);
  };
  const stop = async (): Promise<void> => {
    await end();
    await rm(home, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address: `ssh://${username}@127.0.0.1:${port}`,
    port,
    fingerprint: async () => {
      const { stdout } = await run('ssh-keygen', ['-lf', `${key}.pub`]);
      return stdout.split(' ')[1] ?? '';
    },
    authorize: (publicKey) => writeFile(authorized, `${publicKey}\n`),
    cut,
    end,
    start,
    changeHostKey: makeKey,
    stop,
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}

/** The process's children, their children, and so on. */
async function descendants(pid: number | undefined): Promise<number[]> {
  if (pid === undefined) return [];
  const parents = new Map<number, number>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    // proc(5): the name in parentheses may hold anything; state and parent follow it.
    parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const found = [pid];
  for (const each of found) for (const [child, parent] of parents) if (parent === each) found.push(child);
  return found.slice(1);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

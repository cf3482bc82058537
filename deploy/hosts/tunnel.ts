/**
 * One ssh process that carries a host's engine to a unix socket here and, where the host cannot see the registry, the registry to a
 * port of the host's loopback. Started again with back-off when it ends, at once when somebody needs it; it ends with the deployer,
 * also with one that is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import type { Tunnel } from '../targets/engine.js';
import { programEnv } from './program.js';
import { PullTurn } from './pull-turn.js';
import { type SshAddress, type SshFiles, sshArguments } from './ssh.js';

export interface TunnelSpec {
  readonly name: string;
  readonly address: SshAddress;
  readonly socketPath: string;
  /** From this port of the host's loopback to the registry, `host:port` as seen from here; `turn` names it for `PullTurn`. */
  readonly pulls?: { readonly port: number; readonly registry: string; readonly turn: string };
  /** Asked before each start. */
  readonly files: () => Promise<SshFiles>;
  readonly log: Logger;
}

/** Not sooner than this after a failure, whoever asks. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** Connection, host key, authentication and forwards. */
const OPENING_MS = 12_000;
const STOP_MS = 2_000;
/** How soon the forward for pulls is ours when the deployer that has it is gone. */
const TURN_MS = 1_000;
/** What ssh says of a connection through it comes by another pipe than its end. */
const WORDS_MS = 200;

/** Resolves when the tunnel is open, rejects when ssh ends before that. */
interface Attempt {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(reason: unknown): void;
}

export class SshTunnel implements Tunnel {
  readonly socketPath: string;
  readonly #spec: TunnelSpec;
  readonly #stop = new AbortController();
  readonly #life: Promise<void>;
  readonly #turn: PullTurn | undefined;
  #attempt: Attempt = newAttempt();
  #isOpen = false;
  #wake: () => void = () => undefined;
  #words: string | undefined;
  /** The failure that the log has. */
  #told: string | undefined;

  constructor(spec: TunnelSpec) {
    this.#spec = spec;
    this.socketPath = spec.socketPath;
    this.#turn = spec.pulls === undefined ? undefined : new PullTurn(spec.pulls.turn);
    this.#life = this.#keepOpen();
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#stop.signal.throwIfAborted();
    if (this.#isOpen) return;
    this.#wake();
    await Promise.race([this.#attempt.promise, whenAborted(signal)]);
  }

  /** The connection ends before ssh has said why. */
  async lastWords(): Promise<string | undefined> {
    if (this.#isOpen && this.#words === undefined) await sleep(WORDS_MS);
    const words = this.#words;
    if (this.#isOpen) this.#words = undefined;
    return words;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the host was closed'));
    await this.#life;
  }

  async #keepOpen(): Promise<void> {
    const { signal } = this.#stop;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const wasOpen = await this.#once();
      if (signal.aborted) break;
      pauseMs = wasOpen ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      await sleep(FIRST_PAUSE_MS, undefined, { signal }).catch(() => undefined);
      await this.#pause(pauseMs - FIRST_PAUSE_MS);
    }
    await rm(this.socketPath, { force: true });
    await this.#turn?.release();
  }

  /** From the start of a process to its end; whether it was open meanwhile. */
  async #once(): Promise<boolean> {
    const { name, log } = this.#spec;
    const attempt = this.#attempt;
    this.#words = undefined;
    let failure: string;
    try {
      failure = await this.#run(attempt);
    } catch (thrown) {
      failure = (thrown as Error).message;
    }
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    // Who asks from now on waits for the next one.
    this.#attempt = newAttempt();
    attempt.reject(new Error(failure.startsWith('ssh: ') ? failure : `ssh: ${failure}`));
    // A machine that is off fails the same way every second.
    const isNews = wasOpen || failure !== this.#told;
    this.#told = failure;
    if (isNews && !this.#stop.signal.aborted)
      log.warn(
        { host: name, reason: failure },
        wasOpen ? 'the SSH connection was lost' : 'no SSH connection',
      );
    return wasOpen;
  }

  /** Resolves with ssh's last words. */
  async #run(attempt: Attempt): Promise<string> {
    const { address, log, name } = this.#spec;
    // Another deployer's forward leads to the same registry.
    const withPulls = (await this.#turn?.take()) === true;
    const args = sshArguments(address, await this.#spec.files(), forwards(this.#spec, withPulls));
    const stop = this.#stop.signal;
    stop.throwIfAborted();
    // setpriv(1) has the kernel end ssh with its parent: nobody else would let go of the host's port.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'ssh', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: programEnv(),
    });
    const end = (): void => void endProcess(child);
    stop.addEventListener('abort', end, { once: true });
    const late = setTimeout(() => {
      this.#words = `no connection within ${OPENING_MS / 1000} s`;
      end();
    }, OPENING_MS);
    const opened = (): void => {
      if (this.#isOpen) return;
      clearTimeout(late);
      this.#isOpen = true;
      this.#words = undefined;
      attempt.resolve();
      log.info({ host: name }, 'the SSH connection is open');
    };
    const waiting = new AbortController();
    if (!withPulls) void this.#turn?.await(TURN_MS, waiting.signal).then(end, () => undefined);
    let rest = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = (lines.pop() ?? '').slice(-10_000);
      for (const line of lines) {
        if (saysOpen(line, withPulls)) opened();
        else if (!/^debug\d: /.test(line) && isTelling(line)) this.#words = line.trim();
      }
    });
    try {
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      return this.#words ?? `it ended with ${code}`;
    } finally {
      clearTimeout(late);
      waiting.abort();
      stop.removeEventListener('abort', end);
    }
  }

  /** Ends early when somebody needs the tunnel. */
  async #pause(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await sleep(ms, undefined, { signal: AbortSignal.any([woken.signal, this.#stop.signal]) }).catch(
      () => undefined,
    );
    this.#wake = () => undefined;
  }
}

/** Nobody else's: two deployers with one socket would take it from each other. Short, as the path of a socket must be. */
export function newSocketPath(directory: string): string {
  return join(directory, `ssh-${randomBytes(8).toString('hex')}.sock`);
}

/** Takes away what killed deployers left. The sockets of one that lives take connections. */
export async function sweepSockets(directory: string): Promise<void> {
  const names = await readdir(directory).catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT')) return [];
    throw thrown;
  });
  for (const name of names.filter((one) => /^ssh-.*\.sock$/.test(one))) {
    const path = join(directory, name);
    if (await isDead(path)) await rm(path, { force: true });
  }
}

function isDead(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(socketPath);
    socket.once('error', (error) => resolve(isErrno(error, 'ECONNREFUSED')));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

/** ssh(1): -N runs nothing over there; the socket takes the place of the one of the process before. */
function forwards({ address, socketPath, pulls }: TunnelSpec, withPulls: boolean): string[] {
  return [
    '-N',
    '-v',
    '-o',
    'ExitOnForwardFailure=yes',
    '-o',
    'StreamLocalBindUnlink=yes',
    '-o',
    'StreamLocalBindMask=0177',
    '-L',
    `${socketPath.replaceAll(':', '\\:')}:${address.socket}`,
    ...(pulls === undefined || !withPulls ? [] : ['-R', `127.0.0.1:${pulls.port}:${pulls.registry}`]),
  ];
}

/** With -v ssh says when the session has begun, and when the other side has agreed to listen. */
function saysOpen(line: string, withPulls: boolean): boolean {
  return withPulls
    ? /^debug1: remote forward success for: listen /.test(line)
    : /^debug1: Entering interactive session\b/.test(line);
}

/** Not the copyright and progress lines that -v adds without a prefix. */
function isTelling(line: string): boolean {
  return (
    line.trim() !== '' &&
    !/^(OpenSSH_|Authenticated to |Authenticating to |Transferred: |Bytes per second: )/.test(line)
  );
}

async function endProcess(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  child.once('close', () => clearTimeout(late));
}

/** Nobody need be waiting for it. */
function newAttempt(): Attempt {
  let resolve!: () => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/**
 * One slirp4netns process: a user-mode network stack between a network namespace and the host's sockets.
 * It ends by itself when the process that started it is gone: its exit descriptor closes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { SlipwayError } from '../../errors.js';
import { type Cidr, formatCidr } from './cidr.js';
import { TOOL_ENV } from './command.js';

const START_MS = 10_000;
const STOP_MS = 2_000;

export interface SlirpOptions {
  /** Path of the network namespace. */
  readonly namespace: string;
  readonly inside: Cidr;
  /** Let slirp4netns drop its own capabilities, see an almost empty file system, and filter its system calls. */
  readonly confined: boolean;
}

export class Slirp {
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Resolves when the namespace has its interface, address and default route. Throws `unavailable`. */
  static async start(options: SlirpOptions): Promise<Slirp> {
    // A mount namespace of its own: with --enable-sandbox slirp4netns 1.2 detaches the old root with all that is mounted
    // below it, and where /run is no mount of its own that takes the named network namespaces from the whole machine.
    const child = spawn(
      'unshare',
      [
        ...['--mount', '--propagation', 'private', '--', 'slirp4netns'],
        ...['--configure', '--mtu=65520', '--disable-host-loopback', '--ready-fd=3', '--exit-fd=4'],
        `--cidr=${formatCidr(options.inside)}`,
        ...(options.confined ? ['--enable-sandbox', '--enable-seccomp'] : []),
        ...['--netns-type=path', options.namespace, 'tap0'],
      ],
      { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], env: TOOL_ENV, cwd: '/', detached: true },
    );
    const slirp = new Slirp(child);
    slirp.#exitPipe().on('error', () => undefined);
    try {
      await slirp.#ready();
      return slirp;
    } catch (error) {
      await slirp.stop();
      throw error;
    }
  }

  #ready(): Promise<void> {
    const child = this.#process;
    const ready = child.stdio[3] as Readable;
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 4096) said += text;
    });
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new SlipwayError('unavailable', `slirp4netns ${why}: ${said.trim()}`));
      };
      const timer = setTimeout(() => fail(`was not ready in ${START_MS} ms`), START_MS);
      child.once('error', (error) => fail(`could not be started (${error.message})`));
      child.once('close', (code, signal) => fail(`ended with ${signal ?? code}`));
      ready.once('data', () => {
        clearTimeout(timer);
        ready.destroy();
        resolve();
      });
    });
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.running || this.#process.pid === undefined) return;
    const ended = once(this.#process, 'exit');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    this.#exitPipe().destroy();
    await ended.finally(() => clearTimeout(timer));
  }

  #exitPipe(): Writable {
    return this.#process.stdio[4] as Writable;
  }
}

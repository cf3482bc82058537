/**
 * One running part of the platform (a backing service or a process of the Procfile): started as leader of its own
 * session, so that a terminal's ^C does not reach it before its turn; recorded in a pid file, so that the next start finds
 * what a killed supervisor left; started again with back-off when it dies.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../src/clock.js';
import { SlipwayError } from '../src/errors.js';
import type { Output } from './output.js';
import { identify, isAlive, type ProcessIdentity, sessionMembers, signalAll } from './proc.js';

export interface PartSpec {
  readonly name: string;
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Where pid files are kept. */
  readonly runDir: string;
  /** Appended to. Without one the output goes to the terminal with the part's name before each line. */
  readonly logFile?: string;
  /** Before each start, also after it died. */
  readonly prepare?: () => void;
  /** Asked until it says yes; an error means not yet. */
  readonly ready: () => Promise<boolean>;
  readonly readyTimeoutMs?: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs?: number;
  /** The first pause before a restart. Doubled each time up to 30 s, forgotten after a minute of life. */
  readonly backOffMs?: number;
}

const LONGEST_BACK_OFF_MS = 30_000;
const STEADY_AFTER_MS = 60_000;
const POLL_MS = 50;
const LOG_BYTES = 10 * 1024 * 1024;
const SHOWN_LINES = 15;

export class Part {
  readonly name: string;
  readonly #spec: PartSpec;
  readonly #output: Output;
  readonly #stopping = new AbortController();
  #identity: ProcessIdentity | undefined;
  #lastLines: string[] = [];
  #logStart = 0;
  #life: Promise<void> = Promise.resolve();

  private constructor(spec: PartSpec, output: Output) {
    this.name = spec.name;
    this.#spec = spec;
    this.#output = output;
  }

  /** Resolves when the part is ready. Throws `unavailable` with its last lines when it ends before, or is not ready in time. */
  static async start(spec: PartSpec, output: Output, signal?: AbortSignal): Promise<Part> {
    const part = new Part(spec, output);
    const exit = part.#spawn();
    try {
      await part.#untilReady(exit, signal);
    } catch (thrown) {
      await part.stop();
      throw thrown;
    }
    part.#life = part.#keepAlive(exit);
    return part;
  }

  /** The pid of now; another one after a restart. */
  get pid(): number | undefined {
    return this.#identity?.pid;
  }

  /** SIGTERM, the grace, SIGKILL; and whatever it has left in its session. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const identity = this.#identity;
    if (identity !== undefined) await endSession(identity, this.#spec.graceMs ?? 10_000);
    await this.#life;
    rmSync(this.#pidFile, { force: true });
  }

  /** SIGKILL to it and its session, without waiting. */
  kill(): void {
    this.#stopping.abort();
    if (this.#identity !== undefined) signalAll(sessionMembers(this.#identity), 'SIGKILL');
    rmSync(this.#pidFile, { force: true });
  }

  get #pidFile(): string {
    return pidFile(this.#spec.runDir, this.name);
  }

  /** Starts the program; resolves with a sentence about how it ended. */
  #spawn(): Promise<string> {
    this.#spec.prepare?.();
    const [program = '', ...rest] = this.#spec.argv;
    const log = this.#spec.logFile === undefined ? undefined : openLog(this.#spec.logFile);
    this.#logStart = log === undefined ? 0 : fstatSync(log).size;
    const child = spawn(program, rest, {
      cwd: this.#spec.cwd,
      env: this.#spec.env ?? process.env,
      detached: true,
      stdio: ['ignore', log ?? 'pipe', log ?? 'pipe'],
    });
    if (log !== undefined) closeSync(log);
    this.#identity = child.pid === undefined ? undefined : identify(child.pid);
    if (this.#identity !== undefined) writeFileSync(this.#pidFile, JSON.stringify(this.#identity));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (data: string) => {
        this.#lastLines = [...this.#lastLines, ...data.trimEnd().split('\n')].slice(-SHOWN_LINES);
        this.#output.chunk(this.name, data);
      });
    }
    return new Promise((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        resolve(
          error.code === 'ENOENT'
            ? `could not start: ${program} is not installed`
            : `could not start: ${error.message}`,
        );
      });
      child.once('exit', (code, signal) => {
        this.#output.flush(this.name);
        resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
      });
    });
  }

  async #untilReady(exit: Promise<string>, signal?: AbortSignal): Promise<void> {
    let ended: string | undefined;
    void exit.then((how) => {
      ended = how;
    });
    const timeoutMs = this.#spec.readyTimeoutMs ?? 30_000;
    for (let waited = 0; waited < timeoutMs; waited += POLL_MS) {
      await sleep(POLL_MS, signal);
      if (ended !== undefined) throw this.#failure(ended);
      if (await this.#spec.ready().catch(() => false)) return;
    }
    throw this.#failure(`was not ready after ${Math.round(timeoutMs / 1000)} s`);
  }

  async #keepAlive(firstExit: Promise<string>): Promise<void> {
    const first = this.#spec.backOffMs ?? 500;
    let backOffMs = first;
    let startedAt = Date.now();
    for (let exit = firstExit; ; exit = this.#spawn()) {
      const how = await exit;
      // What it had started goes with it: a second one beside it would share its sockets and locks.
      if (this.#identity !== undefined) signalAll(sessionMembers(this.#identity), 'SIGKILL');
      if (this.#stopping.signal.aborted) return;
      if (Date.now() - startedAt > STEADY_AFTER_MS) backOffMs = first;
      this.#output.say(`${this.name} ${how}; it starts again in ${(backOffMs / 1000).toFixed(1)} s`);
      const stopped = await sleep(backOffMs, this.#stopping.signal).then(
        () => false,
        () => true,
      );
      if (stopped) return;
      backOffMs = Math.min(backOffMs * 2, LONGEST_BACK_OFF_MS);
      startedAt = Date.now();
    }
  }

  #failure(how: string): SlipwayError {
    const lines =
      this.#spec.logFile === undefined ? this.#lastLines : lastLines(this.#spec.logFile, this.#logStart);
    return new SlipwayError(
      'unavailable',
      [`${this.name} ${how}`, ...lines.map((line) => `    ${line}`)].join('\n'),
      {
        hint: how.includes('not installed')
          ? 'run bin/setup'
          : this.#spec.logFile === undefined
            ? `its command is: ${this.#spec.argv.join(' ')}`
            : `its whole log is ${this.#spec.logFile}`,
      },
    );
  }
}

export function pidFile(runDir: string, name: string): string {
  return join(runDir, `${name}.pid`);
}

/** Ends a session: SIGTERM to its leader, who knows the order in which to stop; after the grace SIGKILL to all of it. */
export async function endSession(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (isAlive(identity)) signalAll([identity.pid], 'SIGTERM');
  for (let waited = 0; waited < graceMs && isAlive(identity); waited += POLL_MS) await sleep(POLL_MS);
  for (let tries = 0; tries < 100; tries++) {
    const left = sessionMembers(identity);
    if (left.length === 0) return;
    signalAll(left, 'SIGKILL');
    await sleep(POLL_MS);
  }
}

/** Opened for appending; a log above 10 MiB becomes `<name>.1` first. */
function openLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

function lastLines(path: string, fromByte: number): string[] {
  try {
    const written = readFileSync(path).subarray(fromByte).toString().trimEnd();
    return written === '' ? [] : written.split('\n').slice(-SHOWN_LINES);
  } catch {
    return [];
  }
}

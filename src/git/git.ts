/**
 * Runs git: argv only, never a shell (invariant 8), in an environment that no user or system setting reaches.
 * Every call has a time limit, an output limit and an abort signal; a failure is a SlipwayError with git's own words.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { basename } from 'node:path';
import { SlipwayError } from '../errors.js';

export interface GitCall {
  /** The repository, as GIT_DIR. Left out for commands that need none. */
  readonly gitDir?: string;
  readonly input?: string | Uint8Array;
  /** Added to the clean environment, for example GIT_AUTHOR_DATE or GIT_INDEX_FILE. */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** After this many ms the process is killed. Default 60,000. */
  readonly timeoutMs?: number;
  /** More output than this ends the call with `too_large`. Default 64 MiB. */
  readonly maxOutputBytes?: number;
}

export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** Cleaned: see {@link cleanStderr}. */
  readonly stderr: string;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_OUTPUT_BYTES = 64 * 1024 * 1024;
const STDERR_BYTES = 64 * 1024;
/** A git that was asked to end removes its lock and quarantine files; one that does not listen is killed. */
const KILL_AFTER_MS = 5_000;

/**
 * What git sees of the world. Settings of the system or a user would change what is accepted (hooks, fsck, replace
 * refs), so none is read. `safe.directory` counts from git 2.38 on when it comes from the environment.
 */
export function gitEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    ...(process.env.TMPDIR === undefined ? {} : { TMPDIR: process.env.TMPDIR }),
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
    ...extra,
  };
}

export class Git {
  readonly #executable: string;

  constructor(executable = 'git') {
    this.#executable = executable;
  }

  /** Starts a git process whose streams the caller drives. The caller ends it: see {@link stopProcess}. */
  spawn(
    args: readonly string[],
    call: Pick<GitCall, 'gitDir' | 'env'> &
      Pick<SpawnOptions, 'detached'> & {
        /** A descriptor to write to; a pipe to this process by default. */
        readonly stdout?: number;
      } = {},
  ): ChildProcess {
    const env = gitEnvironment({
      ...(call.gitDir === undefined ? {} : { GIT_DIR: call.gitDir }),
      ...call.env,
    });
    // cwd: a relative path in an argument must never mean a file of the process that happens to call.
    return spawn(this.#executable, [...args], {
      cwd: '/',
      env,
      stdio: ['pipe', call.stdout ?? 'pipe', 'pipe'],
      detached: call.detached ?? false,
    });
  }

  /** Runs git to its end and returns how it ended; a non-zero exit code is no error here. */
  result(args: readonly string[], call: GitCall = {}): Promise<GitResult> {
    const name = `git ${args[0] ?? ''}`;
    const limit = call.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES;
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted) {
        reject(call.signal.reason);
        return;
      }
      const child = this.spawn(args, call);
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      let stdoutBytes = 0;
      let stderrBytes = 0;
      let failure: unknown;
      let cancelKill = (): void => {};
      const stop = (reason: unknown): void => {
        if (failure !== undefined) return;
        failure = reason;
        cancelKill = stopProcess(child);
      };
      const onAbort = (): void => stop(call.signal?.reason);
      const timer = setTimeout(() => {
        stop(
          new SlipwayError(
            'unavailable',
            `${name} took longer than ${call.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`,
            { temporary: true },
          ),
        );
      }, call.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      call.signal?.addEventListener('abort', onAbort, { once: true });
      const settle = (): void => {
        clearTimeout(timer);
        cancelKill();
        call.signal?.removeEventListener('abort', onAbort);
      };

      child.stdout?.on('data', (chunk: Buffer) => {
        stdoutBytes += chunk.length;
        if (stdoutBytes > limit)
          stop(new SlipwayError('too_large', `${name} printed more than ${limit} bytes`));
        else stdout.push(chunk);
      });
      child.stderr?.on('data', (chunk: Buffer) => {
        stderrBytes += chunk.length;
        if (stderrBytes <= STDERR_BYTES) stderr.push(chunk);
      });
      // EPIPE when git ends before it has read everything; its exit code tells the story.
      child.stdin?.on('error', () => {});
      child.stdin?.end(call.input);
      child.on('error', (error) => {
        settle();
        reject(startFailure(this.#executable, error));
      });
      child.on('close', (code, signal) => {
        settle();
        if (failure !== undefined) reject(failure);
        else if (signal !== null)
          reject(new SlipwayError('unavailable', `${name} was ended by ${signal}`, { temporary: true }));
        else {
          const text = cleanStderr(Buffer.concat(stderr).toString('utf8'), call.gitDir);
          resolve({ exitCode: code ?? 1, stdout: Buffer.concat(stdout), stderr: text });
        }
      });
    });
  }

  /** Runs git and returns its output. Throws a SlipwayError with git's words when it exits with anything but 0. */
  async run(args: readonly string[], call: GitCall = {}): Promise<Buffer> {
    const result = await this.result(args, call);
    if (result.exitCode === 0) return result.stdout;
    throw gitFailure(args, result);
  }

  /** {@link run}, as UTF-8 text without the line end at its end. */
  async text(args: readonly string[], call: GitCall = {}): Promise<string> {
    return (await this.run(args, call)).toString('utf8').replace(/\n$/, '');
  }
}

/** Asks a process to end and kills it after 5 s. Returns a function that takes the threat back once it has ended. */
export function stopProcess(
  child: ChildProcess,
  signal: (name: NodeJS.Signals) => void = (name) => child.kill(name),
): () => void {
  signal('SIGTERM');
  const timer = setTimeout(() => signal('SIGKILL'), KILL_AFTER_MS);
  return () => clearTimeout(timer);
}

/** To a process that was started `detached`, and all that it has started. */
export function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // ESRCH: all of it has ended.
  }
}

/** The error for a git that ended with `result`, where the caller has nothing better to say. */
export function gitFailure(args: readonly string[], result: GitResult): SlipwayError {
  const words = result.stderr === '' ? `exit code ${result.exitCode}` : result.stderr;
  const message = `git ${args[0] ?? ''} failed: ${words}`;
  if (/No space left on device|Disk quota exceeded/i.test(result.stderr)) {
    return new SlipwayError('disk_full', message, {
      hint: 'free some space or give SLIPWAY_HOME a larger disk, then try again',
      temporary: true,
    });
  }
  return new SlipwayError('internal', message);
}

/**
 * git's complaint as one line for people: without `fatal:`, hints, terminal controls and the repository's path on this
 * machine, at most 500 characters.
 */
export function cleanStderr(text: string, gitDir?: string): string {
  const shown = gitDir === undefined ? text : text.replaceAll(gitDir, basename(gitDir));
  return shown
    .split(/[\r\n]+/)
    .map((line) =>
      line
        .replace(/\p{Cc}/gu, '')
        .replace(/^(fatal|error|warning): /, '')
        .trim(),
    )
    .filter((line) => line !== '' && !line.startsWith('hint:'))
    .join('; ')
    .slice(0, 500);
}

function startFailure(executable: string, error: Error): SlipwayError {
  return new SlipwayError('unavailable', `cannot start ${executable}: ${error.message}`, {
    hint: 'install git 2.31 or newer and see that it is on the PATH',
    cause: error,
  });
}

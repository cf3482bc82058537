/** A program that is started, waited for and read: argv only, no shell, with an end. */
import { spawn } from 'node:child_process';
import { SlipwayError } from '../../src/errors.js';

export interface ProgramOptions {
  readonly timeoutMs: number;
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
  /** Each line of its output as it comes. */
  readonly onLine?: (line: string) => void;
  /** Exit codes that are an answer, not a failure; 0 always is. */
  readonly accept?: readonly number[];
}

export interface ProgramEnd {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

const OUTPUT_BYTES = 1024 * 1024;

/** Throws `unavailable` with the program's own words. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { timeoutMs, input, signal, onLine, accept = [] }: ProgramOptions,
): Promise<ProgramEnd> {
  // Nothing would end it any more.
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const end = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const child = spawn(program, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: programEnv() });
  const kill = (): void => void child.kill('SIGKILL');
  end.addEventListener('abort', kill, { once: true });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const texts = { output: '', errors: '' };
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.output = (texts.output + text).slice(-OUTPUT_BYTES);
    if (onLine === undefined) return;
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(-OUTPUT_BYTES);
    for (const line of lines) onLine(line);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.errors = (texts.errors + text).slice(-OUTPUT_BYTES);
  });
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    });
    signal?.throwIfAborted();
    if (rest !== '') onLine?.(rest);
    if (timeout.aborted)
      throw new SlipwayError('unavailable', `${program} did not end within ${timeoutMs / 1000} s`, {
        temporary: true,
      });
    if (exitCode === 0 || accept.includes(exitCode)) return { exitCode, ...texts };
    throw new SlipwayError(
      'unavailable',
      `${program} ended with ${exitCode}: ${lastLine(texts.errors) ?? 'it said nothing'}`,
    );
  } catch (thrown) {
    if (thrown instanceof SlipwayError || signal?.aborted) throw thrown;
    throw new SlipwayError('unavailable', `${program} cannot be started: ${(thrown as Error).message}`, {
      hint: 'bin/setup installs it',
      cause: thrown,
    });
  } finally {
    end.removeEventListener('abort', kill);
  }
}

/** Nothing of the deployer's own settings, and English words. */
export function programEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: 'C' };
}

export function lastLine(text: string): string | undefined {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .at(-1);
}

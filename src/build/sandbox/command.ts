/** Runs one short program to its end: argv arrays only, no shell, a bounded time, an environment of our own. */
import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../../errors.js';

/** What the tools of the sandbox see of our environment. They need no more, and it holds secrets. */
export const TOOL_ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

const OUTPUT_BYTES = 64 * 1024;

export interface CommandResult {
  readonly exitCode: number;
  /** stdout and stderr, the first 64 KiB of each. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a program is that `TOOL_ENV` finds; undefined when it is not there. */
export async function programPath(name: string): Promise<string | undefined> {
  for (const directory of (TOOL_ENV.PATH ?? '').split(':')) {
    const path = join(directory, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** Throws `unavailable` when the program is not there or does not end in `timeoutMs`; an exit code is a result. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<CommandResult> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  return new Promise((resolve, reject) => {
    // Detached: a Ctrl-C in our terminal is ours to act on, and must not reach what cleans up.
    const child = spawn(program, args, { stdio: 'pipe', env: TOOL_ENV, cwd: '/', detached: true });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < OUTPUT_BYTES) output[name] += text;
      });
    }
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new SlipwayError('unavailable', `cannot run ${program}: ${error.message}`, { cause: error }));
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      if (timedOut) reject(new SlipwayError('unavailable', `${program} did not end in ${timeoutMs} ms`));
      else resolve({ exitCode: code ?? 128, ...output });
    });
    child.stdin.on('error', () => undefined); // it may end without reading: its exit code says how that went
    child.stdin.end(options.input ?? '');
  });
}

/** As `runCommand`, but an exit code other than 0 is thrown as `unavailable` with what the program said. */
export async function runOrThrow(program: string, args: readonly string[], input = ''): Promise<string> {
  const result = await runCommand(program, args, { input });
  if (result.exitCode === 0) return result.stdout;
  const said = result.stderr.trim() || `exit code ${result.exitCode}`;
  throw new SlipwayError('unavailable', `${program} ${args.join(' ')} failed: ${said}`);
}

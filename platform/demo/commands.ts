/** The programs that the demo's person types: git and the CLI, their output shown as they print it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Result {
  readonly exitCode: number;
  /** stdout and stderr, in the order in which they came. */
  readonly output: string;
}

export interface Shown {
  write(text: string): unknown;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Where the output is shown while it comes; nowhere by default. */
  readonly shown?: Shown;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 180_000;

/** A program that fails is no error here: some are meant to. One that takes too long is stopped, and that is one. */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Result> {
  const { cwd, env, input, shown, signal, timeoutMs = TIMEOUT_MS } = options;
  const tooLong = AbortSignal.timeout(timeoutMs);
  const child = spawn(program, [...args], {
    cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: signal === undefined ? tooLong : AbortSignal.any([signal, tooLong]),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (data: string) => {
      output += data;
      shown?.write(data);
    });
  }
  child.stdin.on('error', () => undefined).end(input);
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode: exitCode ?? 1, output };
}

/** What runs a case on another builder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Case } from '../case.js';
import type { CaseContext } from '../context.js';
import type { Image } from '../image.js';

export type Outcome =
  | { readonly kind: 'built'; readonly image: Image }
  /** `said` is for people. */
  | { readonly kind: 'failed'; readonly said: string };

export interface Builder {
  readonly name: string;
  build(one: Case, context: CaseContext): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const TIME_LIMIT_MS = 120_000;

export async function execute(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIME_LIMIT_MS,
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 1, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

/** The options that `docker build` and `buildah build` spell alike. */
export function buildOptions({ options = {} }: Case, context: CaseContext): string[] {
  return [
    ...(options.target === undefined ? [] : [`--target=${options.target}`]),
    ...Object.entries(options.buildArgs ?? {}).map(([key, value]) => `--build-arg=${key}=${value}`),
    ...Object.entries(options.labels ?? {}).map(([key, value]) => `--label=${key}=${value}`),
    ...[...context.secrets].map(([id, path]) => `--secret=id=${id},src=${path}`),
    ...[...context.contexts].map(([name, place]) => `--build-context=${name}=${place}`),
    `--file=${context.directory}/${context.dockerfile}`,
  ];
}

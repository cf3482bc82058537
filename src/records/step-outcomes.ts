/**
 * What became of each step of a build, and why: a file of JSON lines beside the build's journal. A step has a line when it
 * begins to run and one when it ends; the later one holds. Only ever shown: nothing depends on it, so nothing is synced.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { isErrno } from '../errors.js';

export interface StepOutcome {
  /** From 1, of `total`. */
  readonly step: number;
  readonly total: number;
  /** The stage's name, or its index from 0. */
  readonly stage: string;
  /** The instruction in one line. */
  readonly text: string;
  /** Where it stands in the Dockerfile. */
  readonly line: number;
  /** `stopped`: another step failed, or the build was cancelled. */
  readonly result: 'running' | 'cached' | 'executed' | 'failed' | 'stopped';
  /** Why it was not taken from the cache. */
  readonly reason?: string;
  /** How long it ran. */
  readonly ms?: number;
  /** What it cost when it ran, of a cached one. */
  readonly savedMs?: number;
  /** Of a cached one whose result another builder had shared. */
  readonly from?: 'registry';
}

const ms = z.number().nonnegative().exactOptional();
const outcome: z.ZodType<StepOutcome> = z.object({
  step: z.number().int(),
  total: z.number().int(),
  stage: z.string(),
  text: z.string(),
  line: z.number().int(),
  result: z.enum(['running', 'cached', 'executed', 'failed', 'stopped']),
  reason: z.string().exactOptional(),
  ms,
  savedMs: ms,
  from: z.literal('registry').exactOptional(),
});

/** A build begins, perhaps again: what an earlier builder did of it does not count. */
export async function startOutcomes(path: string): Promise<void> {
  await writeFile(path, '', { mode: 0o600 });
}

export async function appendOutcome(path: string, of: StepOutcome): Promise<void> {
  await appendFile(path, `\n${JSON.stringify(of)}`);
}

/** In the order of the steps; empty when nothing is known. A torn line spoils itself only. */
export async function readOutcomes(path: string): Promise<readonly StepOutcome[]> {
  const steps = new Map<number, StepOutcome>();
  for (const line of (await readText(path)).split('\n')) {
    const { data } = outcome.safeParse(jsonOf(line));
    if (data !== undefined) steps.set(data.step, data);
  }
  return [...steps.values()].sort((a, b) => a.step - b.step);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

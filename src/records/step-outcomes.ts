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

/**
 * The record of a build that begins, perhaps again: what an earlier builder did of it does not count. Nobody waits for the
 * disk: what is added while a write is under way goes with the next one.
 */
export class OutcomeRecord {
  readonly #path: string;
  readonly #failed: (error: unknown) => void;
  #pending = '';
  #writing: Promise<void> | undefined;
  #isBroken = false;

  /** `failed` is told once when it cannot be written; nothing throws for that. */
  constructor(path: string, failed: (error: unknown) => void) {
    this.#path = path;
    this.#failed = failed;
    this.#writing = this.#write(() => writeFile(path, '', { mode: 0o600 }));
  }

  add(of: StepOutcome): void {
    this.#pending += `\n${JSON.stringify(of)}`;
    this.#writing ??= this.#write();
  }

  /** Resolves when all that was added is in the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #write(first?: () => Promise<void>): Promise<void> {
    try {
      await first?.();
      while (this.#pending !== '' && !this.#isBroken) {
        const lines = this.#pending;
        this.#pending = '';
        await appendFile(this.#path, lines);
      }
    } catch (error) {
      this.#isBroken = true;
      this.#failed(error);
    }
    this.#pending = '';
    this.#writing = undefined;
  }
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

/**
 * The step cache: step key → the layer that the step made, as small files in the builder's store. Plain files, so that a
 * wiped Redis costs nothing and a killed builder leaves either a whole entry or none.
 */
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../errors.js';
import type { Layer } from '../../layers/layer.js';

export interface CachedStep {
  readonly layer: Layer;
  /** What the step cost when it ran, in ms; what a hit saves. */
  readonly ms: number;
}

/** What the same place in the same app's Dockerfile was made of the last time; only ever used to explain a miss. */
export interface SlotRecord {
  /** The commit that was built, to name the file that changed since. */
  readonly commit: string;
  /** Named parts of the key, in the order in which a person would want to hear of them; values are hashes. */
  readonly parts: readonly (readonly [name: string, hash: string])[];
}

export class StepCache {
  readonly #steps: string;
  readonly #slots: string;

  constructor(directory: string) {
    this.#steps = join(directory, 'steps');
    this.#slots = join(directory, 'slots');
  }

  async open(): Promise<void> {
    await mkdir(this.#steps, { recursive: true });
    await mkdir(this.#slots, { recursive: true });
  }

  /** Undefined when there is no entry, or only a damaged one. A hit counts as a use for the cleaning. */
  async get(key: string): Promise<CachedStep | undefined> {
    const path = this.#stepPath(key);
    const found = await readJson<CachedStep>(path);
    if (found?.layer?.diffId === undefined) return undefined;
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return found;
  }

  async put(key: string, step: CachedStep): Promise<void> {
    await writeJson(this.#stepPath(key), step);
  }

  /** Removes the entries that `isGone`, such as those whose layer is no longer in the store. */
  async forgetWhere(isGone: (step: CachedStep) => Promise<boolean>): Promise<void> {
    for (const name of await readdir(this.#steps)) {
      const path = join(this.#steps, name);
      const step = name.endsWith('.json') ? await readJson<CachedStep>(path) : undefined;
      if (step !== undefined && (await isGone(step))) await rm(path, { force: true });
    }
  }

  async previous(scope: string, slot: string): Promise<SlotRecord | undefined> {
    return readJson<SlotRecord>(join(this.#slots, scope, `${slot}.json`));
  }

  async remember(scope: string, slot: string, record: SlotRecord): Promise<void> {
    await mkdir(join(this.#slots, scope), { recursive: true });
    await writeJson(join(this.#slots, scope, `${slot}.json`), record);
  }

  #stepPath(key: string): string {
    return join(this.#steps, `${key}.json`);
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    await writeFile(temporary, JSON.stringify(value));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

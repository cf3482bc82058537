/**
 * The step cache: step key → the layer that the step made, as small files in the builder's store. Plain files, so that a
 * wiped Redis costs nothing and a killed builder leaves either a whole entry or none.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CachedSelection, type CachedStep, cachedSelections, cachedStep } from './cached.js';
import { JsonFiles, readJson, writeJson } from './json-files.js';

export type { CachedStep } from './cached.js';

/** What the same place in the same app's Dockerfile was made of the last time; only ever used to explain a miss. */
export interface SlotRecord {
  /** The commit that was built, to name the file that changed since. */
  readonly commit: string;
  /** Named parts of the key, in the order in which a person would want to hear of them; values are hashes. */
  readonly parts: readonly (readonly [name: string, hash: string])[];
}

export class StepCache {
  readonly steps: JsonFiles<CachedStep>;
  /** What was selected in a stage or an image, by selectionKey. */
  readonly selections: JsonFiles<readonly CachedSelection[]>;
  readonly #slots: string;

  constructor(directory: string) {
    this.steps = new JsonFiles(join(directory, 'steps'), cachedStep);
    this.selections = new JsonFiles(join(directory, 'selections'), cachedSelections);
    this.#slots = join(directory, 'slots');
  }

  async open(): Promise<void> {
    await this.steps.open();
    await this.selections.open();
    await mkdir(this.#slots, { recursive: true });
  }

  /** Undefined when there is no entry, or only a damaged one. A hit counts as a use for the cleaning. */
  get(key: string): Promise<CachedStep | undefined> {
    return this.steps.get(key);
  }

  put(key: string, step: CachedStep): Promise<void> {
    return this.steps.put(key, step);
  }

  async previous(scope: string, slot: string): Promise<SlotRecord | undefined> {
    const found = (await readJson(join(this.#slots, scope, `${slot}.json`))) as SlotRecord | undefined;
    return Array.isArray(found?.parts) ? found : undefined;
  }

  async remember(scope: string, slot: string, record: SlotRecord): Promise<void> {
    await mkdir(join(this.#slots, scope), { recursive: true });
    await writeJson(join(this.#slots, scope, `${slot}.json`), record);
  }
}

/**
 * The step cache: step key → the layer that the step made, as small files in the builder's store. Plain files, so that a
 * wiped Redis costs nothing and a killed builder leaves either a whole entry or none.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { type CachedSelection, type CachedStep, cachedSelections, cachedStep } from './cached.js';
import type { StageHistory } from './explain.js';
import { JsonFiles } from './json-files.js';
import { hashOf } from './keys.js';
import type { StageId } from './miss-reasons.js';

export type { CachedStep } from './cached.js';

const history: z.ZodType<StageHistory> = z.record(
  z.string(),
  z.object({ commit: z.string(), parts: z.array(z.tuple([z.string(), z.string()])) }),
);

export class StepCache {
  readonly steps: JsonFiles<CachedStep>;
  /** What was selected in a stage or an image, by selectionKey. */
  readonly selections: JsonFiles<readonly CachedSelection[]>;
  /** What the steps of a stage were made of the last time; only ever used to explain a miss. */
  readonly histories: JsonFiles<StageHistory>;

  constructor(directory: string) {
    this.steps = new JsonFiles(join(directory, 'steps'), cachedStep);
    this.selections = new JsonFiles(join(directory, 'selections'), cachedSelections);
    this.histories = new JsonFiles(join(directory, 'histories'), history);
  }

  async open(): Promise<void> {
    for (const files of [this.steps, this.selections, this.histories]) await files.open();
  }

  /** Undefined when there is no entry, or only a damaged one. A hit counts as a use for the cleaning. */
  get(key: string): Promise<CachedStep | undefined> {
    return this.steps.get(key);
  }

  put(key: string, step: CachedStep): Promise<void> {
    return this.steps.put(key, step);
  }

  history({ scope, stage }: StageId): Promise<StageHistory | undefined> {
    return this.histories.get(hashOf([scope, stage]));
  }

  remember({ scope, stage }: StageId, now: StageHistory): Promise<void> {
    return this.histories.put(hashOf([scope, stage]), now);
  }
}

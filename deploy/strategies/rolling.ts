/**
 * So many at a time: a batch is started, checked and switched in, and the old containers in whose place it stands are drained and
 * stopped, before the next one begins. A batch is taken over all hosts together, in the order in which instances are dealt out to them.
 */
import { type Batch, batchSize } from '../../src/model/strategy.js';
import type { PlacedInstance } from '../placement.js';
import { isAlive, isSame } from '../plan.js';
import type { Container } from '../targets/container.js';
import type { Change } from './change.js';
import type { Course, Steps } from './steps.js';

export interface Replacements {
  readonly fresh: readonly PlacedInstance[];
  readonly old: readonly Container[];
}

export async function rolling({ change, say }: Course, steps: Steps, batch: Batch): Promise<void> {
  const batches = batchesOf(change, batch);
  let serving = [...change.adopted, ...change.serving.filter(isAlive)];
  for (const [index, { fresh, old }] of batches.entries()) {
    if (batches.length > 1) await say(`batch ${index + 1} of ${batches.length}`);
    const started = await steps.start(fresh);
    await steps.check(started);
    serving = [...serving.filter((one) => !old.includes(one)), ...started];
    await steps.switchTo(serving);
    // The last ones go when the release is live, as with every strategy.
    if (index < batches.length - 1) await steps.halt(old, { drain: true });
  }
}

/** Each new instance with the old one of its name. What the new release has no instance for goes with the last batch. */
export function batchesOf(
  { fresh, serving }: Pick<Change, 'fresh' | 'serving'>,
  batch: Batch,
): Replacements[] {
  const size = batchSize(batch, fresh.length);
  const batches: { fresh: readonly PlacedInstance[]; old: readonly Container[] }[] = [];
  const left = new Set(serving);
  for (let from = 0; from < fresh.length; from += size) {
    const instances = fresh.slice(from, from + size);
    const replaced = [...left].filter(({ instance }) => instances.some((one) => isSame(instance, one)));
    for (const container of replaced) left.delete(container);
    batches.push({ fresh: instances, old: replaced });
  }
  const last = batches.pop() ?? { fresh: [], old: [] };
  return [...batches, { fresh: last.fresh, old: [...last.old, ...left] }];
}

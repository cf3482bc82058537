/**
 * The layer of a COPY that copies almost what it copied before: a thin layer of the changes, over the whole layer of an
 * earlier build. Hosts have that one already, so they unpack only the changes. It is always one thin layer over one whole
 * one; where too much has changed since, the next one is whole again.
 */
import type { Layer } from '../../layers/layer.js';
import type { BuilderStore } from '../builder-store.js';
import type { Destination } from '../copy/destination.js';
import type { PlannedEntry } from '../copy/layer-plan.js';
import { changesBetween, indexOf } from './changes.js';
import type { WholeLayer } from './whole-layers.js';

export interface ThinBounds {
  /** A layer with less of both is unpacked sooner than another one is looked at. */
  readonly leastEntries: number;
  readonly leastBytes: number;
  /** The changes may be this part of the whole, of its entries and of its bytes. */
  readonly mostOfWhole: number;
}

const BOUNDS: ThinBounds = { leastEntries: 200, leastBytes: 1024 * 1024, mostOfWhole: 1 / 4 };

export interface ThinCopy {
  readonly under: Layer;
  readonly entries: readonly PlannedEntry[];
}

/** `place` names the COPY: whose it is, what it stands on and where it goes. Undefined: the layer has to be whole. */
export async function thinCopy(
  place: string,
  planned: readonly PlannedEntry[],
  onto: Destination,
  store: Pick<BuilderStore, 'wholes' | 'blobs'>,
  bounds: ThinBounds = BOUNDS,
): Promise<ThinCopy | undefined> {
  if (!isWorthIt(planned, bounds)) return undefined;
  const index = indexOf(planned);
  const whole = index && (await store.wholes.get(place));
  if (index === undefined || whole === undefined) return undefined;
  const changes = changesBetween(whole.index, planned, index);
  const isSmall =
    changes.entries.length <= whole.index.size * bounds.mostOfWhole &&
    changes.contentBytes <= whole.contentBytes * bounds.mostOfWhole;
  if (!isSmall || !(await store.blobs.use(whole.layer.digest))) return undefined;
  for (const path of changes.uncovered) if ((await onto.lstat(path)) !== undefined) return undefined;
  return { under: whole.layer, entries: changes.entries };
}

/** The whole layer that was written from `planned` is what the next one can be laid over. */
export async function rememberWhole(
  place: string,
  planned: readonly PlannedEntry[],
  layer: Layer,
  store: Pick<BuilderStore, 'wholes'>,
  bounds: ThinBounds = BOUNDS,
): Promise<void> {
  if (!isWorthIt(planned, bounds)) return;
  const index = indexOf(planned);
  if (index === undefined) return;
  const whole: WholeLayer = { layer, index, contentBytes: bytesOf(planned) };
  await store.wholes.put(place, whole);
}

function isWorthIt(planned: readonly PlannedEntry[], { leastEntries, leastBytes }: ThinBounds): boolean {
  return planned.length >= leastEntries || bytesOf(planned) >= leastBytes;
}

function bytesOf(planned: readonly PlannedEntry[]): number {
  return planned.reduce((sum, { from }) => sum + (from?.file.sizeBytes ?? 0), 0);
}

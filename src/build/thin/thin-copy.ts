/**
 * The layer of a COPY that copies almost what it copied before: a thin layer of the changes, over the whole layer of an
 * earlier build. Hosts have that one already, so they unpack only the changes. It is always one thin layer over one whole
 * one; where too much has changed since, the next one is whole again.
 */
import type { Layer } from '../../layers/layer.js';
import type { BuilderStore } from '../builder-store.js';
import type { Destination } from '../copy/destination.js';
import type { PlannedEntry } from '../copy/layer-plan.js';
import { changesBetween, indexOf, type LayerIndex } from './changes.js';
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

type Store = Pick<BuilderStore, 'wholes' | 'blobs'>;

/** `place` names the COPY: whose it is, what it stands on and where it goes. Undefined: the layer has to be whole. */
export async function thinCopy(
  place: string,
  planned: readonly PlannedEntry[],
  onto: Destination,
  store: Store,
  bounds: ThinBounds = BOUNDS,
): Promise<ThinCopy | undefined> {
  if (!isWorthIt(planned, bounds)) return undefined;
  const now = indexOf(planned);
  const whole = now && (await store.wholes.get(place));
  return now && whole && thinOver(whole, { before: whole.index(), planned, now }, onto, store, bounds);
}

/** The same from a plan of only what differs from the whole layer's source, at `paths` and in the directories above them. */
export async function thinChange(
  whole: WholeLayer,
  { paths, planned }: { readonly paths: readonly string[]; readonly planned: readonly PlannedEntry[] },
  onto: Destination,
  store: Store,
  bounds: ThinBounds = BOUNDS,
): Promise<ThinCopy | undefined> {
  const now = indexOf(planned);
  if (now === undefined) return undefined;
  const before = whole.index(new Set([...paths, ...now.keys()]));
  return thinOver(whole, { before, planned, now }, onto, store, bounds);
}

interface Compared {
  readonly before: LayerIndex;
  readonly planned: readonly PlannedEntry[];
  readonly now: LayerIndex;
}

async function thinOver(
  whole: WholeLayer,
  { before, planned, now }: Compared,
  onto: Destination,
  store: Store,
  bounds: ThinBounds,
): Promise<ThinCopy | undefined> {
  const changes = changesBetween(before, planned, now);
  const isSmall =
    changes.entries.length <= whole.entries * bounds.mostOfWhole &&
    changes.contentBytes <= whole.contentBytes * bounds.mostOfWhole;
  if (!isSmall || !(await store.blobs.use(whole.layer.digest))) return undefined;
  for (const path of changes.uncovered) if ((await onto.lstat(path)) !== undefined) return undefined;
  return { under: whole.layer, entries: changes.entries };
}

export interface RememberedWhole {
  readonly layer: Layer;
  /** See Selection.tree. */
  readonly tree?: string;
}

/** The whole layer that was written from `planned` is what the next one can be laid over. */
export async function rememberWhole(
  place: string,
  planned: readonly PlannedEntry[],
  remembered: RememberedWhole,
  store: Pick<BuilderStore, 'wholes'>,
  bounds: ThinBounds = BOUNDS,
): Promise<void> {
  if (!isWorthIt(planned, bounds)) return;
  const index = indexOf(planned);
  if (index === undefined) return;
  await store.wholes.put(place, { ...remembered, index, contentBytes: bytesOf(planned) });
}

function isWorthIt(planned: readonly PlannedEntry[], { leastEntries, leastBytes }: ThinBounds): boolean {
  return planned.length >= leastEntries || bytesOf(planned) >= leastBytes;
}

function bytesOf(planned: readonly PlannedEntry[]): number {
  return planned.reduce((sum, { from }) => sum + (from?.file.sizeBytes ?? 0), 0);
}

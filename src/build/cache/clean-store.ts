/**
 * Keeps the builder's store within its budget: what was used longest ago goes first, and nothing that a running build
 * may use goes at all, in this process or in another. Killed in the middle, it leaves whole entries only.
 */
import type { BuilderStore } from '../builder-store.js';
import type { JsonFiles } from './json-files.js';

export interface StoreBudget {
  readonly bytes: number;
  /** Entries used within this time stay, whatever the budget: an image that was built may still be pushed. */
  readonly keepMs: number;
}

export interface Cleaned {
  readonly removedBytes: number;
  readonly keptBytes: number;
}

/** One thing that can be removed by itself and made again when it is needed. */
export interface StoreEntry {
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  readonly sizeBytes: number;
  /** False when it was used meanwhile, or somebody else has removed it. */
  remove(): Promise<boolean>;
}

/** A further kind of entries. */
export type StoreRoom = (signal: AbortSignal | undefined) => Promise<readonly StoreEntry[]>;

export async function cleanStore(
  store: BuilderStore,
  budget: StoreBudget,
  signal?: AbortSignal,
  rooms: readonly StoreRoom[] = [],
): Promise<Cleaned> {
  // Asked before anything is listed: a build that begins later marks what it uses later than that.
  const keptSince = Math.min(
    Date.now() - budget.keepMs,
    (await store.running.oldest()) ?? Number.POSITIVE_INFINITY,
  );
  const entries: StoreEntry[] = [];
  for (const room of [
    layouts(store),
    blobs(store),
    ...rooms,
    files(store.steps.histories),
    files(store.steps.selections),
    files(store.steps.steps),
  ])
    entries.push(...(await room(signal)));
  // Of what was used at the same moment, what is made again with the least work goes first: the order of the rooms.
  entries.sort((a, b) => a.lastUsedAt - b.lastUsedAt);
  let bytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  let removedBytes = 0;
  for (const entry of entries) {
    if (bytes <= budget.bytes || entry.lastUsedAt > keptSince) break;
    signal?.throwIfAborted();
    if (!(await entry.remove())) continue;
    bytes -= entry.sizeBytes;
    removedBytes += entry.sizeBytes;
  }
  return { removedBytes, keptBytes: bytes };
}

function blobs({ blobs }: BuilderStore): StoreRoom {
  return async () =>
    (await blobs.list()).map((blob) => ({ ...blob, remove: () => blobs.removeUnused(blob) }));
}

function layouts({ layers }: BuilderStore): StoreRoom {
  return async (signal) => {
    const entries: StoreEntry[] = [];
    for (const layout of await layers.list()) {
      const sizeBytes = await layers.size(layout.chainId, signal);
      entries.push({ ...layout, sizeBytes, remove: () => layers.removeUnused(layout) });
    }
    return entries;
  };
}

/** A step whose layer is gone is no hit: its entry stays until its own turn, and is replaced when the step runs again. */
function files<T>(of: JsonFiles<T>): StoreRoom {
  return async () => (await of.list()).map((file) => ({ ...file, remove: () => of.removeUnused(file) }));
}

/**
 * Keeps the builder's store within its budget: what was used longest ago goes first, and nothing that a running build
 * may use goes at all, in this process or in another. Killed in the middle, it leaves whole entries only.
 */
import type { BuilderStore } from '../builder-store.js';
import type { StoreEntry } from './store-entry.js';
import { roomsOf } from './store-rooms.js';

export interface StoreBudget {
  readonly bytes: number;
  /** Entries used within this time stay, whatever the budget: an image that was built may still be pushed. */
  readonly keepMs: number;
}

export interface Cleaned {
  readonly removedBytes: number;
  readonly keptBytes: number;
}

export async function cleanStore(
  store: BuilderStore,
  budget: StoreBudget,
  signal?: AbortSignal,
): Promise<Cleaned> {
  // Asked before anything is listed: a build that begins later marks what it uses later than that.
  const keptSince = Math.min(
    Date.now() - budget.keepMs,
    (await store.running.oldest()) ?? Number.POSITIVE_INFINITY,
  );
  const entries: StoreEntry[] = [];
  for (const room of roomsOf(store)) entries.push(...(await room(signal)));
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

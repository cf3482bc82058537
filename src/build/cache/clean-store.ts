/**
 * Keeps the builder's store within its budget: what was used longest ago goes first, and nothing that a running build
 * may use goes at all. Killed in the middle, it leaves whole entries only.
 */
import type { BuilderStore } from '../builder-store.js';

export interface StoreBudget {
  readonly bytes: number;
  /** Entries used within this time stay, whatever the budget: longer than any build runs. */
  readonly keepMs: number;
}

export interface Cleaned {
  readonly removedBytes: number;
  readonly keptBytes: number;
}

interface Entry {
  readonly lastUsedAt: number;
  readonly sizeBytes: number;
  remove(): Promise<void>;
}

export async function cleanStore(
  store: BuilderStore,
  budget: StoreBudget,
  signal?: AbortSignal,
): Promise<Cleaned> {
  const entries = await listEntries(store, signal);
  entries.sort((a, b) => a.lastUsedAt - b.lastUsedAt);
  let bytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  let removedBytes = 0;
  const before = Date.now() - budget.keepMs;
  for (const entry of entries) {
    if (bytes <= budget.bytes || entry.lastUsedAt > before) break;
    signal?.throwIfAborted();
    await entry.remove();
    bytes -= entry.sizeBytes;
    removedBytes += entry.sizeBytes;
  }
  if (removedBytes > 0)
    await store.steps.forgetWhere(async (step) => !(await store.blobs.has(step.layer.digest)));
  return { removedBytes, keptBytes: bytes };
}

async function listEntries(store: BuilderStore, signal: AbortSignal | undefined): Promise<Entry[]> {
  const blobs = (await store.blobs.list()).map(
    ({ digest, sizeBytes, lastUsedAt }): Entry => ({
      lastUsedAt,
      sizeBytes,
      remove: () => store.blobs.remove(digest),
    }),
  );
  const layouts: Entry[] = [];
  for (const { chainId, lastUsedAt } of await store.layers.list()) {
    const sizeBytes = await store.layers.size(chainId, signal);
    layouts.push({ lastUsedAt, sizeBytes, remove: () => store.layers.remove(chainId) });
  }
  return [...blobs, ...layouts];
}

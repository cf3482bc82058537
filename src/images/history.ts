/** The history of a finished image: as many entries that stand for a layer as there are layers (image-spec config.md). Pure. */
import type { HistoryEntry } from '../dockerfile/image-document.js';

/**
 * The first `baseEntries` are the base image's and stay as they are; the others get `created`. A base that says too
 * little of its layers gets entries for them behind its own, and of one that says too much the last ones are marked as
 * empty, so that every later entry still stands for its own layer.
 */
export function completeHistory(
  history: readonly HistoryEntry[],
  baseEntries: number,
  layers: number,
  created: string,
): readonly HistoryEntry[] {
  const added = history.slice(baseEntries).map((entry): HistoryEntry => ({ created, ...entry }));
  const base = history.slice(0, baseEntries);
  const baseLayers = layers - layerCount(added);
  const missing = baseLayers - layerCount(base);
  const filled = Array.from(
    { length: Math.max(missing, 0) },
    (): HistoryEntry => ({
      created,
      created_by: 'a layer of the base image, which does not tell how it was made',
    }),
  );
  return [...(missing < 0 ? withLayers(base, Math.max(baseLayers, 0)) : base), ...filled, ...added];
}

/** The entries, of which only the first `layers` that stand for a layer still do. */
function withLayers(history: readonly HistoryEntry[], layers: number): readonly HistoryEntry[] {
  let seen = 0;
  return history.map((entry) => {
    if (entry.empty_layer === true || ++seen <= layers) return entry;
    return { ...entry, empty_layer: true };
  });
}

/** How many of the entries stand for a layer. */
export function layerCount(history: readonly HistoryEntry[]): number {
  return history.filter((entry) => entry.empty_layer !== true).length;
}

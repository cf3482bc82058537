/**
 * The times that files have in their layers. A lay-out of files from the context shows the present time instead (see
 * Layer.freshTimes); a COPY --from of them must not carry that into a layer, or it would differ from build to build.
 */
import { type MergedEntry, mergedDirectory } from '../../../native/index.js';
import type { Layer } from '../../layers/layer.js';
import { CONTEXT_MTIME } from '../context/context-selection.js';
import { baseName, parentPath, type SourceEntry } from './copy-source.js';

export class LayerTimes {
  readonly #lowers: readonly string[];
  readonly #isFresh: readonly boolean[];

  /** `layers` bottom first, `lowers` their lay-outs with the topmost first. */
  constructor(layers: readonly Layer[], lowers: readonly string[]) {
    this.#lowers = lowers;
    this.#isFresh = layers.map((layer) => layer.freshTimes === true).reverse();
  }

  /** Entries whose handle is their path in the tree. */
  async restored(entries: readonly SourceEntry[]): Promise<readonly SourceEntry[]> {
    if (!this.#isFresh.includes(true)) return entries;
    const directories = new Map<string, ReadonlyMap<string, MergedEntry>>();
    const restored: SourceEntry[] = [];
    for (const entry of entries) {
      const directory = parentPath(entry.handle);
      const known = directories.get(directory) ?? (await this.#read(directory));
      directories.set(directory, known);
      const layer = known.get(baseName(entry.handle))?.layer;
      const isFresh = entry.type === 'file' && layer !== undefined && this.#isFresh[layer] === true;
      restored.push(isFresh ? { ...entry, mtime: CONTEXT_MTIME } : entry);
    }
    return restored;
  }

  async #read(directory: string): Promise<ReadonlyMap<string, MergedEntry>> {
    const entries = (await mergedDirectory(this.#lowers, directory)) ?? [];
    return new Map(entries.map((entry) => [entry.path, entry]));
  }
}

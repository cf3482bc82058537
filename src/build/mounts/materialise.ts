/**
 * Files of a context as a directory, to be mounted: made once for the same content, by all apps, with the present time
 * on the files (see Layer.freshTimes). It is a lay-out among the others, named by the content, and cleaned as they are.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { applyLayer, type LayerEntry, openLayerWriter } from '../../../native/index.js';
import type { Layer } from '../../layers/layer.js';
import type { BuilderStore } from '../builder-store.js';
import { hashOf } from '../cache/keys.js';
import type { CopySource, Selection, SourceEntry } from '../copy/copy-source.js';
import { LAYER_TYPE } from '../image.js';

export interface Materialised {
  readonly path: string;
  readonly type: 'directory' | 'file';
  /** The root of the lay-out that it is in, whose files have the time at which it was made; absent for other trees. */
  readonly layout?: string;
}

/** The name of the file, when it is only one: its own may be any. */
const FILE = 'file';
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_ENTRIES = 1024;

/** The directory or file that is selected. Nobody may change it. */
export async function materialise(
  selection: Selection,
  source: CopySource,
  store: BuilderStore,
  signal: AbortSignal,
): Promise<Materialised> {
  const layer = layerNamed(selection.content);
  const entries = await selection.entries();
  if (!(await store.layers.has(layer.diffId))) await make(layer, entries, source, store, signal);
  const [path = ''] = await store.layers.layout([layer], signal);
  return entries[0]?.type === 'directory'
    ? { path, type: 'directory', layout: path }
    : { path: join(path, FILE), type: 'file', layout: path };
}

/** A lay-out without a blob: it is found by this name alone. */
function layerNamed(content: string): Layer {
  const name = `sha256:${hashOf(['files of a mount', content])}`;
  return { diffId: name, digest: name, sizeBytes: 0, mediaType: LAYER_TYPE };
}

async function make(
  layer: Layer,
  entries: readonly SourceEntry[],
  source: CopySource,
  store: BuilderStore,
  signal: AbortSignal,
): Promise<void> {
  const scratch = await store.layers.newScratch();
  try {
    const blob = join(scratch, 'tar');
    const writer = openLayerWriter({ path: blob, compression: 'none' });
    try {
      const names = new Map<string, string>();
      for (const batch of batches(entries)) {
        signal.throwIfAborted();
        await writer.write(await Promise.all(batch.map((entry) => layerEntry(entry, source, names))));
      }
      const { diffId } = await writer.finish();
      const target = join(scratch, 'root');
      await mkdir(target, { mode: 0o755 });
      await applyLayer({ blob, diffId, target, lowers: [], freshTimes: true, signal });
      await store.layers.adopt(layer, [], target);
    } finally {
      await writer.abort().catch(() => undefined);
    }
  } finally {
    await store.layers.removeScratch(scratch);
  }
}

function* batches(entries: readonly SourceEntry[]): Generator<readonly SourceEntry[]> {
  // The root of a directory is what is mounted, and not in it.
  const inside = entries.filter((entry) => entry.path !== '' || entry.type !== 'directory');
  let batch: SourceEntry[] = [];
  let bytes = 0;
  for (const entry of inside) {
    batch.push(entry);
    bytes += entry.sizeBytes;
    if (bytes < BATCH_BYTES && batch.length < BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function layerEntry(
  from: SourceEntry,
  source: CopySource,
  names: Map<string, string>,
): Promise<LayerEntry> {
  const { sizeBytes: _size, handle: _handle, inode, implied: _implied, ...entry } = from;
  const path = entry.path === '' ? FILE : entry.path;
  const first = inode === undefined ? undefined : names.get(inode);
  if (first !== undefined) return { ...entry, path, type: 'hardlink', linkname: first };
  if (inode !== undefined) names.set(inode, path);
  if (entry.type !== 'file') return { ...entry, path };
  return { ...entry, path, ...(await source.content(from)) };
}

/** What an image holds: its layers laid out one over the other, as a host would see them. */
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ScannedEntry, scanTree } from '../../native/index.js';
import type { BuilderStore } from '../../src/build/builder-store.js';
import { openBuilderStore } from '../../src/build/builder-store.js';
import type { BuiltImage } from '../../src/build/image.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { mountedOverlay } from '../../src/layers/overlay.js';
import { temporaryDirectory } from './directories.js';

export type ImageFile = ScannedEntry & { readonly text?: string };

/** Applies the blobs anew in a store of its own, so that what a step left on disk cannot stand in for its layer. */
export async function filesOf(
  image: BuiltImage,
  from: BuilderStore,
): Promise<ReadonlyMap<string, ImageFile>> {
  const store = await openBuilderStore(await temporaryDirectory(), DEFAULT_LIMITS);
  for (const { digest } of image.layers) await copyFile(from.blobs.path(digest), store.blobs.path(digest));
  const layers = image.layers.map(({ freshTimes: _fresh, ...layer }) => layer);
  const scratch = await store.layers.newScratch();
  await using overlay = await mountedOverlay({ scratch, lowers: await store.layers.layout(layers) });
  const files = new Map<string, ImageFile>();
  for (const entry of await scanTree({ root: overlay.path, path: '', hash: false })) {
    if (entry.path === '') continue;
    const isSmall = entry.type === 'file' && entry.size < 100_000;
    files.set(
      entry.path,
      isSmall ? { ...entry, text: await readFile(join(overlay.path, entry.path), 'utf8') } : entry,
    );
  }
  return files;
}

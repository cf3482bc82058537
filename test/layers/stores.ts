/** A blob store and a layer store in a directory of their own, and layers for them. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BlobStore } from '../../src/layers/blob-store.js';
import type { Layer } from '../../src/layers/layer.js';
import { LayerStore, type LayerStoreOptions } from '../../src/layers/layer-store.js';
import { testDirectory } from '../native/support.js';
import { type RawEntry, sha256, tar } from '../native/tar.js';

export interface Stores {
  directory: string;
  blobs: BlobStore;
  layers: LayerStore;
}

export async function openStores(
  directory: string = testDirectory(),
  options: LayerStoreOptions = {},
): Promise<Stores> {
  const blobs = new BlobStore(join(directory, 'blobs'));
  await blobs.open();
  const layers = new LayerStore(join(directory, 'layers'), blobs, options);
  await layers.open();
  return { directory, blobs, layers };
}

export async function storedLayer(
  { blobs }: Stores,
  entries: readonly RawEntry[],
  more: Partial<Layer> = {},
): Promise<Layer> {
  const archive = tar(entries);
  const blob = gzipSync(archive);
  const layer: Layer = {
    diffId: sha256(archive),
    digest: sha256(blob),
    sizeBytes: blob.length,
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    ...more,
  };
  await blobs.write(blob, sha256(blob));
  return layer;
}

/** Images with other blobs for the same content: compressed otherwise, or with no time after a given one. */
import { type Compression, repackLayer } from '../../native/index.js';
import type { BlobStore } from '../layers/blob-store.js';
import { translated } from '../layers/failures.js';
import type { Layer } from '../layers/layer.js';
import { type BuiltImage, imageOf } from './built-image.js';
import type { ExportableImage } from './exportable.js';
import { compressionOf, type LayerCompression, layerType } from './media-types.js';

export interface RepackWish {
  /** Undefined: as each layer is. */
  readonly compression?: LayerCompression;
  /** Layers of the base image too. Without it only what the build added is written anew. */
  readonly force: boolean;
  /** No file of what the build added is younger: seconds since the epoch. */
  readonly newest?: number;
}

const NATIVE: Readonly<Record<LayerCompression, Compression>> = {
  uncompressed: 'none',
  gzip: 'gzip',
  zstd: 'zstd',
};

/** The same image when nothing has to change. New blobs are in the store. Throws `layer_invalid`, `disk_full`. */
export async function repacked(
  source: ExportableImage,
  wish: RepackWish,
  blobs: BlobStore,
  signal: AbortSignal,
): Promise<ExportableImage> {
  const { image } = source;
  const layers: Layer[] = [];
  for (const [index, layer] of image.layers.entries()) {
    const isNew = index >= image.baseLayers;
    const newest = isNew ? wish.newest : undefined;
    const has = compressionOf(layer.mediaType);
    const wanted = (isNew || wish.force ? wish.compression : undefined) ?? has;
    // A layer of a type that nobody knows is left alone.
    if (wanted === undefined || has === undefined || (newest === undefined && wanted === has))
      layers.push(layer);
    else layers.push(await repackedLayer(layer, await source.blob(layer), wanted, newest, blobs, signal));
  }
  if (layers.every((layer, index) => layer === image.layers[index])) return source;
  const own = new Set(layers.filter((layer) => !image.layers.includes(layer)).map(({ digest }) => digest));
  return {
    ...source,
    image: withLayers(image, layers),
    blob: async (layer) => (own.has(layer.digest) ? blobs.path(layer.digest) : source.blob(layer)),
  };
}

/** The config is another one only if a diff id is. */
function withLayers(image: BuiltImage, layers: readonly Layer[]): BuiltImage {
  const sameContent = layers.every((layer, index) => layer.diffId === image.layers[index]?.diffId);
  const document = sameContent
    ? image.document
    : { ...image.document, rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) } };
  const config = sameContent ? image.config : undefined;
  return imageOf(document, layers, image.baseLayers, config);
}

async function repackedLayer(
  layer: Layer,
  blob: string,
  compression: LayerCompression,
  newest: number | undefined,
  blobs: BlobStore,
  signal: AbortSignal,
): Promise<Layer> {
  const path = await blobs.newTemporary();
  try {
    const written = await translated(path, `the layer ${layer.digest}`, () =>
      repackLayer({
        blob,
        digest: layer.digest,
        diffId: layer.diffId,
        path,
        compression: NATIVE[compression],
        ...(newest === undefined ? {} : { newest }),
        signal,
      }),
    );
    await blobs.commit(path, written.digest);
    const { diffId, digest, sizeBytes } = written;
    return { diffId, digest, sizeBytes, mediaType: layerType(compression) };
  } finally {
    await blobs.discard(path);
  }
}

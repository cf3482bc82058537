/** `--squash`: everything above the base image becomes one layer. */
import { writeUpperLayer } from '../../native/index.js';
import type { HistoryEntry } from '../dockerfile/image-document.js';
import type { BlobStore } from '../layers/blob-store.js';
import { translated } from '../layers/failures.js';
import type { LayerStore } from '../layers/layer-store.js';
import { type BuiltImage, imageOf, LAYER_TYPE } from './built-image.js';
import type { ExportableImage } from './exportable.js';
import { withRoot } from './root-filesystem.js';

export interface SquashTools {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly signal: AbortSignal;
}

/**
 * The image with one layer for all that the build added; what the build deleted of the base is deleted in it. As with
 * docker, the history keeps every entry, none of which stands for a layer any more, and gets one that does. An image
 * whose build added fewer than two layers stays as it is. Throws `layer_invalid`, `disk_full`.
 */
export async function squash(source: ExportableImage, tools: SquashTools): Promise<ExportableImage> {
  const { image } = source;
  const { baseLayers } = image;
  if (image.layers.length - baseLayers < 2) return source;
  const base = image.layers.slice(0, baseLayers);
  const path = await tools.blobs.newTemporary();
  try {
    const written = await withRoot(source, tools.layers, tools.signal, async (root, scratch) => {
      const lowers = await tools.layers.layout(base, tools.signal);
      return translated(scratch, 'the squashed layer', () =>
        writeUpperLayer({
          upper: root,
          lowers,
          path,
          compression: 'gzip',
          complete: true,
          signal: tools.signal,
        }),
      );
    });
    await tools.blobs.commit(path, written.digest);
    const { diffId, digest, sizeBytes } = written;
    const layers = [...base, { diffId, digest, sizeBytes, mediaType: LAYER_TYPE }];
    const document = {
      ...image.document,
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
      history: squashedHistory(image),
    };
    return {
      ...source,
      image: imageOf(document, layers, baseLayers),
      blob: async (layer) => (layer.digest === digest ? tools.blobs.path(digest) : source.blob(layer)),
    };
  } finally {
    await tools.blobs.discard(path);
  }
}

function squashedHistory({ document, layers, baseLayers }: BuiltImage): readonly HistoryEntry[] {
  let seen = 0;
  const entries = (document.history ?? []).map((entry): HistoryEntry => {
    if (entry.empty_layer === true || ++seen <= baseLayers) return entry;
    return { ...entry, empty_layer: true };
  });
  return [
    ...entries,
    {
      ...(document.created === undefined ? {} : { created: document.created }),
      created_by: '',
      comment: `merge of ${layers.length - baseLayers} layers`,
    },
  ];
}

/**
 * The image that a build ends with: its config and its manifest, byte for byte the same for the same content
 * (OCI image-spec config.md and manifest.md).
 */
import type { ImageDocument } from '../dockerfile/image-document.js';
import { SlipwayError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import { digestOf, MEDIA_TYPES } from '../registry/image.js';
import { completeHistory, layerCount } from './history.js';
import { type Family, inFamily } from './media-types.js';

export const LAYER_TYPE: string = MEDIA_TYPES.ociLayerGzip;

/** Not the time of the build: the same content must be the same image, or every push would restart every container. */
export const CREATED = '1980-01-01T00:00:00Z';

export interface BuiltImage {
  readonly digest: string;
  readonly manifest: Buffer;
  readonly config: Buffer;
  /** Bottom first. Their media types may be Docker's: the manifest has the right ones. */
  readonly layers: readonly Layer[];
  readonly document: ImageDocument;
  /** How many of the layers, from the bottom, are the base image's own. */
  readonly baseLayers: number;
}

export interface ImageTimes {
  /** SOURCE_DATE_EPOCH, seconds: when the image and what the build added to its history were made. */
  readonly epoch?: number;
}

/** `baseHistory` entries at the start of the document's history are the base image's and are kept as they are. */
export function assembleImage(
  document: ImageDocument,
  layers: readonly Layer[],
  baseHistory: number,
  maxLayers: number,
  times: ImageTimes = {},
): BuiltImage {
  if (layers.length > maxLayers) {
    throw new SlipwayError(
      'layer_invalid',
      `the image has ${layers.length} layers; ${maxLayers} are allowed`,
      {
        hint: 'join RUN instructions with &&, copy the results into a later stage, or build with --squash',
      },
    );
  }
  const created = times.epoch === undefined ? CREATED : timeText(times.epoch);
  const complete: ImageDocument = {
    ...document,
    created,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: completeHistory(document.history ?? [], baseHistory, layers.length, created),
  };
  const added = layerCount((document.history ?? []).slice(baseHistory));
  return imageOf(complete, layers, Math.max(layers.length - added, 0));
}

/** Seconds since the epoch as the config writes times. */
function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** The image with this config, which must name these layers. `config`: its bytes, where they are to be kept. */
export function imageOf(
  document: ImageDocument,
  layers: readonly Layer[],
  baseLayers: number,
  config: Buffer = Buffer.from(JSON.stringify(document)),
): BuiltImage {
  return withManifest({ config, layers, document, baseLayers }, 'oci');
}

/** The same config and layers under a manifest of the family. Foreign fields of base layers' descriptors survive. */
export function withManifest(
  { config, layers, document, baseLayers }: Omit<BuiltImage, 'digest' | 'manifest'>,
  family: Family,
  annotations?: Readonly<Record<string, string>>,
): BuiltImage {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: inFamily(MEDIA_TYPES.ociManifest, family),
      config: {
        mediaType: inFamily(MEDIA_TYPES.ociConfig, family),
        digest: digestOf(config),
        size: config.length,
      },
      layers: layers.map((layer) => ({
        mediaType: inFamily(layer.mediaType, family),
        digest: layer.digest,
        size: layer.sizeBytes,
        ...layer.descriptor,
      })),
      ...(annotations === undefined ? {} : { annotations }),
    }),
  );
  return { digest: digestOf(manifest), manifest, config, layers, document, baseLayers };
}

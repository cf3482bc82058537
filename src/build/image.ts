/**
 * The image that a build ends with: its config and its manifest, byte for byte the same for the same content
 * (OCI image-spec config.md and manifest.md).
 */
import { createHash } from 'node:crypto';
import type { HistoryEntry, ImageDocument } from '../dockerfile/types.js';
import { SlipwayError } from '../errors.js';
import type { Layer } from '../layers/layer.js';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** Docker's media types say the same of the same bytes; a manifest must not mix the two families. */
const OCI_LAYER_TYPES: Readonly<Record<string, string>> = {
  'application/vnd.docker.image.rootfs.diff.tar': 'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': LAYER_TYPE,
  'application/vnd.docker.image.rootfs.diff.tar.zstd': 'application/vnd.oci.image.layer.v1.tar+zstd',
};

/** Not the time of the build: the same content must be the same image, or every push would restart every container. */
const CREATED = '1980-01-01T00:00:00Z';

export interface BuiltImage {
  readonly digest: string;
  readonly manifest: Buffer;
  readonly config: Buffer;
  readonly layers: readonly Layer[];
  readonly document: ImageDocument;
}

export function ociLayerType(mediaType: string): string {
  return OCI_LAYER_TYPES[mediaType] ?? mediaType;
}

/** `baseHistory` entries at the start of the document's history are the base image's and are kept as they are. */
export function assembleImage(
  document: ImageDocument,
  layers: readonly Layer[],
  baseHistory: number,
  maxLayers: number,
): BuiltImage {
  if (layers.length > maxLayers) {
    throw new SlipwayError(
      'layer_invalid',
      `the image has ${layers.length} layers; ${maxLayers} are allowed`,
      {
        hint: 'join RUN instructions with && or use a later stage that copies the results',
      },
    );
  }
  const history = (document.history ?? []).map(
    (entry, index): HistoryEntry => (index < baseHistory ? entry : { created: CREATED, ...entry }),
  );
  const complete: ImageDocument = {
    ...document,
    created: CREATED,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history,
  };
  const config = Buffer.from(JSON.stringify(complete));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: CONFIG_TYPE, digest: sha256(config), size: config.length },
      layers: layers.map((layer) => ({
        mediaType: ociLayerType(layer.mediaType),
        digest: layer.digest,
        size: layer.sizeBytes,
      })),
    }),
  );
  return { digest: sha256(manifest), manifest, config, layers, document: complete };
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

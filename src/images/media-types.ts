/** OCI's and Docker's names of the same things. A manifest must not mix the two families. Pure. */
import { MEDIA_TYPES } from '../registry/image.js';

export type Family = 'oci' | 'docker';

/** What layers can be compressed with. */
export type LayerCompression = 'uncompressed' | 'gzip' | 'zstd';

/** Each row: OCI's name, Docker's name. Docker has never named a zstd layer; containerd and podman read this one. */
const PAIRS: readonly (readonly [string, string])[] = [
  [MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest],
  [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerList],
  [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig],
  [MEDIA_TYPES.ociLayer, 'application/vnd.docker.image.rootfs.diff.tar'],
  [MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.dockerLayerGzip],
  [MEDIA_TYPES.ociLayerZstd, 'application/vnd.docker.image.rootfs.diff.tar.zstd'],
];

/** The type under the family's name; one that has no other name is kept. */
export function inFamily(mediaType: string, family: Family): string {
  const pair = PAIRS.find((names) => names.includes(mediaType));
  if (pair === undefined) return mediaType;
  return family === 'oci' ? pair[0] : pair[1];
}

/** What a layer of this type is compressed with. Undefined for a type that is no layer's. */
export function compressionOf(mediaType: string): LayerCompression | undefined {
  switch (inFamily(mediaType, 'oci')) {
    case MEDIA_TYPES.ociLayer:
      return 'uncompressed';
    case MEDIA_TYPES.ociLayerGzip:
      return 'gzip';
    case MEDIA_TYPES.ociLayerZstd:
      return 'zstd';
    default:
      return undefined;
  }
}

/** The OCI type of a layer with this compression. */
export function layerType(compression: LayerCompression): string {
  if (compression === 'gzip') return MEDIA_TYPES.ociLayerGzip;
  return compression === 'zstd' ? MEDIA_TYPES.ociLayerZstd : MEDIA_TYPES.ociLayer;
}

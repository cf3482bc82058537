/** What `--metadata-file` and `--iidfile` say of an exported image, as docker buildx writes them. Pure. */
import type { Exported } from './export.js';

/** Keys without a value are left out: a build that exports no image has none. */
export function buildMetadata({ root, configDigest, names }: Exported): Readonly<Record<string, unknown>> {
  return {
    ...(configDigest === undefined ? {} : { 'containerimage.config.digest': configDigest }),
    ...(root === undefined
      ? {}
      : {
          'containerimage.descriptor': {
            mediaType: root.mediaType,
            digest: root.digest,
            size: root.size,
            ...(root.annotations === undefined ? {} : { annotations: root.annotations }),
            ...(root.platform === undefined ? {} : { platform: root.platform }),
          },
          'containerimage.digest': root.digest,
        }),
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
  };
}

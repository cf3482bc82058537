/** An index of the images of several platforms (image-spec image-index.md). Pure. */
import { SlipwayError } from '../errors.js';
import { digestOf, MEDIA_TYPES, type Platform } from '../registry/image.js';
import { type AnnotationRule, annotationsOf } from './annotations.js';
import type { BuiltImage } from './built-image.js';
import { type ExportedDescriptor, platformText } from './exportable.js';
import { type Family, inFamily } from './media-types.js';

export interface PlatformImage {
  readonly platform: Platform;
  readonly image: BuiltImage;
}

export interface ImageIndex {
  readonly bytes: Buffer;
  readonly descriptor: ExportedDescriptor;
}

/** In the order given. Throws `bad_request` when a platform is there twice. */
export function assembleIndex(
  images: readonly PlatformImage[],
  family: Family = 'oci',
  rules: readonly AnnotationRule[] = [],
): ImageIndex {
  const names = images.map(({ platform }) => platformText(platform));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new SlipwayError('bad_request', `the platform ${twice} is asked for twice`, {
      hint: 'name each platform once',
    });
  const annotations = annotationsOf(rules, 'index');
  const mediaType = inFamily(MEDIA_TYPES.ociIndex, family);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      manifests: images.map(({ platform, image }) => ({
        ...manifestDescriptor(
          image,
          family,
          annotationsOf(rules, 'manifest-descriptor', platformText(platform)),
        ),
        platform: plainPlatform(platform),
      })),
      ...(annotations === undefined ? {} : { annotations }),
    }),
  );
  const own = annotationsOf(rules, 'index-descriptor');
  return {
    bytes,
    descriptor: {
      mediaType,
      digest: digestOf(bytes),
      size: bytes.length,
      ...(own === undefined ? {} : { annotations: own }),
    },
  };
}

/** What names one image. */
export function manifestDescriptor(
  image: BuiltImage,
  family: Family,
  annotations?: Readonly<Record<string, string>>,
): ExportedDescriptor {
  return {
    mediaType: inFamily(MEDIA_TYPES.ociManifest, family),
    digest: image.digest,
    size: image.manifest.length,
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** Only what an index says of a platform, in its order. */
export function plainPlatform({ architecture, os, variant }: Platform): Platform {
  return { architecture, os, ...(variant ? { variant } : {}) };
}

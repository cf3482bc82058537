/** The blobs of an export and what names them: one image, or the index of several. */

import { digestOf } from '../registry/image.js';
import { type AnnotationRule, annotationsOf } from './annotations.js';
import type { BuiltImage } from './built-image.js';
import {
  type ExportableImage,
  type ExportedBlob,
  type ExportedDescriptor,
  platformText,
} from './exportable.js';
import { assembleIndex, manifestDescriptor, plainPlatform } from './image-index.js';
import type { Family } from './media-types.js';

export interface Bundle {
  /** Of the image, or of the index. */
  readonly root: ExportedDescriptor;
  /** Each once, by digest. */
  readonly blobs: readonly ExportedBlob[];
  readonly images: readonly ExportableImage[];
  readonly index?: Buffer;
}

/** Several images become one index. The images' manifests must be of the same family. */
export function bundleOf(
  images: readonly ExportableImage[],
  family: Family,
  rules: readonly AnnotationRule[] = [],
): Bundle {
  const [only] = images;
  const blobs = new Map<string, ExportedBlob>();
  const put = (bytes: Buffer): void => {
    const digest = digestOf(bytes);
    blobs.set(digest, { digest, sizeBytes: bytes.length, content: bytes });
  };
  for (const { image, blob } of images) {
    for (const layer of image.layers) {
      const { digest, sizeBytes } = layer;
      if (!blobs.has(digest)) blobs.set(digest, { digest, sizeBytes, content: () => blob(layer) });
    }
    put(image.config);
    put(image.manifest);
  }
  const sorted = (): readonly ExportedBlob[] =>
    [...blobs.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  if (images.length === 1 && only !== undefined) {
    const root = {
      ...manifestDescriptor(
        only.image,
        family,
        annotationsOf(rules, 'manifest-descriptor', platformText(only.platform)),
      ),
      platform: plainPlatform(only.platform),
    };
    return { root, blobs: sorted(), images };
  }
  const index = assembleIndex(images, family, rules);
  put(index.bytes);
  return { root: index.descriptor, blobs: sorted(), images, index: index.bytes };
}

/** When an image says that it was made. */
export function createdOf(image: BuiltImage | undefined): string | undefined {
  return typeof image?.document.created === 'string' ? image.document.created : undefined;
}

/**
 * The files around the blobs of an OCI image layout (image-spec image-layout.md), and the manifest.json by which
 * `docker load` reads the same archive. Pure.
 */

import { digestOf } from '../registry/image.js';
import { formatReference, type ImageReference, parseReference } from '../registry/reference.js';
import type { BuiltImage } from './built-image.js';
import { type Bundle, createdOf } from './bundle.js';
import type { ExportedDescriptor } from './exportable.js';

export const LAYOUT_FILE: Buffer = Buffer.from('{"imageLayoutVersion":"1.0.0"}');
export const NAME_ANNOTATION = 'io.containerd.image.name';
const REF_ANNOTATION = 'org.opencontainers.image.ref.name';
const CREATED_ANNOTATION = 'org.opencontainers.image.created';

/** Full references, each once: `docker.io/library/shop:latest`. Throws `invalid_name`. */
export function fullNames(names: readonly string[]): readonly string[] {
  return [...new Set(names.map((name) => formatReference(parseReference(name))))];
}

/** What index.json lists: the bundle once for each name, as containerd does, or once without a name. */
export function layoutEntries(bundle: Bundle, names: readonly string[]): readonly ExportedDescriptor[] {
  const created = createdOf(bundle.images[0]?.image);
  const common = {
    ...bundle.root.annotations,
    ...(created === undefined ? {} : { [CREATED_ANNOTATION]: created }),
  };
  const entry = (annotations: Readonly<Record<string, string>>): ExportedDescriptor => {
    const { mediaType, digest, size, platform } = bundle.root;
    return {
      mediaType,
      digest,
      size,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(platform === undefined ? {} : { platform }),
    };
  };
  if (names.length === 0) return [entry(common)];
  return names.map((name) =>
    entry({ [NAME_ANNOTATION]: name, ...common, [REF_ANNOTATION]: tagOf(parseReference(name)) }),
  );
}

export function indexFile(manifests: readonly unknown[]): Buffer {
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }),
  );
}

/** manifest.json of a docker archive, which holds one image. */
export function dockerManifestFile(
  { config, layers }: Pick<BuiltImage, 'config' | 'layers'>,
  names: readonly string[],
): Buffer {
  return Buffer.from(
    JSON.stringify([
      {
        Config: blobPath(digestOf(config)),
        RepoTags: names.length === 0 ? null : names.map(familiarName),
        Layers: layers.map((layer) => blobPath(layer.digest)),
      },
    ]),
  );
}

/** `blobs/sha256/<hex>` */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** As docker shows it: without docker.io and library. */
export function familiarName(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
}

function tagOf(reference: ImageReference): string {
  return reference.tag ?? reference.digest ?? 'latest';
}

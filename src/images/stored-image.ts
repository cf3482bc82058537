/** Images from files: an OCI layout, its tar, or what `docker save` writes. Nothing in them is believed unverified. */
import type { ImageDocument } from '../dockerfile/image-document.js';
import { SlipwayError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import {
  type Descriptor,
  type Index,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from '../registry/image.js';
import type { ArchiveFiles } from './archive-files.js';
import type { BuiltImage } from './built-image.js';
import type { Bundle } from './bundle.js';
import { dockerArchiveBundle } from './docker-archive.js';
import type { ExportableImage, ExportedDescriptor } from './exportable.js';
import { blobPath, familiarName, NAME_ANNOTATION } from './layout-files.js';
import { limited, severalImages } from './stored-parts.js';

/**
 * The image in the files; of several, the one with `name`. Throws `image_invalid`, or `image_not_found` with the names
 * there are.
 */
export async function readStored(
  files: ArchiveFiles,
  where: string,
  scratch: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<Bundle> {
  const index = await files.file('index.json');
  if (index === undefined) {
    const manifest = await files.file('manifest.json');
    if (manifest === undefined)
      throw new SlipwayError('image_invalid', 'it is neither an OCI layout nor an archive of docker save', {
        where,
      });
    return dockerArchiveBundle(files, manifest, { where, scratch, name, signal });
  }
  const document = parseManifest(await limited(index.path, index.sizeBytes, where), undefined, where);
  if (document.kind !== 'index')
    throw new SlipwayError('image_invalid', 'its index.json is not an index', { where });
  return bundleAt(files, choose(document.index, name, where), where);
}

function choose(index: Index, name: string | undefined, where: string): Descriptor {
  const nameOf = (entry: Descriptor): string => familiarName(entry.annotations?.[NAME_ANNOTATION] ?? '');
  const named = index.manifests.filter((entry) => name === undefined || nameOf(entry) === familiarName(name));
  const [first] = named;
  const digests = new Set(named.map(({ digest }) => digest));
  if (first !== undefined && digests.size === 1) return first;
  throw severalImages(where, index.manifests.map(nameOf));
}

async function bundleAt(files: ArchiveFiles, root: Descriptor, where: string): Promise<Bundle> {
  const bytes = await blob(files, root, where);
  const document = parseManifest(bytes, root.mediaType, where);
  if (document.kind === 'image') {
    const image = await imageAt(files, document.manifest, root, bytes, where);
    return { root: plain(root), blobs: [], images: [image] };
  }
  const images: ExportableImage[] = [];
  for (const entry of document.index.manifests) {
    const manifest = await blob(files, entry, where);
    const inside = parseManifest(manifest, entry.mediaType, where);
    if (inside.kind !== 'image')
      throw new SlipwayError('image_invalid', 'an index in an index is not supported', { where });
    images.push(await imageAt(files, inside.manifest, entry, manifest, where));
  }
  return { root: plain(root), blobs: [], images, index: bytes };
}

async function imageAt(
  files: ArchiveFiles,
  manifest: Manifest,
  { digest }: Descriptor,
  bytes: Buffer,
  where: string,
): Promise<ExportableImage> {
  const config = await blob(files, manifest.config, where);
  const parsed = parseImageConfig(config, where);
  const layers = manifest.layers.map(
    (layer, index): Layer => ({
      diffId: parsed.diffIds[index] ?? '',
      digest: layer.digest,
      sizeBytes: layer.size,
      mediaType: layer.mediaType,
    }),
  );
  const image: BuiltImage = {
    digest,
    manifest: bytes,
    config,
    layers,
    document: parsed.json as ImageDocument,
    baseLayers: 0,
  };
  return {
    platform: { os: parsed.os, architecture: parsed.architecture, variant: parsed.variant },
    image,
    blob: async (layer) => verified(files, { digest: layer.digest, size: layer.sizeBytes }, where),
  };
}

/** A small blob's bytes. */
async function blob(files: ArchiveFiles, descriptor: Descriptor, where: string): Promise<Buffer> {
  const path = await verified(files, descriptor, where);
  return limited(path, descriptor.size, where);
}

/** The path of a blob that has the digest and the size that it should. */
async function verified(
  files: ArchiveFiles,
  { digest, size }: Pick<Layer, 'digest'> & { size: number },
  where: string,
): Promise<string> {
  const found = await files.file(blobPath(digest));
  if (found === undefined)
    throw new SlipwayError('image_invalid', `the blob ${digest} is missing`, {
      where,
      hint: 'it may hold one platform of several: save that one with --platform',
    });
  if (found.digest !== digest || found.sizeBytes !== size)
    throw new SlipwayError(
      'image_invalid',
      `the blob ${digest} has ${found.sizeBytes} bytes of the digest ${found.digest}, not ${size}`,
      { where },
    );
  return found.path;
}

function plain({ mediaType, digest, size }: Descriptor): ExportedDescriptor {
  return { mediaType, digest, size };
}

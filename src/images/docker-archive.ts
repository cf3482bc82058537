/** What `docker save` wrote before it wrote OCI layouts: manifest.json, a config, and plain tars of layers. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { repackLayer } from '../../native/index.js';
import type { ImageDocument } from '../dockerfile/image-document.js';
import { SlipwayError } from '../errors.js';
import { translated } from '../layers/failures.js';
import type { Layer } from '../layers/layer.js';
import { parseImageConfig } from '../registry/image.js';
import type { ArchiveFiles, StoredFile } from './archive-files.js';
import { withManifest } from './built-image.js';
import { type Bundle, bundleOf } from './bundle.js';
import { familiarName } from './layout-files.js';
import { type LayerCompression, layerType } from './media-types.js';
import { limited, severalImages } from './stored-parts.js';

const manifestFile = z.array(
  z.looseObject({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullish(),
  }),
);

export interface ArchivePlace {
  readonly where: string;
  /** For the layers, compressed. */
  readonly scratch: string;
  readonly name: string | undefined;
  readonly signal: AbortSignal;
}

/** Plain layers become gzip on the way. Throws `image_invalid`, `layer_invalid`, `image_not_found`. */
export async function dockerArchiveBundle(
  files: ArchiveFiles,
  manifest: StoredFile,
  place: ArchivePlace,
): Promise<Bundle> {
  const { where, name } = place;
  const images = parsed(await limited(manifest.path, manifest.sizeBytes, where), where);
  const named = images.filter(
    ({ RepoTags }) => name === undefined || RepoTags?.some((tag) => tag === withTag(familiarName(name))),
  );
  const [chosen] = named;
  if (chosen === undefined || named.length > 1)
    throw severalImages(
      where,
      images.flatMap(({ RepoTags }) => RepoTags ?? ['']),
    );
  const found = await needed(files, chosen.Config, where);
  const bytes = await limited(found.path, found.sizeBytes, where);
  const config = parseImageConfig(bytes, where);
  const names = chosen.Layers ?? [];
  if (names.length !== config.diffIds.length)
    throw new SlipwayError(
      'image_invalid',
      'its manifest and its config tell of different numbers of layers',
      {
        where,
      },
    );
  const paths = new Map<string, string>();
  const layers: Layer[] = [];
  for (const [index, layerName] of names.entries()) {
    const { layer, path } = await layerOf(
      await needed(files, layerName, where),
      config.diffIds[index] ?? '',
      join(place.scratch, `layer-${index}`),
      place.signal,
    );
    layers.push(layer);
    paths.set(layer.digest, path);
  }
  const document = config.json as ImageDocument;
  const image = withManifest({ config: bytes, layers, document, baseLayers: 0 }, 'oci');
  const { os, architecture, variant } = config;
  return bundleOf(
    [
      {
        platform: { os, architecture, variant },
        image,
        blob: async ({ digest }) => paths.get(digest) ?? '',
      },
    ],
    'oci',
  );
}

function parsed(bytes: Buffer, where: string): z.infer<typeof manifestFile> {
  try {
    return manifestFile.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new SlipwayError('image_invalid', 'its manifest.json is not valid', { where, cause: error });
  }
}

async function needed(files: ArchiveFiles, name: string, where: string): Promise<StoredFile> {
  const found = await files.file(name);
  if (found !== undefined) return found;
  throw new SlipwayError('image_invalid', `it lacks ${JSON.stringify(name.slice(0, 100))}`, { where });
}

async function layerOf(
  file: StoredFile,
  diffId: string,
  path: string,
  signal: AbortSignal,
): Promise<{ layer: Layer; path: string }> {
  const compression = await compressionAt(file.path);
  // Written anew in any case: that is how its diff id is verified.
  const written = await translated(path, `the layer ${diffId}`, () =>
    repackLayer({
      blob: file.path,
      digest: file.digest,
      diffId,
      path,
      compression: compression === 'zstd' ? 'zstd' : 'gzip',
      signal,
    }),
  );
  const { digest, sizeBytes } = written;
  return {
    layer: { diffId, digest, sizeBytes, mediaType: layerType(compression === 'zstd' ? 'zstd' : 'gzip') },
    path,
  };
}

async function compressionAt(path: string): Promise<LayerCompression> {
  await using file = await open(path, 'r');
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  if (buffer[0] === 0x1f && buffer[1] === 0x8b) return 'gzip';
  return buffer.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : 'uncompressed';
}

function withTag(name: string): string {
  return /:[^/]*$/.test(name) ? name : `${name}:latest`;
}

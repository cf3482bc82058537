/** An image by what a person calls it: a file, a directory, stdin, or a reference to a registry. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ImageDocument } from '../dockerfile/image-document.js';
import { SlipwayError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import type { RegistryClient } from '../registry/client.js';
import type { Platform } from '../registry/image.js';
import type { ResolvedImage, WantedPlatform } from '../registry/pull.js';
import { parseReference } from '../registry/reference.js';
import { fileStream, isDirectory, layoutFiles, unpackArchive } from './archive-files.js';
import type { Bundle } from './bundle.js';
import type { ExportableImage } from './exportable.js';
import { inFamily } from './media-types.js';
import { readStored } from './stored-image.js';

/** More than any image that a disk of today takes twice. */
const ARCHIVE_BYTES = 256 * 1024 ** 3;

export interface OpenOptions {
  /** For `-`. */
  readonly stdin: Readable;
  /** Of an archive with several images. */
  readonly name?: string;
  readonly signal: AbortSignal;
}

/** Calls `use` with the image in a file; what was unpacked is gone afterwards. */
export async function withStored<T>(
  place: string,
  { stdin, name, signal }: OpenOptions,
  use: (bundle: Bundle) => Promise<T>,
): Promise<T> {
  return withScratch(async (scratch) => {
    const where = place === '-' ? 'stdin' : place;
    const files =
      place !== '-' && (await isDirectory(place))
        ? layoutFiles(place)
        : await unpackArchive(
            place === '-' ? stdin : fileStream(place),
            where,
            scratch,
            ARCHIVE_BYTES,
            signal,
          ).catch((error: unknown) => {
            throw missing(error, place);
          });
    return use(await readStored(files, where, scratch, name, signal));
  });
}

/** Calls `use` with the image of a registry; blobs are fetched when they are asked for. */
export async function withPulled<T>(
  client: RegistryClient,
  reference: string,
  platform: WantedPlatform | undefined,
  signal: AbortSignal,
  use: (image: ExportableImage) => Promise<T>,
): Promise<T> {
  const found = await client.resolve(parseReference(reference), {
    ...(platform === undefined ? {} : { platform }),
    signal,
  });
  return withScratch((scratch) => use(pulled(client, found, scratch, signal)));
}

function pulled(
  client: RegistryClient,
  found: ResolvedImage,
  scratch: string,
  signal: AbortSignal,
): ExportableImage {
  const layers = found.layers.map(
    ({ digest, size, mediaType }, index): Layer => ({
      diffId: found.diffIds[index] ?? '',
      digest,
      sizeBytes: size,
      mediaType,
    }),
  );
  const { os, architecture, variant } = found.config;
  return {
    platform: { os, architecture, variant } satisfies Platform,
    image: {
      digest: found.digest,
      manifest: found.manifestBytes,
      config: found.config.raw,
      layers,
      document: found.config.json as ImageDocument,
      baseLayers: layers.length,
    },
    async blob(layer) {
      const descriptor = found.layers.find(({ digest }) => digest === layer.digest);
      if (descriptor === undefined)
        throw new SlipwayError('internal', `${layer.digest} is not of this image`);
      const path = join(scratch, layer.digest.slice('sha256:'.length));
      await client.fetchBlob(found.source, descriptor, path, signal);
      return path;
    },
  };
}

/** The family of a pulled image's manifest, so that it is written as it was. */
export function familyOf({ image }: ExportableImage): 'oci' | 'docker' {
  const { mediaType } = JSON.parse(image.manifest.toString('utf8')) as { mediaType?: string };
  return mediaType !== undefined && inFamily(mediaType, 'oci') !== mediaType ? 'docker' : 'oci';
}

async function withScratch<T>(use: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'slipway-image-'));
  try {
    return await use(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function missing(error: unknown, place: string): unknown {
  const cause = (error as { cause?: { code?: unknown } }).cause;
  if ((error as { code?: unknown }).code !== 'ENOENT' && cause?.code !== 'ENOENT') return error;
  return new SlipwayError('not_found', `there is no file ${place}`, {
    hint: 'name an archive, a layout or -',
    cause: error,
  });
}

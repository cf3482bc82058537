/** Writes finished images where an output asks for them. The door of this room for builds. */
import { join } from 'node:path';
import { SlipwayError } from '../errors.js';
import type { BlobStore } from '../layers/blob-store.js';
import type { LayerStore } from '../layers/layer-store.js';
import type { RegistryClient } from '../registry/client.js';
import { digestOf } from '../registry/image.js';
import { annotationsOf } from './annotations.js';
import { writeArchive, writtenTo } from './archive-writer.js';
import { withManifest } from './built-image.js';
import { type Bundle, bundleOf } from './bundle.js';
import { type ExportableImage, type ExportedDescriptor, platformText } from './exportable.js';
import { writeLayoutDirectory } from './layout-directory.js';
import { dockerManifestFile, fullNames, indexFile, LAYOUT_FILE, layoutEntries } from './layout-files.js';
import { compressionOf, type Family } from './media-types.js';
import type { ImageAttributes, OutputSpec } from './output-spec.js';
import { pushBuilt } from './push-built.js';
import { repacked } from './repack.js';
import { copyRoot, writeRootTar } from './root-filesystem.js';

export interface ExportRequest {
  /** One for each platform; several become an index. */
  readonly images: readonly ExportableImage[];
  /** Those of `--tag`; the output may name more. */
  readonly names: readonly string[];
  readonly output: OutputSpec;
  /** SOURCE_DATE_EPOCH, seconds: for `rewrite-timestamp`. */
  readonly epoch?: number;
}

export interface ExportTools {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  /** For `type=registry`. */
  readonly registry?: RegistryClient;
  /** For `dest=-`. */
  readonly stdout: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

export interface Exported {
  /** Of what was written; absent where it was no image. */
  readonly root?: ExportedDescriptor;
  /** Of the image's config, where there is one image. */
  readonly configDigest?: string;
  /** Full references. */
  readonly names: readonly string[];
}

/** To be asked before a long build: throws `bad_request` when the output cannot take images of these platforms. */
export function checkOutput(output: OutputSpec, platforms: readonly string[], epoch?: number): void {
  const isOfOne =
    output.kind === 'docker' ||
    output.kind === 'tar' ||
    (output.kind === 'local' && output.platformSplit === false);
  if (isOfOne && platforms.length > 1) {
    const name = output.kind === 'local' ? 'type=local,platform-split=false' : `type=${output.kind}`;
    throw new SlipwayError('bad_request', `${name} holds one platform, not ${platforms.join(' and ')}`, {
      hint: `use type=oci for several platforms, or build one: --platform ${platforms[0]}`,
    });
  }
  if ('rewriteTimestamp' in output && output.rewriteTimestamp && epoch === undefined)
    throw new SlipwayError('bad_request', 'rewrite-timestamp=true needs a time', {
      hint: 'give it: --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)',
    });
}

/** Throws as checkOutput does, `invalid_name`, `disk_full`, and what a fetch or push throws. */
export async function exportImage(request: ExportRequest, tools: ExportTools): Promise<Exported> {
  const { images, output, epoch } = request;
  const [only] = images;
  if (only === undefined) throw new SlipwayError('internal', 'there is no image to export');
  checkOutput(
    output,
    images.map(({ platform }) => platformText(platform)),
    epoch,
  );
  switch (output.kind) {
    case 'none':
      return { names: [] };
    case 'local':
      return exportRoots(images, output, tools);
    case 'tar': {
      const { layers, signal, stdout } = tools;
      await writtenTo(output.dest, stdout, (stream) => writeRootTar(only, stream, layers, signal));
      return { names: [] };
    }
    default:
      return exportBundle(request, output, tools);
  }
}

async function exportBundle(
  request: ExportRequest,
  output: Extract<OutputSpec, ImageAttributes>,
  tools: ExportTools,
): Promise<Exported> {
  const family = output.ociMediaTypes ? 'oci' : 'docker';
  const names = fullNames([...request.names, ...output.names]);
  const images: ExportableImage[] = [];
  for (const image of request.images) images.push(await finished(image, request, output, family, tools));
  const bundle = bundleOf(images, family, output.annotations);
  if (output.kind !== 'registry') await writeBundle(bundle, names, output, tools);
  else if (tools.registry === undefined)
    throw new SlipwayError('internal', 'a push without a registry client');
  else await pushBuilt(tools.registry, bundle, family, names, { signal: tools.signal });
  const [only] = images;
  return {
    root: bundle.root,
    ...(images.length === 1 && only !== undefined ? { configDigest: digestOf(only.image.config) } : {}),
    names,
  };
}

/** The image as the output's attributes want it; the same one when they want nothing. */
async function finished(
  source: ExportableImage,
  { epoch }: ExportRequest,
  output: Extract<OutputSpec, ImageAttributes>,
  family: Family,
  { blobs, signal }: ExportTools,
): Promise<ExportableImage> {
  const compression = output.compression;
  let image = await repacked(
    source,
    {
      ...(compression === undefined ? {} : { compression }),
      force: output.forceCompression,
      ...(output.rewriteTimestamp && epoch !== undefined ? { newest: epoch } : {}),
    },
    blobs,
    signal,
  );
  // Docker's releases before 23 cannot load a layer in zstd.
  const hasZstd = image.image.layers.some(({ mediaType }) => compressionOf(mediaType) === 'zstd');
  if (output.kind === 'docker' && hasZstd && compression !== 'zstd')
    image = await repacked(image, { compression: 'gzip', force: true }, blobs, signal);
  const annotations = annotationsOf(output.annotations, 'manifest', platformText(image.platform));
  return { ...image, image: withManifest(image.image, family, annotations) };
}

async function writeBundle(
  bundle: Bundle,
  names: readonly string[],
  output: Extract<OutputSpec, { kind: 'oci' | 'docker' }>,
  { stdout, signal }: ExportTools,
): Promise<void> {
  const entries = layoutEntries(bundle, names);
  if (!output.tar) return writeLayoutDirectory(output.dest, bundle.blobs, entries);
  const [only] = bundle.images;
  const manifest =
    output.kind === 'docker' && only !== undefined
      ? [{ path: 'manifest.json', bytes: dockerManifestFile(only.image, names) }]
      : [];
  const files = [
    { path: 'index.json', bytes: indexFile(entries) },
    ...manifest,
    { path: 'oci-layout', bytes: LAYOUT_FILE },
  ];
  await writtenTo(output.dest, stdout, (stream) => writeArchive(bundle.blobs, files, stream, signal));
}

/** Each of several platforms has a directory of its own, `linux_arm_v7`. */
async function exportRoots(
  images: readonly ExportableImage[],
  output: Extract<OutputSpec, { kind: 'local' }>,
  { layers, signal }: ExportTools,
): Promise<Exported> {
  const split = output.platformSplit ?? images.length > 1;
  for (const image of images) {
    const dest = split ? join(output.dest, platformText(image.platform).replaceAll('/', '_')) : output.dest;
    await copyRoot(image, dest, layers, signal);
  }
  return { names: [] };
}

/** Writes finished images where an output asks for them. The door of this room for builds. */
import { SlipwayError } from '../errors.js';
import { digestOf } from '../registry/image.js';
import { writeArchive, writtenTo } from './archive-writer.js';
import { type Bundle, bundleOf } from './bundle.js';
import { type ExportableImage, type ExportedDescriptor, platformText } from './exportable.js';
import { writeLayoutDirectory } from './layout-directory.js';
import { dockerManifestFile, fullNames, indexFile, LAYOUT_FILE, layoutEntries } from './layout-files.js';
import type { OutputSpec } from './output-spec.js';

export interface ExportRequest {
  /** One for each platform; several become an index. */
  readonly images: readonly ExportableImage[];
  /** Those of `--tag`; the output may name more. */
  readonly names: readonly string[];
  readonly output: OutputSpec;
}

export interface ExportTools {
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

/** Throws `bad_request` when the output cannot take these images, `invalid_name`, `disk_full`, and what a fetch throws. */
export async function exportImage(request: ExportRequest, tools: ExportTools): Promise<Exported> {
  const { images, output } = request;
  if (images.length === 0) throw new SlipwayError('internal', 'there is no image to export');
  switch (output.kind) {
    case 'oci':
    case 'docker': {
      const names = fullNames([...request.names, ...output.names]);
      const bundle = bundleOf(images, 'oci', output.annotations);
      await writeBundle(bundle, names, output, tools);
      return exported(bundle, names);
    }
    default:
      throw new SlipwayError('bad_request', `the output type=${output.kind} is not there yet`);
  }
}

async function writeBundle(
  bundle: Bundle,
  names: readonly string[],
  output: Extract<OutputSpec, { kind: 'oci' | 'docker' }>,
  { stdout, signal }: ExportTools,
): Promise<void> {
  const entries = layoutEntries(bundle, names);
  const [only] = bundle.images;
  if (output.kind === 'docker' && (bundle.images.length > 1 || only === undefined))
    throw new SlipwayError(
      'bad_request',
      `type=docker holds one platform, not ${bundle.images.map(({ platform }) => platformText(platform)).join(' and ')}`,
      { hint: 'use type=oci for several platforms, or build one: --platform linux/amd64' },
    );
  if (!output.tar) return writeLayoutDirectory(output.dest, bundle.blobs, entries);
  const files = [
    { path: 'index.json', bytes: indexFile(entries) },
    ...(output.kind === 'docker' && only !== undefined
      ? [
          {
            path: 'manifest.json',
            bytes: dockerManifestFile(
              { configDigest: digestOf(only.image.config), layers: only.image.layers },
              names,
            ),
          },
        ]
      : []),
    { path: 'oci-layout', bytes: LAYOUT_FILE },
  ];
  await writtenTo(output.dest, stdout, (stream) => writeArchive(bundle.blobs, files, stream, signal));
}

function exported(bundle: Bundle, names: readonly string[]): Exported {
  const [only] = bundle.images;
  return {
    root: bundle.root,
    ...(bundle.images.length === 1 && only !== undefined
      ? { configDigest: digestOf(only.image.config) }
      : {}),
    names,
  };
}

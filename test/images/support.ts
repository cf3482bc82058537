/** What the tests of this room share. */
import { type Exported, exportImage } from '../../src/images/export.js';
import type { ExportableImage } from '../../src/images/exportable.js';
import { parseOutput } from '../../src/images/output-spec.js';
import { hostPlatform } from '../../src/registry/pull.js';
import type { Built, TestBuilder } from '../support/builder.js';

export function exportable({ image, bases }: Built): ExportableImage {
  return {
    platform: hostPlatform(),
    image,
    blob: (layer) => bases.blob(layer),
    repositoryOf: (layer, registry) => bases.repositoryOf(layer, registry),
  };
}

export interface WriteOptions {
  readonly names?: readonly string[];
  readonly epoch?: number;
  readonly stdout?: NodeJS.WritableStream;
}

export function write(
  { store, client }: TestBuilder,
  images: ExportableImage | readonly ExportableImage[],
  output: string,
  { names = [], epoch, stdout = process.stdout }: WriteOptions = {},
): Promise<Exported> {
  return exportImage(
    {
      images: Array.isArray(images) ? images : [images as ExportableImage],
      names,
      output: parseOutput(output),
      ...(epoch === undefined ? {} : { epoch }),
    },
    {
      blobs: store.blobs,
      layers: store.layers,
      registry: client,
      stdout,
      signal: new AbortController().signal,
    },
  );
}

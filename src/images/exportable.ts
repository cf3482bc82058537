/** What the writers of this room take: finished images, and where their blobs are. */
import type { Layer } from '../layers/layer.js';
import type { Platform } from '../registry/image.js';
import type { BuiltImage } from './built-image.js';

export interface ExportableImage {
  readonly platform: Platform;
  readonly image: BuiltImage;
  /** The path of a layer's blob on this machine, fetched if need be. */
  blob(layer: Layer): Promise<string>;
  /** A repository of that registry which has the layer already. */
  repositoryOf?(layer: Layer, registry: string): string | undefined;
}

/** A blob of an archive or of a layout: bytes, or a file of this machine with that many. */
export interface ExportedBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly content: Buffer | (() => Promise<string>);
}

/** What names an exported image, for the files that a build writes about itself. */
export interface ExportedDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

/** `linux/arm/v7` */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

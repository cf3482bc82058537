/** The images that a build starts from or copies from: resolved once a build, their layers fetched only when needed. */
import { writeFile } from 'node:fs/promises';
import { formatPlatform } from '../dockerfile/build-args.js';
import type { Platform } from '../dockerfile/build-plan.js';
import type { ImageDocument } from '../dockerfile/image-document.js';
import type { ArrivingBlob } from '../layers/arriving-blob.js';
import type { BlobStore } from '../layers/blob-store.js';
import type { Layer } from '../layers/layer.js';
import type { FetchLayer } from '../layers/layer-store.js';
import type { RegistryClient } from '../registry/client.js';
import { asDigest, type Descriptor } from '../registry/image.js';
import type { ImageSource } from '../registry/pull.js';
import { parseReference } from '../registry/reference.js';
import type { BuilderStore } from './builder-store.js';
import type { ImagePolicy } from './image-policy.js';

export interface BaseImage {
  readonly reference: string;
  readonly digest: string;
  readonly document: ImageDocument;
  readonly layers: readonly Layer[];
}

export class BaseImages {
  readonly #registry: RegistryClient;
  readonly #store: BuilderStore;
  readonly #policy: ImagePolicy;
  readonly #signal: AbortSignal;
  readonly #asked = new Map<string, { reference: string; platform: Platform; image: Promise<BaseImage> }>();
  /** Where a layer's blob can be had, by its digest. */
  readonly #origins = new Map<string, { source: ImageSource; descriptor: Descriptor }>();

  constructor(registry: RegistryClient, store: BuilderStore, policy: ImagePolicy, signal: AbortSignal) {
    this.#registry = registry;
    this.#store = store;
    this.#policy = policy;
    this.#signal = signal;
  }

  resolve(reference: string, platform: Platform): Promise<BaseImage> {
    const name = `${reference} ${formatPlatform(platform)}`;
    const known = this.#asked.get(name) ?? { reference, platform, image: this.#resolve(reference, platform) };
    this.#asked.set(name, known);
    return known.image;
  }

  /** What each of the references meant in this build. */
  async resolved(): Promise<readonly { reference: string; platform: Platform; digest: string }[]> {
    return Promise.all(
      [...this.#asked.values()].map(async ({ reference, platform, image }) => ({
        reference,
        platform,
        digest: (await image).digest,
      })),
    );
  }

  /** The layer's blob can be had there, if something needs it. */
  know(layer: Layer, source: ImageSource): void {
    if (this.#origins.has(layer.digest)) return;
    const descriptor = {
      mediaType: layer.mediaType,
      digest: asDigest(layer.digest),
      size: layer.sizeBytes,
    };
    this.#origins.set(layer.digest, { source, descriptor });
  }

  /**
   * Directories of the lay-outs of the layers, the topmost first; what is missing is fetched, and laid out while it arrives.
   * `below` is what this said of the lowest of them: the cleaning takes nothing that was used since this build began.
   * Throws what fetching and laying out throw.
   */
  async layOut(layers: readonly Layer[], below: readonly string[] = []): Promise<readonly string[]> {
    // Touched, so that the cleaning leaves it for this build.
    for (const { digest } of layers.slice(below.length)) await this.#store.blobs.use(digest);
    const fetch: FetchLayer = (layer, signal) => this.#fetch(layer, signal);
    return this.#store.layers.layout(layers, this.#signal, fetch, below);
  }

  /** The blob's file, fetched if need be: for a push to a registry that lacks it. */
  async blob(layer: Layer): Promise<string> {
    const { blobs } = this.#store;
    if (!(await blobs.use(layer.digest))) await this.#fetch(layer, this.#signal)?.stored;
    return blobs.path(layer.digest);
  }

  /** The repository of that registry which has the layer already, as the base image's. */
  repositoryOf(layer: Layer, registryHost: string): string | undefined {
    const source = this.#origins.get(layer.digest)?.source;
    return source?.registry === registryHost ? source.repository : undefined;
  }

  async #resolve(reference: string, platform: Platform): Promise<BaseImage> {
    const parsed = parseReference(reference);
    this.#policy(parsed);
    const image = await this.#registry.resolve(parsed, {
      platform,
      signal: this.#signal,
    });
    const layers = image.layers.map((descriptor, index): Layer => {
      if (!this.#origins.has(descriptor.digest))
        this.#origins.set(descriptor.digest, { source: image.source, descriptor });
      return {
        diffId: image.diffIds[index] ?? '',
        digest: descriptor.digest,
        sizeBytes: descriptor.size,
        mediaType: descriptor.mediaType,
        ...foreignFields(descriptor),
      };
    });
    return { reference, digest: image.digest, document: image.config.json as ImageDocument, layers };
  }

  /** Undefined for nobody else's: the step cache named a blob that the store has lost. The caller forgets the step. */
  #fetch(layer: Layer, signal: AbortSignal): ArrivingBlob | undefined {
    const origin = this.#origins.get(layer.digest);
    if (origin === undefined) return undefined;
    const { blobs } = this.#store;
    const growing = newFile(blobs);
    const fetched = async (): Promise<void> => {
      const [part, whole] = await Promise.all([growing, blobs.newTemporary()]);
      try {
        await this.#registry.fetchBlob(origin.source, origin.descriptor, whole, signal, part);
        await blobs.commit(whole, layer.digest);
      } finally {
        await Promise.all([blobs.discard(part), blobs.discard(whole)]);
      }
    };
    return { sizeBytes: origin.descriptor.size, growing, stored: fetched() };
  }
}

async function newFile(blobs: BlobStore): Promise<string> {
  const path = await blobs.newTemporary();
  await writeFile(path, '', { flag: 'wx' });
  return path;
}

/** What a base image says of a layer besides what it is. */
function foreignFields({ urls, annotations }: Descriptor): Pick<Layer, 'descriptor'> {
  if (urls === undefined && !annotations) return {};
  return {
    descriptor: {
      ...(urls === undefined ? {} : { urls }),
      ...(annotations ? { annotations } : {}),
    },
  };
}

/**
 * A build's layers on their way to the registry while the build goes on, so that at its end only config and manifest are
 * left. Nothing depends on it: what was not brought there in time, or could not be, the push brings. A build that fails
 * leaves blobs that nobody names, for the registry to collect.
 */
import type { Layer } from '../layers/layer.js';
import type { RegistryClient } from '../registry/client.js';
import { asDigest } from '../registry/image.js';
import type { Place } from '../registry/transport.js';
import type { Uploaded } from '../registry/upload.js';
import type { BaseImages } from './base-images.js';
import type { BuilderStore } from './builder-store.js';
import { inFamily } from './image.js';

/** A push has as many under way. */
const AT_ONCE = 4;

export interface EarlyUploadTools {
  readonly registry: Pick<RegistryClient, 'uploadLayer'>;
  readonly store: Pick<BuilderStore, 'blobs'>;
  readonly signal: AbortSignal;
}

export class EarlyUploads implements AsyncDisposable {
  readonly #place: Place;
  readonly #tools: EarlyUploadTools;
  readonly #stop = new AbortController();
  readonly #known = new Set<string>();
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #lanes = new Set<Promise<void>>();
  readonly #there = new Map<string, Uploaded>();

  constructor(place: Place, tools: EarlyUploadTools) {
    this.#place = place;
    this.#tools = tools;
  }

  /** A layer that the image will have. */
  readonly start = (layer: Layer, bases: BaseImages): void => {
    if (this.#known.has(layer.digest)) return;
    this.#known.add(layer.digest);
    this.#waiting.push(() => this.#upload(layer, bases));
    if (this.#lanes.size >= AT_ONCE) return;
    const lane = this.#lane().finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  };

  /** When all that was started has ended: which layers the repository has by now, by digest, and how they came there. */
  async finished(): Promise<ReadonlyMap<string, Uploaded>> {
    await Promise.all(this.#lanes);
    return this.#there;
  }

  /** Ends what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting.length = 0;
    this.#stop.abort();
    await Promise.all(this.#lanes);
  }

  async #lane(): Promise<void> {
    for (let upload = this.#waiting.shift(); upload !== undefined; upload = this.#waiting.shift())
      await upload();
  }

  async #upload(layer: Layer, bases: BaseImages): Promise<void> {
    const { registry, store } = this.#tools;
    const { digest, mediaType, sizeBytes } = layer;
    const signal = AbortSignal.any([this.#tools.signal, this.#stop.signal]);
    try {
      // What is not on this machine is fetched only by a push that cannot do without.
      const file = (await store.blobs.has(digest)) ? store.blobs.path(digest) : undefined;
      const descriptor = {
        mediaType: inFamily(mediaType, 'oci'),
        digest: asDigest(digest),
        size: sizeBytes,
      };
      const mountFrom = bases.repositoryOf(layer, this.#place.registry);
      const how = await registry.uploadLayer(this.#place, { descriptor, file, mountFrom }, signal);
      this.#there.set(digest, how);
    } catch {
      // The push tries again, and says what is wrong.
    }
  }
}

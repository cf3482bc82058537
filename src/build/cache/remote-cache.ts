/**
 * The cache that builders share through a registry: an index of steps and selections as an artifact with a tag, which
 * names the layers so that the registry keeps them. Read once a build, when this machine does not know a step; written
 * after it (cache-export.ts). It only ever saves work: whatever is wrong with it is noted and the build goes on.
 *
 * Its word is taken: whoever may write the tag can make a build take any layer for the result of any step. So an app's
 * is in the app's own repository, which builders alone write.
 */
import { toSlipwayError } from '../../errors.js';
import type { BlobStore } from '../../layers/blob-store.js';
import type { Layer } from '../../layers/layer.js';
import type { RegistryClient } from '../../registry/client.js';
import { asDigest } from '../../registry/image.js';
import { formatReference } from '../../registry/reference.js';
import type { RememberedBuild } from '../memo/remembered-build.js';
import { exportCache } from './cache-export.js';
import type { CachePlace } from './cache-place.js';
import { type CachedSelection, type CachedStep, layersOf } from './cached.js';
import {
  type BuildRecord,
  CACHE_TYPE,
  type CacheBounds,
  DEFAULT_BOUNDS,
  INDEX_BYTES,
  parseIndex,
} from './remote-index.js';

export interface RemoteCacheOptions {
  readonly registry: RegistryClient;
  /** Asked in order. */
  readonly from: readonly CachePlace[];
  readonly to?: CachePlace;
  readonly bounds?: CacheBounds;
  /** Told once why there is less help than was hoped for. */
  readonly note?: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface RemoteStep {
  readonly step: CachedStep;
  /** Where the layer can be had. */
  readonly place: CachePlace;
}

interface Imported {
  readonly steps: ReadonlyMap<string, RemoteStep>;
  readonly selections: ReadonlyMap<string, readonly CachedSelection[]>;
  readonly builds: ReadonlyMap<string, RemoteBuild>;
}

export interface RemoteBuild {
  readonly build: RememberedBuild;
  /** Where the layers can be had. */
  readonly place: CachePlace;
}

/** A registry that is slower is of no help. */
const IMPORT_TIMEOUT_MS = 5_000;

export class RemoteCache {
  readonly #options: RemoteCacheOptions;
  #imported: Promise<Imported> | undefined;
  readonly #layers = new Map<string, Promise<boolean>>();
  readonly #steps = new Map<string, { step: CachedStep; executed: boolean }>();
  readonly #selections = new Map<string, readonly CachedSelection[]>();
  readonly #builds = new Map<string, RememberedBuild>();
  /** Where the layers of hits are, by their digest. */
  readonly #places = new Map<string, CachePlace>();
  #hasFailed = false;
  /** The registry stopped answering: each step would wait for it in vain. */
  #isSilent = false;

  constructor(options: RemoteCacheOptions) {
    this.#options = options;
  }

  /** What another builder made of the step, if its layer is still there. Never fails. */
  async lookup(key: string): Promise<RemoteStep | undefined> {
    const found = (await this.#import()).steps.get(key);
    if (found === undefined || this.#isSilent || !(await this.#hasLayers(layersOf(found.step), found.place)))
      return undefined;
    for (const { digest } of layersOf(found.step)) this.#places.set(digest, found.place);
    this.recordStep(key, found.step);
    return found;
  }

  async selection(key: string): Promise<readonly CachedSelection[] | undefined> {
    const found = (await this.#import()).selections.get(key);
    if (found !== undefined) this.recordSelection(key, found);
    return found;
  }

  /** What others have built is likely to be asked for: it is fetched from now on. */
  prefetch(): void {
    this.#import().catch(() => undefined);
  }

  /** A whole build of another builder. Whether it can be used, `useBuild` says. Never fails. */
  async build(key: string): Promise<RemoteBuild | undefined> {
    const found = (await this.#import()).builds.get(key);
    return this.#isSilent ? undefined : found;
  }

  /** True if the layers that it made are still there: a registry keeps what an image of it names. Never fails. */
  async useBuild(key: string, { build, place }: RemoteBuild): Promise<boolean> {
    const made = build.layers.slice(build.baseLayers);
    const isThere = (await this.#hasImage(build, place)) || (await this.#hasLayers(made, place));
    if (!isThere || this.#isSilent) return false;
    for (const { digest } of made) this.#places.set(digest, place);
    this.recordBuild(key, build);
    return true;
  }

  recordBuild(key: string, build: RememberedBuild): void {
    this.#builds.set(key, build);
  }

  /** The build used the step. `executed`: it ran, so that its result goes before an older one. */
  recordStep(key: string, step: CachedStep, { executed = false }: { executed?: boolean } = {}): void {
    this.#steps.set(key, { step, executed });
  }

  recordSelection(key: string, found: readonly CachedSelection[]): void {
    this.#selections.set(key, found);
  }

  /** It was wrong. */
  async forgetSelection(key: string): Promise<void> {
    this.#selections.delete(key);
    const imported = await this.#import();
    (imported.selections as Map<string, unknown>).delete(key);
  }

  /** Writes what the build used; true when anything was new. Throws what the registry says. */
  async export(blobs: BlobStore, signal: AbortSignal): Promise<boolean> {
    const { registry, to, bounds = DEFAULT_BOUNDS } = this.#options;
    if (to === undefined) return false;
    const record: BuildRecord = { steps: this.#steps, selections: this.#selections, builds: this.#builds };
    return exportCache({ registry, to, bounds, blobs, record, places: this.#places, signal });
  }

  #import(): Promise<Imported> {
    this.#imported ??= this.#importAll();
    return this.#imported;
  }

  async #importAll(): Promise<Imported> {
    const steps = new Map<string, RemoteStep>();
    const selections = new Map<string, readonly CachedSelection[]>();
    const builds = new Map<string, RemoteBuild>();
    for (const place of this.#options.from) {
      const index = await this.#read(place);
      for (const { key, value } of index?.steps ?? [])
        if (!steps.has(key)) steps.set(key, { step: value, place });
      for (const { key, value } of index?.selections ?? [])
        if (!selections.has(key)) selections.set(key, value);
      for (const { key, value } of index?.builds ?? [])
        if (!builds.has(key)) builds.set(key, { build: value, place });
    }
    return { steps, selections, builds };
  }

  async #read(place: CachePlace): Promise<ReturnType<typeof parseIndex>> {
    const { registry } = this.#options;
    try {
      const signal = this.#signal();
      const artifact = await registry.artifact({
        ...place,
        configType: CACHE_TYPE,
        maxBytes: INDEX_BYTES,
        signal,
      });
      if (artifact === undefined) return undefined;
      const index = parseIndex(artifact.config);
      if (index === undefined) this.#note(`the build cache ${formatReference(place)} cannot be read`);
      return index;
    } catch (error) {
      this.#failed(place, error);
      return undefined;
    }
  }

  async #hasImage({ digest }: RememberedBuild, place: CachePlace): Promise<boolean> {
    try {
      return (await this.#options.registry.headManifest(place, digest, this.#signal())) !== undefined;
    } catch (error) {
      this.#silent(place, error);
      return false;
    }
  }

  /** The registry may have lost it, as after a clean-up; a build that needed it then would fail. */
  async #hasLayers(layers: readonly Layer[], place: CachePlace): Promise<boolean> {
    if (this.#isSilent) return false;
    const found = await Promise.all(layers.map(({ digest }) => this.#hasLayer(digest, place)));
    return found.every(Boolean);
  }

  #hasLayer(digest: string, place: CachePlace): Promise<boolean> {
    const known =
      this.#layers.get(digest) ??
      this.#options.registry.hasBlob(place, asDigest(digest), this.#signal()).catch((error) => {
        this.#silent(place, error);
        return false;
      });
    this.#layers.set(digest, known);
    return known;
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#options.signal, AbortSignal.timeout(IMPORT_TIMEOUT_MS)]);
  }

  #silent(place: CachePlace, thrown: unknown): void {
    this.#isSilent = true;
    this.#failed(place, thrown);
  }

  #failed(place: CachePlace, thrown: unknown): void {
    if (this.#options.signal.aborted) throw this.#options.signal.reason;
    const isSilent = thrown instanceof DOMException && thrown.name === 'TimeoutError';
    const why = isSilent ? `no answer in ${IMPORT_TIMEOUT_MS / 1000} s` : toSlipwayError(thrown).message;
    this.#note(`the build cache ${formatReference(place)} is of no help: ${why}`);
  }

  #note(text: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.note?.(text);
  }
}

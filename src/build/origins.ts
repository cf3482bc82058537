/**
 * Where the steps of a build take bytes from besides the build context: other stages, images, named contexts. Each is
 * mounted once, when something first looks into it, and stays until the build ends.
 */
import type { Origin } from '../dockerfile/build-plan.js';
import { chainId, type Layer } from '../layers/layer.js';
import { mountedOverlay } from '../layers/overlay.js';
import type { BaseImages } from './base-images.js';
import type { BuilderStore } from './builder-store.js';
import { selectionKey } from './cache/keys.js';
import type { RemoteCache } from './cache/remote-cache.js';
import type { CopySource } from './copy/copy-source.js';
import { type KnownSelections, KnownSource } from './copy/known-source.js';
import { LayerTimes } from './copy/layer-times.js';
import { TreeSource } from './copy/tree-source.js';

/** What has layers: a stage that is built, or an image. */
export interface LayeredOrigin {
  /** In errors: `the stage "build"`. */
  readonly described: string;
  readonly layers: readonly Layer[];
}

export interface OriginTools {
  readonly store: BuilderStore;
  readonly bases: BaseImages;
  readonly remote?: RemoteCache;
  readonly signal: AbortSignal;
  /** What COPY without `--from` sees. */
  readonly context: CopySource;
  /** Builds the stage, or asks for the image. */
  readonly layered: (from: Extract<Origin, { kind: 'stage' | 'image' }>) => Promise<LayeredOrigin>;
  /** A directory that `--build-context` named. */
  readonly named: (name: string) => Promise<CopySource>;
}

interface Mounted {
  readonly path: string;
  readonly source: CopySource;
}

export class Origins {
  readonly #tools: OriginTools;
  readonly #mounted = new Map<string, Promise<Mounted>>();
  readonly #scratches: string[] = [];

  constructor(tools: OriginTools) {
    this.#tools = tools;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { layers } = this.#tools.store;
    await Promise.all(this.#scratches.splice(0).map((scratch) => layers.removeScratch(scratch)));
  }

  /** To copy from; without an origin, the build context. */
  async source(from: Origin | undefined): Promise<CopySource> {
    if (from === undefined) return this.#tools.context;
    if (from.kind === 'context') return this.#tools.named(from.name);
    const known = knownSelections(this.#tools, await this.identity(from));
    return new KnownSource(known, async () => (await this.#tree(from)).source);
  }

  /** The root of a stage or an image, mounted read-only on this machine. */
  async directory(from: Extract<Origin, { kind: 'stage' | 'image' }>): Promise<string> {
    return (await this.#tree(from)).path;
  }

  /** Names the whole content of a stage or an image without looking into it. */
  async identity(from: Extract<Origin, { kind: 'stage' | 'image' }>): Promise<string> {
    const { layers } = await this.#tools.layered(from);
    return layers.length === 0 ? 'scratch' : chainId(layers.map((layer) => layer.diffId));
  }

  #tree(from: Extract<Origin, { kind: 'stage' | 'image' }>): Promise<Mounted> {
    const name = from.kind === 'stage' ? `stage ${from.index}` : from.reference;
    const known = this.#mounted.get(name) ?? this.#mount(from);
    this.#mounted.set(name, known);
    return known;
  }

  async #mount(from: Extract<Origin, { kind: 'stage' | 'image' }>): Promise<Mounted> {
    const { store, bases, signal } = this.#tools;
    const { described, layers } = await this.#tools.layered(from);
    const lowers = await bases.layOut(layers);
    const scratch = await store.layers.newScratch();
    this.#scratches.push(scratch);
    const { path } = await mountedOverlay({ scratch, lowers });
    return { path, source: new TreeSource(path, described, new LayerTimes(layers, lowers), signal) };
  }
}

/** What was selected in the tree before, by this builder or by one that shares the remote cache. */
function knownSelections({ store, remote }: OriginTools, tree: string): KnownSelections {
  const { selections } = store.steps;
  return {
    get: async (selector) => {
      const key = selectionKey(tree, selector);
      const here = await selections.get(key);
      // What others say is believed for this build alone: it was not looked at here.
      if (here === undefined) return remote?.selection(key);
      remote?.recordSelection(key, here);
      return here;
    },
    put: async (selector, found) => {
      const key = selectionKey(tree, selector);
      await selections.put(key, found);
      remote?.recordSelection(key, found);
    },
    forget: async (selector) => {
      const key = selectionKey(tree, selector);
      await selections.remove(key);
      remote?.forgetSelection(key);
    },
  };
}

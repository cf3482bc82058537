/**
 * The file tree of a stage as it grows, layer by layer. Of a layer that COPY or WORKDIR made, the entries are kept in
 * memory until something needs the files: what no RUN follows is never laid out.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { chainId, type Layer } from '../layers/layer.js';
import { StackView } from '../layers/stack-view.js';
import type { BaseImages } from './base-images.js';
import type { BuilderStore } from './builder-store.js';
import { Destination, type TreeEntry } from './copy/destination.js';

/** /etc/passwd and /etc/group are not larger; a hostile image's are not read. */
const NAMES_BYTES = 10 * 1024 * 1024;

export class StageTree {
  readonly #store: BuilderStore;
  readonly #bases: BaseImages;
  #layers: readonly Layer[];
  /** Entries of the topmost layers that this build wrote and laid out nowhere, and how many layers they are. */
  #written = new Map<string, TreeEntry>();
  #writtenLayers = 0;
  /** Of the last of them, what nobody has asked for yet. */
  #unread: (() => Promise<ReadonlyMap<string, TreeEntry>>)[] = [];
  /** Of the lowest layers, the topmost first: what is laid out for this build stays until its end. */
  #layouts: readonly string[] = [];
  /** The chain id of the lowest layers, and how many they are. */
  #chain: { readonly id?: string; readonly layers: number } = { layers: 0 };

  constructor(layers: readonly Layer[], store: BuilderStore, bases: BaseImages) {
    this.#layers = layers;
    this.#store = store;
    this.#bases = bases;
  }

  /** Bottom first. */
  get layers(): readonly Layer[] {
    return this.#layers;
  }

  /** What the tree is, for the key of the next step. */
  get identity(): string {
    if (this.#layers.length === 0) return 'scratch';
    const above = this.#layers.slice(this.#chain.layers).map((layer) => layer.diffId);
    const id = chainId(above, this.#chain.id);
    this.#chain = { id, layers: this.#layers.length };
    return id;
  }

  /** `entries` of layers that this build has just written, unless they are laid out already. Bottom first. */
  add(layers: readonly Layer[], entries?: () => Promise<ReadonlyMap<string, TreeEntry>>): void {
    this.#layers = [...this.#layers, ...layers];
    if (entries === undefined) {
      this.#forgetWritten();
      return;
    }
    this.#unread.push(entries);
    this.#writtenLayers += layers.length;
  }

  /** What a COPY or WORKDIR writes onto: the lay-outs, and over them what is only in memory. */
  async destination(): Promise<Destination> {
    const fileAt = async (path: string): Promise<string | undefined> =>
      new StackView(await this.layOut()).fileAt(path);
    for (let read = this.#unread[0]; read !== undefined; read = this.#unread[0]) {
      for (const [path, entry] of await read()) this.#written.set(path, entry);
      this.#unread.shift();
    }
    return new Destination(new StackView(await this.#laidOut()), this.#written, fileAt);
  }

  /** All layers as directories, for a RUN. */
  async layOut(): Promise<readonly string[]> {
    this.#forgetWritten();
    return this.#laidOut();
  }

  /** Reads a file, such as the one that names the users. Undefined when it is not there, or is too large to be it. */
  async readFile(path: string): Promise<Buffer | undefined> {
    return new StackView(await this.layOut()).readFile(path, NAMES_BYTES);
  }

  /** From here on the next look at the tree goes to the disk. */
  #forgetWritten(): void {
    this.#written = new Map();
    this.#writtenLayers = 0;
    this.#unread = [];
  }

  /** Directories of the layers that are not only in memory, the topmost first. */
  async #laidOut(): Promise<readonly string[]> {
    const below = this.#layers.slice(0, this.#layers.length - this.#writtenLayers);
    try {
      if (below.length > this.#layouts.length) this.#layouts = await this.#bases.layOut(below, this.#layouts);
      return this.#layouts;
    } catch (error) {
      if (toSlipwayError(error).code === 'layer_invalid') await this.#removeDamaged(below, error);
      throw error;
    }
  }

  /** What the disk has damaged is fetched or built anew the next time, instead of failing every build from here on. */
  async #removeDamaged(layers: readonly Layer[], cause: unknown): Promise<void> {
    const { blobs } = this.#store;
    for (const { digest } of layers) {
      if (!(await blobs.has(digest)) || (await digestOf(blobs.path(digest))) === digest) continue;
      await blobs.remove(digest);
      throw new SlipwayError('layer_invalid', `the layer ${digest} is damaged on the builder's disk`, {
        hint: 'it is removed now and will be fetched or built anew: push again',
        temporary: true,
        cause,
      });
    }
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

/**
 * A lay-out that is made while its layer is written, from the same bytes: a step that follows finds it there. It only
 * saves time. Where it cannot be made the writing goes on, and the layer is laid out from its blob when somebody needs it.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { applyTar, newTarCopy, type TarCopy } from '../../native/index.js';
import type { Layer } from './layer.js';
import type { LayerStore } from './layer-store.js';

export class LayoutBesides implements AsyncDisposable {
  /** For the layer's writer. */
  readonly tar: TarCopy = newTarCopy();
  readonly #store: LayerStore;
  readonly #scratch: string;
  readonly #stop = new AbortController();
  readonly #isDone: Promise<boolean>;

  private constructor(store: LayerStore, scratch: string, freshTimes: boolean) {
    this.#store = store;
    this.#scratch = scratch;
    this.#isDone = this.#apply(freshTimes).catch(() => false);
  }

  /** Everything that the layer's entries stand on is in the layer itself. `freshTimes` as in {@link Layer}. */
  static async begin(store: LayerStore, freshTimes: boolean): Promise<LayoutBesides> {
    const scratch = await store.newScratch();
    // Before the writing begins: from here on there is a reader, or the writer knows that there is none.
    await mkdir(join(scratch, 'root'), { mode: 0o755 });
    return new LayoutBesides(store, scratch, freshTimes);
  }

  /** The layer is written: what was made is its lay-out on `below` (bottom first). */
  async keep(layer: Layer, below: readonly Layer[]): Promise<void> {
    if (await this.#isDone) await this.#store.adoptOn(below, layer, this.#root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#isDone;
    await this.#store.removeScratch(this.#scratch);
  }

  async #apply(freshTimes: boolean): Promise<boolean> {
    const { maxLayerBytes: maxBytes } = this.#store;
    await applyTar({
      tar: this.tar,
      target: this.#root,
      lowers: [],
      ...(maxBytes === undefined ? {} : { maxBytes }),
      freshTimes,
      signal: this.#stop.signal,
    });
    return true;
  }

  get #root(): string {
    return join(this.#scratch, 'root');
  }
}

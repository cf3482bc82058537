/**
 * What is left to do when a push has its answer: writing remote caches, one after the other, each within its time. What
 * fails costs a line in the log; the next build of the app tries again.
 */
import type { BlobStore } from '../../layers/blob-store.js';
import type { Logger } from '../../log.js';
import type { BuilderStore } from '../builder-store.js';

const EXPORT_TIMEOUT_MS = 10 * 60_000;
/** Exports that wait; a registry that is so slow gets no more. */
const WAITING = 100;

/** What a build used, to be written for others. */
export interface Exported {
  export(blobs: BlobStore, signal: AbortSignal): Promise<unknown>;
}

export class CacheExports {
  readonly #store: BuilderStore;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(store: BuilderStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Returns at once. */
  add(app: string, remote: Exported): void {
    if (this.#stop.signal.aborted || this.#waiting >= WAITING) return;
    this.#waiting++;
    // From now on the cleaning leaves what the build used.
    const using = this.#store.running.begin();
    this.#last = this.#last.then(async () => {
      try {
        await using;
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(EXPORT_TIMEOUT_MS)]);
        await remote.export(this.#store.blobs, signal);
      } catch (error) {
        if (!this.#stop.signal.aborted)
          this.#log.warn({ err: error, app }, 'the build cache was not written to the registry');
      } finally {
        this.#waiting--;
        await using.then((running) => running[Symbol.asyncDispose]()).catch(() => undefined);
      }
    });
  }

  /** Resolves when nothing is left to do. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** Gives up what is left. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#last;
  }
}

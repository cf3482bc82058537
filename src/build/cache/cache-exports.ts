/**
 * What is left to do when a build has handed over: naming images and writing remote caches, one after the other, each within its
 * time, and not while its own rollout needs disk and cores. What fails costs a line in the log; the next build tries again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
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
  readonly #restMs: number;
  #waiting = 0;

  /** What is added begins `restMs` later. */
  constructor(store: BuilderStore, log: Logger, restMs = 0) {
    this.#store = store;
    this.#log = log;
    this.#restMs = restMs;
  }

  /** Returns at once. */
  add(app: string, remote: Exported): void {
    if (this.#stop.signal.aborted || this.#waiting >= WAITING) return;
    this.#waiting++;
    // From now on the cleaning leaves what the build used.
    const using = this.#store.running.begin();
    const rested = sleep(this.#restMs, undefined, { signal: this.#stop.signal });
    rested.catch(() => undefined);
    this.#last = this.#last.then(async () => {
      try {
        await using;
        await rested;
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

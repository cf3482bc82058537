/**
 * Changes of one file. inotify tells at once; a poll covers what it cannot: a file system that does not report, or a
 * machine that is out of watches.
 */
import { type FSWatcher, watch } from 'node:fs';

const POLL_MS = 1000;

export class FileChanges {
  readonly #signal: AbortSignal;
  #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;
  readonly #onChange = (): void => {
    this.#changed = true;
    this.#wake?.();
  };

  /** Notes changes from now on, until `close`. The signal ends a wait early. */
  constructor(path: string, signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onChange);
    try {
      this.#watcher = watch(path, this.#onChange);
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // ENOSPC or EMFILE: too many watches on this machine. The poll is enough.
    }
  }

  /** Resolves at the next change, at one since the last call, or after a second. */
  async next(): Promise<void> {
    if (!this.#changed && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const poll = setTimeout(resolve, POLL_MS);
        this.#wake = () => {
          clearTimeout(poll);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onChange);
    this.#watcher?.close();
  }
}

/** The object readers of a process, one per repository, at most so many at a time: the least recently used idle one goes. */
import { ObjectReader, type ObjectReaderOptions } from './objects.js';

export class ObjectPool {
  readonly #maxReaders: number;
  readonly #options: ObjectReaderOptions;
  /** In order of use: a Map keeps the order of insertion. */
  readonly #readers = new Map<string, ObjectReader>();

  constructor(options: ObjectReaderOptions & { readonly maxReaders?: number } = {}) {
    this.#maxReaders = options.maxReaders ?? 16;
    this.#options = options;
  }

  get size(): number {
    return this.#readers.size;
  }

  /** The reader of a repository. One that was dropped from the pool still works, with a process of its own. */
  reader(gitDir: string): ObjectReader {
    const known = this.#readers.get(gitDir);
    const reader = known ?? new ObjectReader(gitDir, this.#options);
    this.#readers.delete(gitDir);
    this.#readers.set(gitDir, reader);
    this.#evict(gitDir);
    return reader;
  }

  /** Closes the reader of a repository that is going away. */
  forget(gitDir: string): void {
    this.#readers.get(gitDir)?.close();
    this.#readers.delete(gitDir);
  }

  close(): void {
    for (const gitDir of [...this.#readers.keys()]) this.forget(gitDir);
  }

  /** Readers in use are left alone, so for a moment there may be more than `maxReaders`. */
  #evict(keep: string): void {
    for (const [gitDir, reader] of this.#readers) {
      if (this.#readers.size <= this.#maxReaders) return;
      if (gitDir === keep || !reader.isIdle) continue;
      reader.rest();
      this.#readers.delete(gitDir);
    }
  }
}

/** Documents that are read for every request: from memory, and no older than a second. */
import type { Clock } from '../clock.js';
import type { DocumentRef, Documents } from './documents.js';

/** How long another process's change may go unseen, in ms. */
const FRESH_MS = 1000;

export class RecentDocuments {
  readonly #ref: Pick<DocumentRef, 'read'>;
  readonly #clock: Clock;
  #read: { at: number; documents: Promise<Documents | undefined> } | undefined;

  constructor(ref: Pick<DocumentRef, 'read'>, clock: Clock) {
    this.#ref = ref;
    this.#clock = clock;
  }

  /** Undefined when there are none yet. */
  async read(): Promise<Documents | undefined> {
    const now = this.#clock.now();
    if (this.#read === undefined || now - this.#read.at >= FRESH_MS || now < this.#read.at) {
      const read = { at: now, documents: this.#ref.read() };
      // A failed read is not remembered.
      read.documents.catch(() => {
        if (this.#read === read) this.#read = undefined;
      });
      this.#read = read;
    }
    return this.#read.documents;
  }

  /** They were changed here: the next read sees it. */
  forget(): void {
    this.#read = undefined;
  }
}

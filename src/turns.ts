/** One at a time per key, in the order of the calls; other keys do not wait. Of this process only. */
export class Turns {
  /** The last turn that was taken per key, while it is under way. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs the work when all earlier ones of the key have ended, however they did. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}

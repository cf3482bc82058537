/** One at a time, by key, within this process. What must hold between processes is fenced elsewhere (claims, generations). */
export class Mutex {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs when all earlier ones with this key have ended. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let done: () => void = () => undefined;
    const after = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#tails.set(key, after);
    await before;
    try {
      return await work();
    } finally {
      if (this.#tails.get(key) === after) this.#tails.delete(key);
      done();
    }
  }

  isHeld(key: string): boolean {
    return this.#tails.has(key);
  }
}

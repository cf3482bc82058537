/** What has been taken and must be given back, whatever happens: the last taken first. */
export class Cleanup {
  readonly #actions: (() => Promise<void> | void)[] = [];

  /** Returns what gives it back now, for whoever has a better moment; it is given back once. */
  defer(action: () => Promise<void> | void): () => Promise<void> {
    let done: Promise<void> | undefined;
    const once = (): Promise<void> => {
      done ??= Promise.resolve(action());
      return done;
    };
    this.#actions.push(once);
    return once;
  }

  /** Runs every action that did not run yet, each even if another fails. Returns what failed, also earlier. */
  async run(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (let action = this.#actions.pop(); action !== undefined; action = this.#actions.pop()) {
      try {
        await action();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }
}

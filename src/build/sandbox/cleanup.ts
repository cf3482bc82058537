/** What has been taken and must be given back, whatever happens: the last taken first. */
export class Cleanup {
  readonly #actions: (() => Promise<void> | void)[] = [];

  defer(action: () => Promise<void> | void): void {
    this.#actions.push(action);
  }

  /** Runs every action once, each even if another fails. Returns what failed. */
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

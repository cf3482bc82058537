/**
 * The one-off commands that this process is attached to, for the reconciler: an attached one whose follower is gone, or is this process
 * and knows nothing of it, is a leftover.
 */
import { isAlive, ownName } from '../src/build/sandbox/owner.js';

export class Followed {
  readonly #ids = new Set<string>();
  #name: Promise<string> | undefined;

  /** This process, as the containers carry it. */
  name(): Promise<string> {
    this.#name ??= ownName();
    return this.#name;
  }

  add(run: string): void {
    this.#ids.add(run);
  }

  delete(run: string): void {
    this.#ids.delete(run);
  }

  /** `run` is the app's name and that of the command: `hello.run.482913`. */
  async has(run: string, follower: string): Promise<boolean> {
    return follower === (await this.name()) ? this.#ids.has(run) : isAlive(follower);
  }
}

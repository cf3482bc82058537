/**
 * Which builds use the store now, in whatever process: a file each while it runs. The cleaning takes nothing that was
 * used since the oldest of them began, however long it runs or waits.
 */
import { rm, stat, writeFile } from 'node:fs/promises';
import { Temporaries } from '../layers/temporaries.js';

export class RunningBuilds {
  readonly #files: Temporaries;

  constructor(directory: string) {
    this.#files = new Temporaries(directory);
  }

  /** Before anything else. Forgets the builds of killed processes. */
  async open(): Promise<void> {
    await this.#files.open();
  }

  /** Before the build uses anything; disposed when it uses nothing any more. */
  async begin(): Promise<AsyncDisposable> {
    const path = await this.#files.newPath();
    await writeFile(path, '');
    return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
  }

  /** When the oldest one began, in ms since the epoch; undefined when there is none. */
  async oldest(): Promise<number | undefined> {
    let oldest: number | undefined;
    for (const path of await this.#files.living()) {
      const began = (await stat(path).catch(() => undefined))?.mtimeMs;
      if (began !== undefined && began < (oldest ?? Number.POSITIVE_INFINITY)) oldest = began;
    }
    return oldest;
  }
}

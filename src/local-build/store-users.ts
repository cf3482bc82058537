/**
 * Who uses the store: several `slipway build` may, but none may clean it while another builds. Each writes a file with its
 * owner's name, and looks at the others' only afterwards: of a build and a cleaning that begin at once, at least one
 * sees the other. Files of processes that are gone do not count and are removed.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, ownerOf, ownName } from '../build/sandbox/owner.js';

type Use = 'build' | 'clean';

/** How often a build looks whether the cleaning has ended, in ms. */
const WAIT_MS = 50;

export class StoreUsers {
  readonly #directory: string;

  /** Below the store. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Waits for a cleaning under way, then counts as a build until `end` is called. */
  async build(signal: AbortSignal): Promise<{ end(): Promise<void> }> {
    const file = await this.#enter('build');
    try {
      while ((await this.#living('clean')).length > 0) await sleep(WAIT_MS, undefined, { signal });
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
    return { end: () => rm(file, { force: true }) };
  }

  /** Runs `clean` if nobody builds or cleans; false when somebody does: the last of them cleans. */
  async cleanIfAlone(clean: () => Promise<void>): Promise<boolean> {
    const file = await this.#enter('clean');
    try {
      const cleaners = (await this.#living('clean')).filter((each) => each !== file);
      if (cleaners.length > 0 || (await this.#living('build')).length > 0) return false;
      await clean();
      return true;
    } finally {
      await rm(file, { force: true });
    }
  }

  async #enter(use: Use): Promise<string> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = join(this.#directory, `${await ownName()}-${use}-${randomBytes(6).toString('hex')}`);
    await writeFile(file, '');
    return file;
  }

  async #living(use: Use): Promise<string[]> {
    const living: string[] = [];
    for (const name of await readdir(this.#directory)) {
      if (!name.includes(`-${use}-`)) continue;
      const file = join(this.#directory, name);
      const owner = ownerOf(name);
      if (owner !== undefined && (await isAlive(owner))) living.push(file);
      else await rm(file, { force: true });
    }
    return living;
  }
}

/**
 * Keeps a cleaning from taking what somebody begins to use at the same moment, in whichever process: it marks the entry, then
 * looks when it was used last, then takes it away. Who uses an entry says so first and asks for the mark afterwards. So
 * either the use is seen by that look, or the mark is seen here, and what then becomes of the entry is waited for.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../errors.js';

/** A look and a rename: whoever needs longer was killed in between. */
const DEAD_MS = 10_000;
const POLL_MS = 2;

export class Removals {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** Runs `take` while the entry is marked. Undefined when another cleaning has it. */
  async marked<T>(name: string, take: () => Promise<T>): Promise<T | undefined> {
    const mark = join(this.#directory, name);
    try {
      await writeFile(mark, '', { flag: 'wx' });
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return undefined;
      throw error;
    }
    try {
      return await take();
    } finally {
      await rm(mark, { force: true });
    }
  }

  /** Resolves when no cleaning decides on the entry. A use that was said before holds from then on, if the entry is there. */
  async decided(name: string): Promise<void> {
    const mark = join(this.#directory, name);
    while (existsSync(mark)) {
      const found = await stat(mark).catch(() => undefined);
      if (found !== undefined && Date.now() - found.mtimeMs > DEAD_MS) await rm(mark, { force: true });
      else await sleep(POLL_MS);
    }
  }
}

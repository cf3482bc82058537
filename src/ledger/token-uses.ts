/**
 * When each token was last used, for who wonders whether it may go. Not in the ledger, where every request would be a commit: a file that is
 * written once a minute, and may be lost.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Clock } from '../clock.js';

const WRITE_MS = 60_000;

export class TokenUses {
  readonly #path: string;
  readonly #clock: Clock;
  #uses: Promise<Map<string, string>> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async note(id: string): Promise<void> {
    (await this.#read()).set(id, new Date(this.#clock.now()).toISOString());
    this.#timer ??= setTimeout(() => void this.write(), WRITE_MS).unref();
  }

  /** By token's id. */
  all(): Promise<ReadonlyMap<string, string>> {
    return this.#read();
  }

  /** Before the process ends. */
  async write(): Promise<void> {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const fresh = `${this.#path}.new`;
    const text = `${JSON.stringify(Object.fromEntries(await this.#read()))}\n`;
    // Lost, it is nobody's loss.
    await writeFile(fresh, text, { mode: 0o600 })
      .then(() => rename(fresh, this.#path))
      .catch(() => undefined);
  }

  #read(): Promise<Map<string, string>> {
    this.#uses ??= readFile(this.#path, 'utf8')
      .then((text) => new Map(Object.entries(JSON.parse(text) as Record<string, string>)))
      .catch(() => new Map<string, string>());
    return this.#uses;
  }
}

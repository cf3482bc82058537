/**
 * Small JSON files in one directory of the builder's store, each named by a key. A file is whole or not there; reading
 * one marks it as used, for the cleaning. What does not have the expected shape is as good as absent.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { isErrno } from '../../errors.js';

/** What a file of a few hundred bytes takes on the disk. */
const BLOCK_BYTES = 4096;
/** Nobody writes for so long: what is still there was left by a killed process. */
const LEFT_AFTER_MS = 60 * 60_000;

export interface StoredFile {
  readonly key: string;
  readonly sizeBytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

export class JsonFiles<T> {
  readonly #directory: string;
  readonly #schema: z.ZodType<T>;

  constructor(directory: string, schema: z.ZodType<T>) {
    this.#directory = directory;
    this.#schema = schema;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
  }

  /** Undefined when there is none, or only a damaged one. */
  async get(key: string): Promise<T | undefined> {
    const path = this.#path(key);
    const parsed = this.#schema.safeParse(await readJson(path));
    if (!parsed.success) return undefined;
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return parsed.data;
  }

  async put(key: string, value: T): Promise<void> {
    await writeJson(this.#path(key), value);
  }

  async remove(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  /** Removes it unless it was used after `lastUsedAt` (as `list` gave it). */
  async removeUnused({ key, lastUsedAt }: Pick<StoredFile, 'key' | 'lastUsedAt'>): Promise<boolean> {
    const stats = await stat(this.#path(key)).catch(() => undefined);
    if (stats === undefined || stats.mtimeMs > lastUsedAt) return false;
    // Used just now all the same: then it is written again the next time.
    await this.remove(key);
    return true;
  }

  /** Also clears away what killed processes left half written. */
  async list(): Promise<readonly StoredFile[]> {
    const found: StoredFile[] = [];
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const stats = await stat(path).catch(() => undefined);
      if (stats === undefined) continue;
      if (name.endsWith('.json')) {
        const sizeBytes = Math.max(BLOCK_BYTES, stats.size);
        found.push({ key: name.slice(0, -'.json'.length), sizeBytes, lastUsedAt: stats.mtimeMs });
      } else if (Date.now() - stats.mtimeMs > LEFT_AFTER_MS) {
        await rm(path, { force: true });
      }
    }
    return found;
  }

  #path(key: string): string {
    return join(this.#directory, `${key}.json`);
  }
}

/** Undefined when there is no such file or it is not JSON. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    await writeFile(temporary, JSON.stringify(value));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

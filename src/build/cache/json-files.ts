/**
 * Small JSON files in one directory of the builder's store, each named by a key. A file is whole or not there; reading
 * one marks it as used, for the cleaning. What does not have the expected shape is as good as absent.
 */
import { mkdir, readFile, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { isErrno } from '../../errors.js';
import { type StoredFile, storedFiles, unusedRemoved, writeWhole } from './stored-files.js';

const SUFFIX = '.json';

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
    await writeWhole(this.#path(key), JSON.stringify(value));
  }

  async remove(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  /** Removes it unless it was used after `lastUsedAt` (as `list` gave it). */
  removeUnused({ key, lastUsedAt }: Pick<StoredFile, 'key' | 'lastUsedAt'>): Promise<boolean> {
    return unusedRemoved(this.#path(key), lastUsedAt);
  }

  /** Also clears away what killed processes left half written. */
  list(): Promise<readonly StoredFile[]> {
    return storedFiles(this.#directory, SUFFIX);
  }

  #path(key: string): string {
    return join(this.#directory, `${key}${SUFFIX}`);
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

/**
 * `RUN --mount=type=cache`: directories that outlive a build, below the store:
 *
 *   cache-mounts/<hash of scope>/<hash of id and seed>/about.json   what it is
 *   cache-mounts/<hash of scope>/<hash of id and seed>/0/data       what is mounted; 1, 2, … where one may not be shared
 *   cache-mounts/<hash of scope>/<hash of id and seed>/0/users      who uses it now: use-marks.ts
 *
 *   cache-mounts/<hash of scope>/<hash of id and seed>/0.shared     how it was shared last: share-cache-mounts.ts
 *   cache-mounts/<hash of scope>/<hash of id and seed>/0/inputs     what it was used with last: freshen.ts
 *
 * The modification time of the numbered directory says when it was used last.
 */
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { diskUsage } from '../../../native/index.js';
import { sleep } from '../../clock.js';
import type { MountSharing } from '../../dockerfile/step.js';
import { isErrno } from '../../errors.js';
import { Temporaries } from '../../layers/temporaries.js';
import { countUses, endUse, tryUse, type Use, useNew } from './use-marks.js';

export interface CacheName {
  /** Whose it is: the app. */
  readonly scope: string;
  readonly id: string;
  /** Identity of what it began with; absent: nothing. */
  readonly seed?: string;
}

export interface CacheRequest extends CacheName {
  readonly sharing: MountSharing;
  /** Of a new one. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Fills a new one. */
  readonly fill?: (directory: string) => Promise<void>;
  /** Told once when another step's use has to end first. */
  readonly onWait?: () => Promise<void>;
  readonly signal: AbortSignal;
}

export interface HeldCache {
  /** What is mounted. */
  readonly directory: string;
  /** It was made for this use. */
  readonly isNew: boolean;
  /** When it was used before, in ms since the epoch; undefined when it is new. */
  readonly lastUsedAt?: number;
  release(): Promise<void>;
}

/** What the store holds of cache mounts, for its cleaning and for sharing. */
export interface StoredCacheMount extends CacheName {
  readonly directory: string;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  /** Bytes on disk. */
  size(signal?: AbortSignal): Promise<number>;
  /** Where it is noted how it was shared last. */
  readonly exportedPath: string;
  /** To read it whole; undefined when a step uses it now. A step that shares it may come, and is then told of. */
  hold(): Promise<CacheReading | undefined>;
  /** False, and nothing happens, when a step uses it now or has used it since it was listed. */
  remove(): Promise<boolean>;
}

export interface CacheReading {
  /** No step has used it since. */
  wasAlone(): Promise<boolean>;
  release(): Promise<void>;
}

const WAIT_MS = 200;

export class CacheMounts {
  readonly #directory: string;
  readonly #temporaries: Temporaries;

  /** `store`: the builder's directory. Nothing is made before the first use. */
  constructor(store: string) {
    this.#directory = join(store, 'cache-mounts');
    this.#temporaries = new Temporaries(join(this.#directory, 'tmp'));
  }

  /** Takes a cache, or makes one. Only a locked one waits for others, until the signal's reason is thrown. */
  async take(request: CacheRequest): Promise<HeldCache> {
    const { sharing, signal } = request;
    const use: Use = sharing === 'shared' ? 'shared' : 'exclusive';
    for (let waited = false; ; waited = true) {
      signal.throwIfAborted();
      const instances = await this.#instances(this.#path(request));
      for (const instance of instances) {
        const held = await this.#take(instance, use);
        if (held !== undefined) return held;
      }
      if (instances.length === 0 || sharing !== 'locked') {
        const made = await this.#make(request, use, freeNumber(instances));
        if (made !== undefined) return made;
        continue; // another was quicker: look again
      }
      if (!waited) await request.onWait?.();
      await sleep(WAIT_MS, signal);
    }
  }

  /** Whether there is any cache of this name. */
  async has(name: CacheName): Promise<boolean> {
    return (await this.#instances(this.#path(name))).length > 0;
  }

  /** All of a scope, or of all scopes. */
  async list(scope?: string): Promise<readonly StoredCacheMount[]> {
    const scopes = scope === undefined ? await names(this.#directory) : [hash([scope])];
    const found: StoredCacheMount[] = [];
    for (const each of scopes.filter(isHash)) {
      for (const key of (await names(join(this.#directory, each))).filter(isHash)) {
        const cache = join(this.#directory, each, key);
        const about = await readAbout(cache);
        for (const instance of await this.#instances(cache)) {
          const stored = await this.#stored(instance, about);
          if (stored !== undefined) found.push(stored);
        }
      }
    }
    return found;
  }

  /** Removes what killed processes left half made or half removed. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#temporaries.open();
  }

  async #take(instance: string, use: Use): Promise<HeldCache | undefined> {
    const end = await tryUse(instance, use);
    if (end === undefined) return undefined;
    const before = await stat(instance);
    await touch(instance);
    return held(instance, end, before.mtimeMs);
  }

  /** Undefined when there is one of this number by now. */
  async #make(request: CacheRequest, use: Use, number: number): Promise<HeldCache | undefined> {
    const path = this.#path(request);
    await this.open();
    const temporary = await this.#temporaries.newPath();
    try {
      const data = join(temporary, 'data');
      await mkdir(data, { recursive: true, mode: 0o700 });
      await request.fill?.(data);
      await chown(data, request.uid, request.gid);
      await chmod(data, request.mode);
      const mark = await useNew(temporary, use);
      await this.#describe(path, request);
      const instance = join(path, String(number));
      await rename(temporary, instance);
      return held(instance, () => endUse(instance, mark));
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return undefined;
      throw error;
    } finally {
      await this.#temporaries.remove(temporary);
    }
  }

  async #describe(path: string, { scope, id, seed }: CacheName): Promise<void> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const temporary = await this.#temporaries.newPath();
    await writeFile(temporary, JSON.stringify({ scope, id, ...(seed === undefined ? {} : { seed }) }));
    await rename(temporary, join(path, 'about.json'));
  }

  /** The numbered directories, the lowest first. */
  async #instances(path: string): Promise<string[]> {
    const numbers = (await names(path)).filter((name) => /^\d{1,6}$/.test(name)).map(Number);
    return numbers.sort((a, b) => a - b).map((number) => join(path, String(number)));
  }

  async #stored(instance: string, about: CacheName | undefined): Promise<StoredCacheMount | undefined> {
    const found = await stat(instance).catch(() => undefined);
    if (found === undefined) return undefined;
    return {
      ...(about ?? { scope: '', id: '' }),
      directory: join(instance, 'data'),
      lastUsedAt: (await countUses(instance)) > 0 ? Date.now() : found.mtimeMs,
      exportedPath: `${instance}.shared`,
      hold: () => hold(instance),
      size: (signal) => diskUsage(instance, signal),
      remove: () => this.#remove(instance, found.mtimeMs),
    };
  }

  async #remove(instance: string, lastUsedAt: number): Promise<boolean> {
    const end = await tryUse(instance, 'exclusive');
    if (end === undefined) return false;
    if ((await stat(instance)).mtimeMs !== lastUsedAt) {
      await end();
      return false;
    }
    const grave = await this.#temporaries.newPath();
    // First out of sight: what is half removed must not be used.
    await rename(instance, grave);
    await this.#temporaries.remove(grave);
    return true;
  }

  #path({ scope, id, seed }: CacheName): string {
    return join(this.#directory, hash([scope]), hash([id, seed ?? null]));
  }
}

function held(instance: string, end: () => Promise<void>, lastUsedAt?: number): HeldCache {
  return {
    directory: join(instance, 'data'),
    isNew: lastUsedAt === undefined,
    ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
    release: async () => {
      await touch(instance);
      await end();
    },
  };
}

function freeNumber(instances: readonly string[]): number {
  const taken = new Set(instances.map((path) => Number(basename(path))));
  let number = 0;
  while (taken.has(number)) number++;
  return number;
}

async function hold(instance: string): Promise<CacheReading | undefined> {
  const release = await tryUse(instance, 'shared');
  if (release === undefined) return undefined;
  const before = await stat(instance);
  const wasAlone = async (): Promise<boolean> =>
    (await countUses(instance)) === 1 && (await stat(instance)).mtimeMs === before.mtimeMs;
  if (await wasAlone()) return { wasAlone, release };
  await release();
  return undefined;
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

async function readAbout(path: string): Promise<CacheName | undefined> {
  try {
    return JSON.parse(await readFile(join(path, 'about.json'), 'utf8')) as CacheName;
  } catch {
    return undefined; // damaged: it is still cleaned, by its age
  }
}

async function names(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
}

function hash(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function isHash(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

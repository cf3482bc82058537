/**
 * Layers' blobs on this machine, each a file named by its digest. A file with such a name is whole: it is written under
 * a temporary name, verified, and renamed.
 */
import { createHash } from 'node:crypto';
import { existsSync, type Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../errors.js';
import { possiblyTorn } from './boot.js';
import { translated } from './failures.js';
import { digestHex } from './layer.js';
import { Removals } from './removals.js';
import { Temporaries } from './temporaries.js';

export interface StoredBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

export class BlobStore {
  readonly #directory: string;
  readonly #blobs: string;
  readonly #temporaries: Temporaries;
  readonly #removals: Removals;

  constructor(directory: string) {
    this.#directory = directory;
    this.#blobs = join(directory, 'sha256');
    this.#temporaries = new Temporaries(join(directory, 'tmp'));
    this.#removals = new Removals(join(directory, 'removing'));
  }

  /** Before anything else. Removes what killed processes left half written. */
  async open(): Promise<void> {
    await translated(this.#directory, 'the blob store', async () => {
      await mkdir(this.#blobs, { recursive: true, mode: 0o700 });
      await this.#temporaries.open();
      await this.#removals.open();
      const made: { name: string; at: number }[] = [];
      for (const name of await readdir(this.#blobs)) {
        const found = await statOrNothing(join(this.#blobs, name));
        if (found !== undefined) made.push({ name, at: found.mtimeMs });
      }
      for (const { name } of await possiblyTorn(this.#directory, made))
        await rm(join(this.#blobs, name), { force: true });
    });
  }

  /** Where the blob is or would be. Throws `layer_invalid` unless `digest` is `sha256:<64 hex>`. */
  path(digest: string): string {
    return join(this.#blobs, digestHex(digest));
  }

  async has(digest: string): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  /** Bytes; undefined when it is not here. */
  async size(digest: string): Promise<number | undefined> {
    return (await statOrNothing(this.path(digest)))?.size;
  }

  /** A path to write a blob to, for `commit`; the caller discards it when it fails. */
  newTemporary(): Promise<string> {
    return this.#temporaries.newPath();
  }

  /** Fine when there is nothing, as after `commit`. */
  async discard(temporary: string): Promise<void> {
    await rm(temporary, { force: true });
  }

  /** Takes a finished file over. Whoever wrote it has verified that its digest is this one. */
  async commit(temporary: string, digest: string): Promise<void> {
    await this.#putInPlace(temporary, digest);
  }

  async #putInPlace(temporary: string, digest: string): Promise<void> {
    await rename(temporary, this.path(digest));
    await this.#removals.decided(digestHex(digest));
  }

  /** Writes a blob and checks its bytes. Throws `layer_invalid` when they have another digest, `disk_full`. */
  async write(content: Uint8Array | AsyncIterable<Uint8Array>, digest: string): Promise<void> {
    const temporary = await this.newTemporary();
    const hash = createHash('sha256');
    try {
      await translated(this.#directory, `the blob ${digest}`, async () => {
        await using file = await open(temporary, 'wx', 0o644);
        for await (const chunk of content instanceof Uint8Array ? [content] : content) {
          hash.update(chunk);
          await file.writeFile(chunk);
        }
      });
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== digest)
        throw new SlipwayError('layer_invalid', `the blob's digest is ${actual}, not ${digest}`);
      await this.#putInPlace(temporary, digest);
    } finally {
      await this.discard(temporary);
    }
  }

  /** Says that the blob was used, for the cleaning. Its modification time stays when it was made. */
  async touch(digest: string): Promise<void> {
    await this.use(digest);
  }

  /** Marks it as used; false when it is not here. */
  async use(digest: string): Promise<boolean> {
    const path = this.path(digest);
    try {
      const { mtime } = await stat(path);
      await utimes(path, new Date(), mtime);
      await this.#removals.decided(digestHex(digest));
      return existsSync(path);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  async remove(digest: string): Promise<void> {
    await rm(this.path(digest), { force: true });
  }

  /** Removes it unless it was used after `lastUsedAt` (as `list` gave it), which may be just now. */
  async removeUnused({ digest, lastUsedAt }: Pick<StoredBlob, 'digest' | 'lastUsedAt'>): Promise<boolean> {
    const grave = await this.newTemporary();
    const isRemoved = await this.#removals.marked(digestHex(digest), async () => {
      const now = await statOrNothing(this.path(digest));
      if (now === undefined || usedAt(now) > lastUsedAt) return false;
      await rename(this.path(digest), grave);
      // Somebody may have written it anew after that look.
      if (usedAt(await stat(grave)) <= lastUsedAt) return true;
      await rename(grave, this.path(digest));
      return false;
    });
    await this.discard(grave);
    return isRemoved === true;
  }

  async list(): Promise<readonly StoredBlob[]> {
    const found: StoredBlob[] = [];
    for (const name of await readdir(this.#blobs)) {
      const stats = await statOrNothing(join(this.#blobs, name));
      if (stats === undefined || !/^[0-9a-f]{64}$/.test(name)) continue;
      found.push({
        digest: `sha256:${name}`,
        sizeBytes: stats.size,
        lastUsedAt: usedAt(stats),
      });
    }
    return found;
  }
}

/** The access time is set by `use`; that the kernel sets it as well, when the file is read, does no harm. */
function usedAt({ atimeMs, mtimeMs }: Stats): number {
  return Math.max(atimeMs, mtimeMs);
}

async function statOrNothing(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

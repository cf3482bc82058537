/**
 * What a stack of lay-outs shows, with overlay's semantics (whiteouts, opaque directories, merged ones) and without a
 * mount. Symlinks are followed inside the root only. Lay-outs do not change, so what was read once is kept.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type MergedEntry, mergedDirectory } from '../../native/index.js';
import { SlipwayError } from '../errors.js';
import { followLinks } from './follow-links.js';

export type ViewEntry = Omit<MergedEntry, 'layer' | 'path'>;

export class StackView {
  readonly #layouts: readonly string[];
  readonly #directories = new Map<string, Promise<ReadonlyMap<string, MergedEntry> | undefined>>();

  /** `layouts` topmost first, as LayerStore.layout gives them. */
  constructor(layouts: readonly string[]) {
    this.#layouts = layouts;
  }

  /** What is at a plain relative path; no symlink is followed. Undefined when there is nothing. '' is the root. */
  async lstat(path: string): Promise<ViewEntry | undefined> {
    if (path === '') return { type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
    return this.#entry(path);
  }

  /** Like `lstat`, but follows symlinks, the last one too. */
  async stat(path: string): Promise<ViewEntry | undefined> {
    return this.lstat(await this.resolve(path));
  }

  /**
   * The path without symlinks that `path` leads to, relative to the root. What does not exist is kept as it is. Throws
   * `context_invalid` after 40 symlinks.
   */
  async resolve(path: string): Promise<string> {
    return followLinks(
      path,
      async (at) => (await this.#entry(at))?.linkname,
      () => new SlipwayError('context_invalid', 'too many levels of symbolic links', { where: path }),
    );
  }

  /** Names in byte order; undefined when it is not a directory. Follows symlinks. */
  async readdir(path: string): Promise<readonly string[] | undefined> {
    const directory = await this.#directory(await this.resolve(path));
    return directory === undefined ? undefined : [...directory.keys()];
  }

  /** A file's content; undefined when there is no such file or it is larger than `maxBytes`. Follows symlinks. */
  async readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const resolved = await this.resolve(path);
    const entry = resolved === '' ? undefined : await this.#entry(resolved);
    const layout = entry?.type === 'file' ? this.#layouts[entry.layer] : undefined;
    if (layout === undefined || entry === undefined || entry.size > maxBytes) return undefined;
    const file = await open(join(layout, resolved), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /** Where the bytes of the file at exactly this path are; undefined when there is none. Follows no symlink. */
  async fileAt(path: string): Promise<string | undefined> {
    const entry = await this.#entry(path);
    const layout = entry?.type === 'file' ? this.#layouts[entry.layer] : undefined;
    return layout === undefined ? undefined : join(layout, path);
  }

  async #entry(path: string): Promise<MergedEntry | undefined> {
    const slash = path.lastIndexOf('/');
    const directory = await this.#directory(path.slice(0, Math.max(slash, 0)));
    return directory?.get(path.slice(slash + 1));
  }

  #directory(path: string): Promise<ReadonlyMap<string, MergedEntry> | undefined> {
    let known = this.#directories.get(path);
    if (known === undefined) {
      known = this.#read(path);
      this.#directories.set(path, known);
    }
    return known;
  }

  async #read(path: string): Promise<ReadonlyMap<string, MergedEntry> | undefined> {
    // A parent that is no directory saves the look: most of what a COPY brings is new.
    if (path !== '' && (await this.#entry(path))?.type !== 'directory') return undefined;
    const entries = await mergedDirectory(this.#layouts, path);
    return entries === undefined ? undefined : new Map(entries.map((entry) => [entry.path, entry]));
  }
}

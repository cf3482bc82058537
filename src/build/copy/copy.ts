/**
 * COPY and ADD of local files: where each selected file lands, and with which owner and mode (Dockerfile reference,
 * "COPY"). The result is the list of tar entries of one layer; bytes are read only when the layer is written.
 */
import type { LayerEntry } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import type { CopySource, Selection, SourceEntry } from './copy-source.js';
import { comparePaths, parentPath } from './copy-source.js';
import type { Destination, TreeEntry } from './destination.js';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A mode as `--chmod` gives it: octal replaces the mode, symbolic changes it. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

export interface CopyOptions {
  /** Absolute path; a trailing slash means a directory. */
  readonly destination: string;
  readonly chown?: Owner;
  readonly chmod?: ModeChange;
  /** Time of directories that the copy has to make, seconds since the epoch. */
  readonly directoryMtime: number;
}

/** An entry of the new layer, and the source that holds its bytes. */
export interface PlannedEntry {
  readonly entry: LayerEntry;
  readonly from?: { readonly source: CopySource; readonly file: SourceEntry };
}

/** Plans the layer. Throws `source_missing` or `context_invalid`; the caller adds the Dockerfile's line. */
export async function planCopy(
  selections: readonly { readonly source: CopySource; readonly selection: Selection }[],
  onto: Destination,
  options: CopyOptions,
): Promise<readonly PlannedEntry[]> {
  const layer = new CopyLayer(onto, options);
  const intoDirectory = isDirectoryPath(options.destination);
  const target = await onto.resolve(options.destination);
  for (const { source, selection } of selections) {
    const [root, ...below] = await selection.entries();
    if (root === undefined) continue;
    // A destination that is written as a directory is made like those above it, whatever the source is like.
    if (intoDirectory && target !== '') await layer.addDirectory(target);
    if (root.type === 'directory') await layer.addTree(target, root, below, source);
    // A symlink of that name in the directory is replaced; only the destination as it is written is followed.
    else if (await layer.isDirectory(target))
      await layer.addLeaf(inside(target, selection.name), root, source);
    else await layer.addLeaf(target, root, source);
  }
  return layer.entries();
}

/** Written with a slash, or a slash and a dot, at its end. */
export function isDirectoryPath(destination: string): boolean {
  return /(^|\/)\.?$/.test(destination);
}

class CopyLayer {
  readonly #onto: Destination;
  readonly #options: CopyOptions;
  readonly #planned = new Map<string, PlannedEntry>();

  constructor(onto: Destination, options: CopyOptions) {
    this.#onto = onto;
    this.#options = options;
  }

  async isDirectory(path: string): Promise<boolean> {
    return path === '' || (await this.#lstat(path))?.type === 'directory';
  }

  /** A directory that is there keeps its mode and owner, one that is missing is made, and so are those above. */
  async addDirectory(path: string): Promise<void> {
    await this.#ancestors(inside(path, '.'));
  }

  /** A directory's contents into `target`. The top keeps its mode and owner where it existed; those below take the source's. */
  async addTree(
    target: string,
    root: SourceEntry,
    below: readonly SourceEntry[],
    source: CopySource,
  ): Promise<void> {
    const existing = target === '' ? undefined : await this.#lstat(target);
    if (existing !== undefined && existing.type !== 'directory') {
      throw new SlipwayError(
        'context_invalid',
        `cannot copy a directory onto "/${target}", which is not a directory`,
      );
    }
    if (target !== '') {
      await this.#ancestors(target);
      if (existing === undefined) this.#put(target, this.#fromSource(target, root));
      else if (!this.#planned.has(target)) this.#put(target, { entry: kept(target, existing) });
    }
    for (const file of below) {
      const path = inside(target, file.path);
      if (file.type === 'directory') {
        const there = await this.#lstat(path);
        if (there !== undefined && there.type !== 'directory') {
          throw new SlipwayError(
            'context_invalid',
            `cannot copy a directory onto "/${path}", which is not a directory`,
          );
        }
        this.#put(path, this.#fromSource(path, file));
      } else {
        await this.addLeaf(path, file, source);
      }
    }
  }

  /** Anything but a directory. What was there is replaced, unless it is a directory. */
  async addLeaf(path: string, file: SourceEntry, source: CopySource): Promise<void> {
    if ((await this.#lstat(path))?.type === 'directory') {
      throw new SlipwayError('context_invalid', `cannot replace the directory "/${path}" with a file`);
    }
    await this.#ancestors(path);
    const planned = this.#fromSource(path, file);
    this.#put(path, file.type === 'file' ? { ...planned, from: { source, file } } : planned);
  }

  /** In the order of a walk: parents first, and each directory's contents together. */
  entries(): readonly PlannedEntry[] {
    return [...this.#planned.entries()].sort(([a], [b]) => comparePaths(a, b)).map(([, planned]) => planned);
  }

  async #lstat(path: string): Promise<TreeEntry | undefined> {
    return this.#planned.get(path)?.entry ?? this.#onto.lstat(path);
  }

  /**
   * Every directory above is in the layer: an engine that unpacks a layer by itself would otherwise make those that are
   * missing there with a mode of its own, and /tmp would lose its sticky bit.
   */
  async #ancestors(path: string): Promise<void> {
    const above = parentPath(path);
    if (above === '' || this.#planned.has(above)) return;
    await this.#ancestors(above);
    const existing = await this.#onto.lstat(above);
    if (existing !== undefined && existing.type !== 'directory') {
      throw new SlipwayError('context_invalid', `"/${above}" is not a directory`, {
        hint: 'choose another destination',
      });
    }
    if (existing !== undefined) this.#put(above, { entry: kept(above, existing) });
    else {
      const { chown = { uid: 0, gid: 0 }, chmod, directoryMtime } = this.#options;
      const mode = chmod === undefined ? 0o755 : chmod(0o755, true);
      this.#put(above, { entry: { path: above, type: 'directory', mode, ...chown, mtime: directoryMtime } });
    }
  }

  #fromSource(path: string, file: SourceEntry): PlannedEntry {
    const { chown, chmod } = this.#options;
    const mode =
      chmod === undefined || file.type === 'symlink'
        ? file.mode
        : chmod(file.mode, file.type === 'directory');
    return {
      entry: {
        path,
        type: file.type,
        mode,
        uid: chown?.uid ?? file.uid,
        gid: chown?.gid ?? file.gid,
        mtime: file.mtime,
        ...(file.linkname === undefined ? {} : { linkname: file.linkname }),
        ...(file.rdevMajor === undefined ? {} : { rdevMajor: file.rdevMajor }),
        ...(file.rdevMinor === undefined ? {} : { rdevMinor: file.rdevMinor }),
        ...(file.xattrs === undefined ? {} : { xattrs: { ...file.xattrs } }),
      },
    };
  }

  #put(path: string, planned: PlannedEntry): void {
    this.#planned.set(path, planned);
  }
}

function inside(directory: string, path: string): string {
  return directory === '' ? path : `${directory}/${path}`;
}

function kept(path: string, existing: TreeEntry): LayerEntry {
  const { mode, uid, gid, mtime } = existing;
  return { path, type: 'directory', mode, uid, gid, mtime };
}

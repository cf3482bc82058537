/**
 * COPY and ADD: where each selected file lands, and with which owner and mode (Dockerfile reference,
 * "COPY"). The result is the list of tar entries of one layer; bytes are read only when the layer is written.
 */
import type { LayerEntry } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import type { CopySource, Selection, SourceEntry } from './copy-source.js';
import type { Destination, TreeEntry } from './destination.js';
import { type Archive, extractArchive } from './extract.js';
import { LayerPlan, type LinkGroup, type MadeDirectory } from './layer-plan.js';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A mode as `--chmod` gives it: octal replaces the mode, symbolic changes it. */
export interface ModeChange {
  (mode: number, isDirectory: boolean): number;
  /** Directories that a copy has to make take an octal mode, not a symbolic one. */
  readonly octal?: number;
}

export interface CopyOptions {
  /** Absolute path; a trailing slash means a directory. */
  readonly destination: string;
  readonly chown?: Owner;
  readonly chmod?: ModeChange;
  /** Time of directories that the copy has to make, seconds since the epoch. */
  readonly directoryMtime: number;
  readonly signal?: AbortSignal;
}

/** A selection and the tree that holds it; taken apart already where it is an archive to be unpacked. */
export interface CopiedSource {
  readonly source: CopySource;
  readonly selection: Selection;
  readonly archive?: Archive;
}

/** Plans the layer. Throws `source_missing` or `context_invalid`; the caller adds the Dockerfile's line. */
export async function planCopy(
  sources: readonly CopiedSource[],
  onto: Destination,
  options: CopyOptions,
): Promise<LayerPlan> {
  const plan = new LayerPlan(onto);
  const copy = new Copy(plan, options);
  for (const one of sources) {
    if (one.archive !== undefined)
      await extractArchive(plan, await plan.resolve(options.destination), one.archive, options);
    else await copy.add(one.source, one.selection, sources.length > 1);
  }
  return plan;
}

/** A directory that is copied onto another takes its mode and owner, and adds to its attributes. */
function withXattrs(entry: LayerEntry, existing: TreeEntry | undefined): LayerEntry {
  return existing?.xattrs === undefined
    ? entry
    : { ...entry, xattrs: { ...existing.xattrs, ...entry.xattrs } };
}

/** Written with a slash, or a slash and a dot, at its end. */
export function isDirectoryPath(destination: string): boolean {
  return /(^|\/)\.?$/.test(destination);
}

class Copy {
  readonly #plan: LayerPlan;
  readonly #options: CopyOptions;
  readonly #made: MadeDirectory;

  constructor(plan: LayerPlan, options: CopyOptions) {
    const { chown = { uid: 0, gid: 0 }, chmod, directoryMtime } = options;
    this.#plan = plan;
    this.#options = options;
    this.#made = { mode: chmod?.octal ?? 0o755, ...chown, mtime: directoryMtime };
  }

  async add(source: CopySource, selection: Selection, isOneOfSeveral: boolean): Promise<void> {
    const { destination } = this.#options;
    const [root, ...below] = await selection.entries();
    if (root === undefined) return;
    const target = await this.#plan.resolve(destination);
    // A destination that is written as a directory is made like those above it, whatever the source is like.
    if (isDirectoryPath(destination)) await this.#plan.makeDirectory(target, this.#made);
    const links = linkGroups([root, ...below]);
    if (root.type === 'directory') return this.#addTree(target, root, below, source, links);
    // A symlink of that name in the directory is replaced; only the destination as it is written is followed.
    const isInside = await this.#plan.isDirectory(target);
    if (isOneOfSeveral && !isInside) {
      throw new SlipwayError(
        'dockerfile_invalid',
        `several sources are copied to "${destination}", which is not written as a directory`,
        { hint: `end the destination with a slash: ${destination}/` },
      );
    }
    await this.#addLeaf(isInside ? inside(target, selection.name) : target, root, source, links);
  }

  /**
   * A directory's contents into `target`. The top keeps its mode and owner where it existed, and is made like those above
   * it where not; those below take the source's.
   */
  async #addTree(
    target: string,
    root: SourceEntry,
    below: readonly SourceEntry[],
    source: CopySource,
    links: ReadonlyMap<string, LinkGroup>,
  ): Promise<void> {
    if (target !== '') {
      const existing = await this.#directoryAt(target);
      await this.#plan.makeAbove(target, this.#made);
      if (existing === undefined)
        this.#plan.put(target, {
          entry: { path: target, type: 'directory', ...this.#made, mtime: root.mtime },
        });
      else if (this.#plan.planned(target) === undefined) this.#plan.keep(target, existing);
    }
    for (const file of below) {
      const path = inside(target, file.path);
      if (file.type !== 'directory') await this.#addLeaf(path, file, source, links);
      else {
        const existing = await this.#directoryAt(path);
        if (file.implied && existing !== undefined) this.#plan.keep(path, { ...existing, mode: file.mode });
        else this.#plan.put(path, { entry: withXattrs(this.#entry(path, file), existing) });
      }
    }
  }

  async #directoryAt(path: string): Promise<TreeEntry | undefined> {
    const existing = await this.#plan.lstat(path);
    if (existing === undefined || existing.type === 'directory') return existing;
    throw new SlipwayError(
      'context_invalid',
      `cannot copy a directory onto "/${path}", which is not a directory`,
    );
  }

  /** Anything but a directory. What was there is replaced, unless it is a directory. */
  async #addLeaf(
    path: string,
    file: SourceEntry,
    source: CopySource,
    links: ReadonlyMap<string, LinkGroup>,
  ): Promise<void> {
    if ((await this.#plan.lstat(path))?.type === 'directory') {
      throw new SlipwayError('context_invalid', `cannot replace the directory "/${path}" with a file`);
    }
    await this.#plan.makeAbove(path, this.#made);
    const entry = this.#entry(path, file);
    const group = file.inode === undefined ? undefined : links.get(file.inode);
    this.#plan.put(path, {
      entry,
      ...(file.type === 'file' ? { from: { source, file } } : {}),
      ...(group === undefined ? {} : { group }),
    });
  }

  #entry(path: string, file: SourceEntry): LayerEntry {
    const { chown, chmod } = this.#options;
    const mode =
      chmod === undefined || file.type === 'symlink'
        ? file.mode
        : chmod(file.mode, file.type === 'directory');
    return {
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
    };
  }
}

/** One for each file that the selection holds under several names. */
function linkGroups(entries: readonly SourceEntry[]): ReadonlyMap<string, LinkGroup> {
  const names = new Map<string, number>();
  for (const { inode } of entries) if (inode !== undefined) names.set(inode, (names.get(inode) ?? 0) + 1);
  return new Map([...names].filter(([, count]) => count > 1).map(([inode]) => [inode, {}]));
}

export function inside(directory: string, path: string): string {
  return directory === '' ? path : `${directory}/${path}`;
}

/**
 * The layer that one COPY or ADD makes, entry by entry, and the tree as it would look with it: what is planned hides what
 * is below. Nothing is read or written here but the metadata of the tree below.
 */
import type { LayerEntry } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import { type CopySource, parentPath, type SourceEntry } from './copy-source.js';
import type { Destination, TreeEntry } from './destination.js';
import { resolveLinks } from './destination.js';

/** An entry of the new layer, and the source that holds its bytes. */
export interface PlannedEntry {
  readonly entry: LayerEntry;
  readonly from?: { readonly source: CopySource; readonly file: SourceEntry };
}

/** The names of one file. The last metadata that any of them was given holds for all. */
export interface LinkGroup {
  metadata?: Pick<LayerEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;
}

interface Planned extends PlannedEntry {
  readonly group?: LinkGroup;
}

export interface MadeDirectory {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** Of all that is planned: directories above the files of an archive can be a thousand times as many as these. */
const MAX_PLANNED = 2_000_000;
const MAX_PATH_CHARS = 256 * 1024 * 1024;

export class LayerPlan {
  readonly #onto: Destination;
  readonly #planned = new Map<string, Planned>();
  /** Names of what is planned, by directory. */
  readonly #children = new Map<string, Set<string>>();
  /** Directories of the tree below that were removed with all that is in them. */
  readonly #removed = new Set<string>();
  #pathChars = 0;

  constructor(onto: Destination) {
    this.#onto = onto;
  }

  /** At exactly this path, no symlink followed. */
  async lstat(path: string): Promise<TreeEntry | undefined> {
    const planned = this.#planned.get(path);
    if (planned !== undefined) return planned.entry as TreeEntry;
    return this.#isRemoved(path) ? undefined : this.#onto.lstat(path);
  }

  planned(path: string): Planned | undefined {
    return this.#planned.get(path);
  }

  /** Where on this machine the bytes of a file of the tree below are, if it is still there. */
  async fileBelow(path: string): Promise<string | undefined> {
    return this.#planned.has(path) || this.#isRemoved(path) ? undefined : this.#onto.fileAt(path);
  }

  async isDirectory(path: string): Promise<boolean> {
    return path === '' || (await this.lstat(path))?.type === 'directory';
  }

  /** As `Destination.resolve`. */
  resolve(path: string): Promise<string> {
    return resolveLinks((at) => this.lstat(at), path);
  }

  /** Throws `context_too_large`. */
  put(path: string, planned: Planned): void {
    if (!this.#planned.has(path)) this.#pathChars += path.length;
    if (this.#planned.size >= MAX_PLANNED || this.#pathChars > MAX_PATH_CHARS)
      throw new SlipwayError('context_too_large', 'the instruction makes too many files and directories', {
        hint: `at most ${MAX_PLANNED}, and ${MAX_PATH_CHARS} characters of their paths, are in one layer: use several instructions`,
      });
    this.#planned.set(path, planned);
    const above = parentPath(path);
    const names = this.#children.get(above);
    if (names === undefined) this.#children.set(above, new Set([path]));
    else names.add(path);
  }

  /** Takes away what is there and all below it. */
  async remove(path: string): Promise<void> {
    const below = this.#isRemoved(path) ? undefined : await this.#onto.lstat(path);
    const left = [path];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const child of this.#children.get(next) ?? []) left.push(child);
      this.#children.delete(next);
      if (this.#planned.delete(next)) this.#pathChars -= next.length;
    }
    this.#children.get(parentPath(path))?.delete(path);
    if (below?.type === 'directory') this.#removed.add(path);
  }

  /**
   * Makes the directories above a path that are missing. All of them are in the layer: an engine that unpacks it by
   * itself would otherwise make those that are missing there with a mode of its own, and /tmp would lose its sticky bit.
   */
  async makeAbove(path: string, made: MadeDirectory): Promise<void> {
    const above = parentPath(path);
    if (above === '') return;
    const planned = this.#planned.get(above);
    if (planned?.entry.type === 'directory') return;
    await this.makeAbove(above, made);
    const existing = await this.lstat(above);
    if (existing === undefined) this.put(above, { entry: { path: above, type: 'directory', ...made } });
    else if (existing.type === 'directory') this.keep(above, existing);
    else {
      throw new SlipwayError('context_invalid', `"/${above}" is not a directory`, {
        hint: 'choose another destination',
      });
    }
  }

  /** The directory at a path, which keeps its metadata if it is there, and those above. */
  async makeDirectory(path: string, made: MadeDirectory): Promise<void> {
    if (path !== '') await this.makeAbove(`${path}/.`, made);
  }

  /** A directory of the tree below, as it is. */
  keep(path: string, { mode, uid, gid, mtime, xattrs }: TreeEntry): void {
    const kept = xattrs === undefined ? {} : { xattrs };
    this.put(path, { entry: { path, type: 'directory', mode, uid, gid, mtime, ...kept } });
  }

  /** True when the layer takes away something that a reader of its entries alone would still see. */
  get hides(): boolean {
    return this.#removed.size > 0;
  }

  /** In the order of a walk: parents first, and each directory's contents together. Only the first name of a file has its bytes. */
  entries(): readonly PlannedEntry[] {
    const sorted = [...this.#planned.values()]
      .map((planned) => ({ planned, key: Buffer.from(planned.entry.path.replaceAll('/', '\0')) }))
      .sort((a, b) => Buffer.compare(a.key, b.key));
    const first = new Map<LinkGroup, string>();
    const entries: PlannedEntry[] = [];
    for (const { planned } of sorted) {
      const { entry, from, group } = planned;
      const { path } = entry;
      if (entry.type === 'directory' && this.#removed.has(path) && !this.#isRemoved(parentPath(path)))
        entries.push({ entry: whiteout(entry) });
      if (group === undefined) {
        entries.push(planned);
        continue;
      }
      const target = first.get(group);
      const { linkname: _none, ...plain } = { ...entry, ...group.metadata };
      if (target !== undefined) entries.push({ entry: { ...plain, type: 'hardlink', linkname: target } });
      else {
        first.set(group, path);
        entries.push({ entry: plain, ...(from === undefined ? {} : { from }) });
      }
    }
    return entries;
  }

  #isRemoved(path: string): boolean {
    if (this.#removed.size === 0) return false;
    for (let at = path; at !== ''; at = parentPath(at)) if (this.#removed.has(at)) return true;
    return false;
  }
}

/** Before the directory of the same name: what the layers below have in it is gone (image-spec layer.md, "Whiteouts"). */
function whiteout({ path, mtime }: LayerEntry): LayerEntry {
  return { path, type: 'whiteout', mode: 0, uid: 0, gid: 0, mtime };
}

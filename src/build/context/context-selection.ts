/**
 * COPY from the context: what an argument selects among the files that are not ignored. A directory that no ignore
 * pattern can touch is identified by its tree id alone.
 */
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { matchPath } from '../../dockerfile/match.js';
import { SlipwayError } from '../../errors.js';
import { hashOf } from '../cache/keys.js';
import {
  baseName,
  type ContentStream,
  type CopySource,
  cleanSourcePath,
  comparePaths,
  hasWildcard,
  type PathSelector,
  type Selection,
  type SelectionChange,
  type SourceEntry,
  splitWildcard,
} from '../copy/copy-source.js';
import { filtered, isExcluded, isLiteral, type PathFilter, pathFilter } from '../copy/filter.js';
import type { ContextEntry, ContextFiles } from './context.js';
import type { ContextTree } from './context-tree.js';
import type { DifferentPath } from './tree-difference.js';

/**
 * Every file of a context has this time in the exported layers (1980-01-01, the oldest that zip can hold): a checkout has
 * no times of its own, and identical trees must give identical layers.
 */
export const CONTEXT_MTIME = 315_532_800;

/** Where more paths differ, a look at all of them is as quick. */
const MOST_CHANGED = 2_000;

export class ContextSelection implements CopySource {
  readonly #visible: ContextTree;
  readonly #ignore: IgnoreMatcher;
  readonly #ignoreFile: string;
  readonly #files: ContextFiles;

  /** `visible` is the context without what `ignore` takes out. */
  constructor(visible: ContextTree, ignore: IgnoreMatcher, ignoreFile: string, files: ContextFiles) {
    this.#visible = visible;
    this.#ignore = ignore;
    this.#ignoreFile = ignoreFile;
    this.#files = files;
  }

  async select(selector: PathSelector): Promise<readonly Selection[]> {
    const filter = pathFilter(selector);
    const from = cleanSourcePath(filter.from);
    const isPattern = hasWildcard(from);
    const selections: Selection[] = [];
    for (const path of isPattern ? this.#matching(from) : [from]) {
      const root = await this.#resolve(path, selector.path);
      if (isPattern && root.type !== 'directory' && isExcluded(filter, path, from)) continue;
      selections.push(await this.#selection(path, root, filter));
    }
    return selections;
  }

  async content(source: SourceEntry): Promise<{ data: Uint8Array } | { file: string; sha256: string }> {
    return this.#files.content(this.#entryOf(source));
  }

  /** Where all is in sight, the whole tree is known by its id already. */
  name(): string | undefined {
    const { outline } = this.#visible;
    return outline === undefined || !this.#files.hasTreeIds ? undefined : hashOf([outline]);
  }

  stream(entries: readonly SourceEntry[], signal: AbortSignal): ContentStream | undefined {
    return this.#files.stream?.(entries, (source) => this.#entryOf(source), signal);
  }

  #entryOf(source: SourceEntry): ContextEntry {
    const entry = this.#visible.get(source.handle);
    if (entry === undefined) throw new SlipwayError('internal', `the context lost ${source.handle}`);
    return entry;
  }

  /** In tree order; what is below a match is not looked at again. */
  #matching(pattern: string): readonly string[] {
    const { literal, rest } = splitWildcard(pattern);
    const start = this.#visible.resolve(literal);
    if (start?.type !== 'directory') return [];
    const prefix = start.path === '' ? '' : `${start.path}/`;
    const matched: string[] = [];
    for (const { path } of this.#visible.below(start)) {
      const above = matched.at(-1);
      if (above !== undefined && path.startsWith(`${above}/`)) continue;
      if (matchPath(rest, path.slice(prefix.length))) matched.push(path);
    }
    return matched.sort(comparePaths);
  }

  async #resolve(path: string, argument: string): Promise<ContextEntry> {
    const entry = this.#visible.resolve(path);
    if (entry !== undefined) return entry;
    const named = path === cleanSourcePath(argument) ? argument : path;
    if (await this.#files.has(path)) {
      throw new SlipwayError(
        'source_missing',
        `"${named}" is excluded from the build context by ${this.#ignoreFile}`,
        { hint: `remove the pattern from ${this.#ignoreFile}, or add an exception: !${path}` },
      );
    }
    throw new SlipwayError('source_missing', `"${named}" is not in ${this.#files.described}`, {
      hint: this.#files.missingHint,
    });
  }

  /** `path` is how it was found, which may be a symlink to `root`. */
  async #selection(path: string, root: ContextEntry, filter: PathFilter): Promise<Selection> {
    const cut = root.path === '' ? 0 : root.path.length + 1;
    const below = (entry: ContextEntry): string => (entry === root ? '' : entry.path.slice(cut));
    const list = (): readonly ListedEntry[] =>
      root.type === 'directory' ? filtered([root, ...this.#visible.below(root)], filter, below) : [root];
    const { wanted = '' } = filter;
    if (wanted !== '' && isLiteral(filter) && root.type === 'directory' && list().length === 1)
      await this.#refuseNothing(joined(root.path, wanted));
    return {
      name: baseName(path),
      path: hasWildcard(wanted) || root.type !== 'directory' ? root.path : joined(root.path, wanted),
      content: await this.#identity(root, list, filter),
      entries: async () => list().map((entry) => this.#sourceEntry(entry, below(entry))),
      ...(root.type === 'directory' && filter.takesAll ? this.#asTree(root) : {}),
    };
  }

  /** Where it is and what is ignored are in the name: only the same can be compared by what is in the trees. */
  #asTree(root: ContextEntry): Pick<Selection, 'tree' | 'changedSince'> {
    if (this.#files.different === undefined) return {};
    const place = hashOf([root.path, this.#ignore.text]);
    return {
      tree: `${root.oid} ${place}`,
      changedSince: async (tree) => {
        const [before = '', beforePlace] = tree.split(' ');
        if (beforePlace !== place) return undefined;
        const different = await this.#files.different?.(before, root.oid, MOST_CHANGED);
        return different && this.#changed(root, different);
      },
    };
  }

  /** Whether a path is in sight depends on its name alone, so only where the trees differ can the selections. */
  #changed(root: ContextEntry, different: readonly DifferentPath[]): SelectionChange | undefined {
    const entries: SourceEntry[] = [this.#sourceEntry(root, '')];
    const cut = root.path === '' ? 0 : root.path.length + 1;
    for (const { path, isInBoth } of different) {
      const entry = this.#visible.get(joined(root.path, path));
      if (entry === undefined) continue;
      entries.push(this.#sourceEntry(entry, path));
      if (entry.type !== 'directory' || isInBoth) continue;
      for (const below of this.#visible.below(entry)) {
        if (entries.length > MOST_CHANGED) return undefined;
        entries.push(this.#sourceEntry(below, below.path.slice(cut)));
      }
    }
    return { paths: different.map(({ path }) => path), entries };
  }

  /** Symlinks on the way of a path that is kept are not followed: it would not be the path that was asked for. */
  async #refuseNothing(path: string): Promise<never> {
    await this.#resolve(path, path);
    throw new SlipwayError(
      'source_missing',
      `"${path}" goes through a symlink, which --parents does not follow, or is left out by --exclude`,
      { hint: 'name the directory that the symlink leads to' },
    );
  }

  /** The whole tree by its id, unless a pattern may have taken something out of it. */
  async #identity(
    root: ContextEntry,
    list: () => readonly ListedEntry[],
    { takesAll }: PathFilter,
  ): Promise<string> {
    const { hasTreeIds } = this.#files;
    const isWhole = takesAll && !this.#ignore.canMatchBelow(root.path);
    if (root.type === 'directory' && hasTreeIds && isWhole) return `git tree ${root.oid}`;
    const entries = list();
    const listed = await this.#files.identify(entries);
    if (root.type !== 'directory' && hasTreeIds) return `git blob ${root.mode} ${root.oid}`;
    const cut = root.path.length;
    const implied = entries.filter((entry) => entry.implied).map((entry) => entry.path.slice(cut));
    const all = identities(listed, cut);
    return `${hasTreeIds ? 'git' : 'files'} list ${hashOf(implied.length === 0 ? all : [all, implied])}`;
  }

  #sourceEntry(entry: ListedEntry, path: string): SourceEntry {
    const { type, mode, sizeBytes, rdevMajor, rdevMinor, xattrs, inode, implied } = entry;
    this.#files.check(entry);
    if (type === 'submodule') throw new SlipwayError('internal', `a submodule at ${entry.path}`);
    const linkname = type === 'symlink' ? this.#visible.targetOf(entry) : undefined;
    return {
      path,
      type,
      mode,
      uid: 0,
      gid: 0,
      mtime: CONTEXT_MTIME,
      sizeBytes,
      handle: entry.path,
      ...(this.#files.hasTreeIds && type === 'file' ? { contentId: entry.oid } : {}),
      ...(linkname === undefined ? {} : { linkname }),
      ...(rdevMajor === undefined ? {} : { rdevMajor }),
      ...(rdevMinor === undefined ? {} : { rdevMinor }),
      ...(xattrs === undefined ? {} : { xattrs }),
      ...(inode === undefined ? {} : { inode }),
      ...(implied === undefined ? {} : { implied }),
    };
  }
}

/** See `SourceEntry.implied`. */
type ListedEntry = ContextEntry & { readonly implied?: true };

function joined(directory: string, path: string): string {
  return directory === '' || path === '' ? directory + path : `${directory}/${path}`;
}

/** All that a copy of the entries carries, and which of them are one file. */
function identities(entries: readonly ContextEntry[], cut: number): readonly unknown[] {
  const first = new Map<string, string>();
  return entries.map(({ path, mode, type, oid, rdevMajor, rdevMinor, xattrs, inode }) => {
    const below = path.slice(cut);
    const plain = [below, mode, type, type === 'directory' ? '' : oid];
    const same = inode === undefined ? undefined : first.get(inode);
    if (inode !== undefined && same === undefined) first.set(inode, below);
    if (same === undefined && rdevMajor === undefined && xattrs === undefined) return plain;
    const attributes = Object.entries(xattrs ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
    return [...plain, rdevMajor ?? null, rdevMinor ?? null, attributes, same ?? null];
  });
}

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
  type CopySource,
  cleanSourcePath,
  comparePaths,
  hasWildcard,
  type PathSelector,
  type Selection,
  type SourceEntry,
  splitWildcard,
} from '../copy/copy-source.js';
import type { ContextEntry, ContextFiles } from './context.js';
import type { ContextTree } from './context-tree.js';

/**
 * Every file of a context has this time in the exported layers (1980-01-01, the oldest that zip can hold): a checkout has
 * no times of its own, and identical trees must give identical layers.
 */
export const CONTEXT_MTIME = 315_532_800;

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

  async select({ path: argument }: PathSelector): Promise<readonly Selection[]> {
    const wanted = cleanSourcePath(argument);
    const paths = hasWildcard(wanted) ? this.#matching(wanted) : [wanted];
    const selections: Selection[] = [];
    for (const path of paths)
      selections.push(await this.#selection(path, await this.#resolve(path, argument)));
    return selections;
  }

  async content(source: SourceEntry): Promise<{ data: Uint8Array } | { file: string; sha256: string }> {
    const entry = this.#visible.get(source.handle);
    if (entry === undefined) throw new SlipwayError('internal', `the context lost ${source.handle}`);
    return this.#files.content(entry);
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
  async #selection(path: string, root: ContextEntry): Promise<Selection> {
    const list = (): readonly ContextEntry[] =>
      root.type === 'directory' ? [root, ...this.#visible.below(root)] : [root];
    return {
      name: baseName(path),
      path: root.path,
      content: await this.#identity(root, list),
      entries: async () => {
        const cut = root.path === '' ? 0 : root.path.length + 1;
        return list().map((entry) => this.#sourceEntry(entry, entry === root ? '' : entry.path.slice(cut)));
      },
    };
  }

  /** The whole tree by its id, unless a pattern may have taken something out of it. */
  async #identity(root: ContextEntry, list: () => readonly ContextEntry[]): Promise<string> {
    const { hasTreeIds } = this.#files;
    if (root.type === 'directory' && hasTreeIds && !this.#ignore.canMatchBelow(root.path))
      return `git tree ${root.oid}`;
    const listed = await this.#files.identify(list());
    if (root.type !== 'directory' && hasTreeIds) return `git blob ${root.mode} ${root.oid}`;
    return `${hasTreeIds ? 'git' : 'files'} list ${hashOf(identities(listed, root.path.length))}`;
  }

  #sourceEntry(entry: ContextEntry, path: string): SourceEntry {
    const { type, mode, sizeBytes, rdevMajor, rdevMinor, xattrs, inode } = entry;
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
      ...(linkname === undefined ? {} : { linkname }),
      ...(rdevMajor === undefined ? {} : { rdevMajor }),
      ...(rdevMinor === undefined ? {} : { rdevMinor }),
      ...(xattrs === undefined ? {} : { xattrs }),
      ...(inode === undefined ? {} : { inode }),
    };
  }
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

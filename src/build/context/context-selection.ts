/**
 * COPY from the context: what an argument selects among the files that are not ignored. A directory that no ignore
 * pattern can touch is identified by its tree id alone.
 */
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { matchPath } from '../../dockerfile/match.js';
import { SlipwayError } from '../../errors.js';
import type { ObjectReader } from '../../git/objects.js';
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
import type { ContextEntry } from './context-listing.js';
import type { ContextTree } from './context-tree.js';

/**
 * Every file of a context has this time in the exported layers (1980-01-01, the oldest that zip can hold): a checkout has
 * no times of its own, and identical trees must give identical layers.
 */
export const CONTEXT_MTIME = 315_532_800;

export class ContextSelection implements CopySource {
  readonly #all: ContextTree;
  readonly #visible: ContextTree;
  readonly #ignore: IgnoreMatcher;
  readonly #ignoreFile: string;
  readonly #objects: Pick<ObjectReader, 'read'>;

  /** `visible` is `all` without what `ignore` takes out. */
  constructor(
    all: ContextTree,
    visible: ContextTree,
    ignore: IgnoreMatcher,
    ignoreFile: string,
    objects: Pick<ObjectReader, 'read'>,
  ) {
    this.#all = all;
    this.#visible = visible;
    this.#ignore = ignore;
    this.#ignoreFile = ignoreFile;
    this.#objects = objects;
  }

  async select({ path: argument }: PathSelector): Promise<readonly Selection[]> {
    const wanted = cleanSourcePath(argument);
    const paths = hasWildcard(wanted) ? this.#matching(wanted) : [wanted];
    return paths.map((path) => this.#selection(path, this.#resolve(path, argument)));
  }

  async content(entry: SourceEntry): Promise<{ data: Uint8Array }> {
    return { data: (await this.#objects.read(entry.handle)).data };
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

  #resolve(path: string, argument: string): ContextEntry {
    const entry = this.#visible.resolve(path);
    if (entry !== undefined) return entry;
    const named = path === cleanSourcePath(argument) ? argument : path;
    if (this.#all.resolve(path) !== undefined) {
      throw new SlipwayError(
        'source_missing',
        `"${named}" is excluded from the build context by ${this.#ignoreFile}`,
        { hint: `remove the pattern from ${this.#ignoreFile}, or add an exception: !${path}` },
      );
    }
    throw new SlipwayError('source_missing', `"${named}" is not in the commit that is being built`, {
      hint: 'is the file committed? Paths are relative to the root of the repository, and symlinks cannot leave it',
    });
  }

  /** `path` is how it was found, which may be a symlink to `root`. */
  #selection(path: string, root: ContextEntry): Selection {
    return {
      name: baseName(path),
      path: root.path,
      content: this.#identity(root),
      entries: async () => {
        const listed = root.type === 'directory' ? [root, ...this.#visible.below(root)] : [root];
        const cut = root.path === '' ? 0 : root.path.length + 1;
        return listed.map((entry) => this.#sourceEntry(entry, entry === root ? '' : entry.path.slice(cut)));
      },
    };
  }

  /** The whole tree by its id, unless a pattern may have taken something out of it. */
  #identity(root: ContextEntry): string {
    if (root.type !== 'directory') return `git blob ${root.mode} ${root.oid}`;
    if (!this.#ignore.canMatchBelow(root.path)) return `git tree ${root.oid}`;
    const listed = [...this.#visible.below(root)].map(({ path, mode, type, oid }) => [
      path.slice(root.path.length),
      mode,
      type,
      type === 'directory' ? '' : oid,
    ]);
    return `git list ${hashOf(listed)}`;
  }

  #sourceEntry(entry: ContextEntry, path: string): SourceEntry {
    const { type, mode, oid, sizeBytes } = entry;
    if (type === 'submodule') {
      throw new SlipwayError(
        'context_invalid',
        `"${entry.path}" is a git submodule, and submodules are not fetched`,
        { hint: 'commit its files to this repository, or leave it out with .dockerignore' },
      );
    }
    const linkname = type === 'symlink' ? this.#visible.targetOf(entry) : undefined;
    return {
      path,
      type,
      mode,
      uid: 0,
      gid: 0,
      mtime: CONTEXT_MTIME,
      sizeBytes,
      handle: oid,
      ...(linkname === undefined ? {} : { linkname }),
    };
  }
}

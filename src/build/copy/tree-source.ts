/** COPY --from: another stage's result, or an image, as a directory tree on this machine. */
import { join } from 'node:path';
import { resolveIn, type ScannedEntry, scanTree } from '../../../native/index.js';
import { matchPath } from '../../dockerfile/match.js';
import { isErrno, SlipwayError } from '../../errors.js';
import { hashOf } from '../cache/keys.js';
import {
  baseName,
  type CopySource,
  cleanSourcePath,
  hasWildcard,
  type PathSelector,
  type Selection,
  type SourceEntry,
  splitWildcard,
} from './copy-source.js';
import { filtered, isExcluded, isLiteral, type PathFilter, pathFilter } from './filter.js';
import type { LayerTimes } from './layer-times.js';

/** A mounted, read-only root file system. `described` names it in errors: `stage "build"`. */
export class TreeSource implements CopySource {
  readonly #root: string;
  readonly #described: string;
  readonly #times: LayerTimes;
  readonly #signal: AbortSignal;

  constructor(root: string, described: string, times: LayerTimes, signal: AbortSignal) {
    this.#root = root;
    this.#described = described;
    this.#times = times;
    this.#signal = signal;
  }

  async select(selector: PathSelector): Promise<readonly Selection[]> {
    const filter = pathFilter(selector);
    const from = cleanSourcePath(filter.from);
    if (!hasWildcard(from)) return [await this.#selection(from, selector.path, filter)];
    const selections: Selection[] = [];
    for (const { path, type } of await this.#matching(from)) {
      if (type !== 'directory' && isExcluded(filter, path, from)) continue;
      selections.push(await this.#selection(path, selector.path, filter));
    }
    return selections;
  }

  async content(entry: SourceEntry): Promise<{ file: string }> {
    return { file: join(this.#root, entry.handle) };
  }

  /** In tree order; what is below a match is not looked at again. */
  async #matching(pattern: string): Promise<readonly Pick<ScannedEntry, 'path' | 'type'>[]> {
    const { literal, rest } = splitWildcard(pattern);
    const start = await this.#resolve(literal);
    const matched: ScannedEntry[] = [];
    for (const entry of (await this.#scan(start, {})) ?? []) {
      const above = matched.at(-1)?.path;
      if (entry.path === '' || (above !== undefined && entry.path.startsWith(`${above}/`))) continue;
      if (matchPath(rest, entry.path)) matched.push(entry);
    }
    return matched.map(({ path, type }) => ({ path: join(start, path), type }));
  }

  /** `found` may be a symlink: what it leads to is copied, under its name. */
  async #selection(found: string, argument: string, filter: PathFilter): Promise<Selection> {
    const path = await this.#resolve(found);
    const scanned = await this.#read(path, filter);
    const { wanted = '' } = filter;
    const isNothing = scanned?.length === 1 && scanned[0]?.type === 'directory' && wanted !== '';
    if (scanned === undefined || (isNothing && isLiteral(filter))) {
      const named =
        found === cleanSourcePath(argument) || filter.wanted !== undefined ? argument : `/${found}`;
      throw new SlipwayError('source_missing', `"${named}" is not in ${this.#described}`, {
        hint:
          filter.wanted === undefined
            ? 'check the path, and that an earlier instruction of that stage makes it'
            : 'check the path; --parents follows no symlink on it',
      });
    }
    for (const entry of scanned) this.#checkText(path, entry);
    return {
      name: baseName(found),
      path: hasWildcard(wanted) ? path : join(path, wanted),
      content: `files ${hashOf(identities(scanned))}`,
      entries: async () => this.#times.restored(scanned.map((entry) => sourceEntry(entry, path))),
    };
  }

  /** With hashes of what is copied. Sockets never reach a layer. */
  async #read(path: string, filter: PathFilter): Promise<readonly FoundEntry[] | undefined> {
    if (filter.takesAll) return (await this.#scan(path, { hash: true }))?.filter(isNoSocket);
    const all = (await this.#scan(path, {}))?.filter(isNoSocket);
    if (all === undefined) return undefined;
    const kept = filtered(all, filter);
    const hashOnly = kept.filter(({ type }) => type === 'file').map((entry) => entry.path);
    const hashed = new Map((await this.#scan(path, { hash: true, hashOnly }))?.map((one) => [one.path, one]));
    return kept.map((entry) => ({ ...entry, ...hashed.get(entry.path) }));
  }

  /** What is not UTF-8 arrives here with U+FFFD in it, and would be another file. */
  #checkText(path: string, { path: below, linkname = '' }: ScannedEntry): void {
    if (!`${below}${linkname}`.includes('\ufffd')) return;
    const shown = JSON.stringify(`/${join(path, below)}`);
    throw new SlipwayError(
      'context_invalid',
      `the name of ${shown} in ${this.#described}, or the target of that symlink, is not UTF-8`,
      { hint: 'rename it, or copy what is beside it by name' },
    );
  }

  async #resolve(path: string): Promise<string> {
    try {
      return await resolveIn(this.#root, path);
    } catch (error) {
      if (!isErrno(error, 'ELOOP')) throw error;
      throw new SlipwayError(
        'source_missing',
        `"/${path}" in ${this.#described} leads through too many symlinks`,
        {
          hint: 'is there a loop of symlinks?',
        },
      );
    }
  }

  async #scan(
    path: string,
    { hash = false, hashOnly }: { readonly hash?: boolean; readonly hashOnly?: readonly string[] },
  ): Promise<readonly ScannedEntry[] | undefined> {
    const options = { root: this.#root, path, hash, signal: this.#signal };
    try {
      return await scanTree(hashOnly === undefined ? options : { ...options, hashOnly });
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}

type FoundEntry = ScannedEntry & { readonly implied?: true };

const isNoSocket = (entry: ScannedEntry): boolean => entry.type !== 'socket';

function sourceEntry(entry: FoundEntry, root: string): SourceEntry {
  const handle = entry.path === '' ? root : join(root, entry.path);
  return {
    path: entry.path,
    type: entry.type as SourceEntry['type'],
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: entry.mtime,
    sizeBytes: entry.size,
    handle,
    ...(entry.linkname === undefined ? {} : { linkname: entry.linkname }),
    ...(entry.rdevMajor === undefined ? {} : { rdevMajor: entry.rdevMajor }),
    ...(entry.rdevMinor === undefined ? {} : { rdevMinor: entry.rdevMinor }),
    ...(entry.xattrs === undefined ? {} : { xattrs: entry.xattrs }),
    ...(entry.inode === undefined ? {} : { inode: entry.inode }),
    ...(entry.implied === undefined ? {} : { implied: entry.implied }),
  };
}

/** All that a copy of the entries would carry, but their times. Files that are one file say so by its first name. */
function identities(entries: readonly FoundEntry[]): readonly unknown[] {
  const firstNames = new Map<string, string>();
  return entries.map((entry) => {
    const { inode, path } = entry;
    const firstName = inode === undefined ? path : (firstNames.get(inode) ?? path);
    if (inode !== undefined) firstNames.set(inode, firstName);
    return identity(entry, firstName === path ? undefined : firstName);
  });
}

function identity(entry: FoundEntry, sameAs: string | undefined): unknown {
  const xattrs = Object.entries(entry.xattrs ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  const { path, type, mode, uid, gid, linkname, rdevMajor, rdevMinor, sha256, implied } = entry;
  return [
    path,
    type,
    mode,
    uid,
    gid,
    linkname ?? null,
    rdevMajor ?? null,
    rdevMinor ?? null,
    sha256 ?? null,
    xattrs,
    sameAs ?? null,
    implied ?? false,
  ];
}

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

  async select({ path: argument }: PathSelector): Promise<readonly Selection[]> {
    const wanted = cleanSourcePath(argument);
    const paths = hasWildcard(wanted) ? await this.#matching(wanted) : [wanted];
    const selections: Selection[] = [];
    for (const path of paths) selections.push(await this.#selection(path, argument));
    return selections;
  }

  async content(entry: SourceEntry): Promise<{ file: string }> {
    return { file: join(this.#root, entry.handle) };
  }

  /** In tree order; what is below a match is not looked at again. */
  async #matching(pattern: string): Promise<readonly string[]> {
    const { literal, rest } = splitWildcard(pattern);
    const start = await this.#resolve(literal);
    const matched: string[] = [];
    for (const { path } of (await this.#scan(start, false)) ?? []) {
      const above = matched.at(-1);
      if (path === '' || (above !== undefined && path.startsWith(`${above}/`))) continue;
      if (matchPath(rest, path)) matched.push(path);
    }
    return matched.map((path) => join(start, path));
  }

  /** `found` may be a symlink: what it leads to is copied, under its name. */
  async #selection(found: string, argument: string): Promise<Selection> {
    const path = await this.#resolve(found);
    const scanned = await this.#scan(path, true);
    if (scanned === undefined) {
      const named = found === cleanSourcePath(argument) ? argument : `/${found}`;
      throw new SlipwayError('source_missing', `"${named}" is not in ${this.#described}`, {
        hint: 'check the path, and that an earlier instruction of that stage makes it',
      });
    }
    // Sockets never reach a layer.
    const entries = scanned.filter((entry) => entry.type !== 'socket');
    for (const entry of entries) this.#checkText(path, entry);
    return {
      name: baseName(found),
      path,
      content: `files ${hashOf(entries.map(identity))}`,
      entries: async () => this.#times.restored(entries.map((entry) => sourceEntry(entry, path))),
    };
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

  async #scan(path: string, hash: boolean): Promise<readonly ScannedEntry[] | undefined> {
    try {
      return await scanTree({ root: this.#root, path, hash, signal: this.#signal });
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}

function sourceEntry(entry: ScannedEntry, root: string): SourceEntry {
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
  };
}

/** All that a copy of the entry would carry, but its time. */
function identity(entry: ScannedEntry): unknown {
  const xattrs = Object.entries(entry.xattrs ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  const { path, type, mode, uid, gid, linkname, rdevMajor, rdevMinor, sha256 } = entry;
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
  ];
}

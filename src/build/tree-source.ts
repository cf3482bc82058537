/** COPY --from: another stage's result, or an image, as a directory tree on this machine. */
import { join } from 'node:path';
import { resolveIn, type ScannedEntry, scanTree } from '../../native/index.js';
import { matchPath } from '../dockerfile/match.js';
import { SlipwayError } from '../errors.js';
import {
  baseName,
  type CopySource,
  cleanSourcePath,
  hasWildcard,
  type Selection,
  type SourceEntry,
} from './copy-source.js';
import { hashOf } from './keys.js';

/** A mounted, read-only root file system. `described` names it in errors: `stage "build"`. */
export class TreeSource implements CopySource {
  readonly #root: string;
  readonly #described: string;
  readonly #signal: AbortSignal;

  constructor(root: string, described: string, signal: AbortSignal) {
    this.#root = root;
    this.#described = described;
    this.#signal = signal;
  }

  async select(argument: string): Promise<readonly Selection[]> {
    const wanted = cleanSourcePath(argument);
    if (!hasWildcard(wanted)) {
      const path = await resolveIn(this.#root, wanted);
      return [await this.#selection(path, baseName(wanted), argument)];
    }
    const matched: string[] = [];
    for (const path of await this.#candidates(wanted)) {
      const above = matched.at(-1);
      if (above !== undefined && path.startsWith(`${above}/`)) continue;
      if (matchPath(wanted, path)) matched.push(path);
    }
    return Promise.all(matched.map((path) => this.#selection(path, baseName(path), argument)));
  }

  async content(entry: SourceEntry): Promise<{ file: string }> {
    return { file: join(this.#root, entry.handle) };
  }

  /** Paths below the longest part of the pattern that has no wildcard. */
  async #candidates(pattern: string): Promise<string[]> {
    const parts = pattern.split('/');
    const literal = parts.slice(0, parts.findIndex(hasWildcard)).join('/');
    const start = literal === '' ? '' : await resolveIn(this.#root, literal);
    const entries = await this.#scan(start, false);
    return (entries ?? [])
      .filter((entry) => entry.path !== '')
      .map((entry) => (literal === '' ? entry.path : `${literal}/${entry.path}`));
  }

  async #selection(path: string, name: string, argument: string): Promise<Selection> {
    const scanned = await this.#scan(path, true);
    if (scanned === undefined) {
      throw new SlipwayError('source_missing', `"${argument}" is not in ${this.#described}`, {
        hint: 'check the path, and that an earlier instruction of that stage makes it',
      });
    }
    // Sockets never reach a layer.
    const entries = scanned
      .filter((entry) => entry.type !== 'socket')
      .map((entry) => sourceEntry(entry, path));
    return {
      name,
      path,
      content: `tree:${hashOf(scanned.map(identity))}`,
      entries: async () => entries,
    };
  }

  async #scan(path: string, hash: boolean): Promise<readonly ScannedEntry[] | undefined> {
    try {
      return await scanTree({ root: this.#root, path, hash, signal: this.#signal });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
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

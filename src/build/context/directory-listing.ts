/**
 * Lists a directory of this machine for a build. A directory that is ignored as a whole is not even looked into, so that
 * what is ignored costs nothing and counts for no limit.
 */
import { createHash } from 'node:crypto';
import { type ScannedEntry, scanTree } from '../../../native/index.js';
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import type { ContextEntry } from './context.js';
import { ContextBudget, type ContextLimits, invalid, shown } from './context-limits.js';
import { readFailure } from './directory-paths.js';

/** SHA-256 (hex) of no bytes. As with Docker, whose client has nothing of a socket to send, one is an empty file. */
export const EMPTY_FILE: string = createHash('sha256').digest('hex');

/** Every entry below `root` that is not ignored, each directory directly before what is in it. A symlink's id is its target. */
export async function listDirectory(
  root: string,
  ignore: IgnoreMatcher,
  limits: ContextLimits,
  signal: AbortSignal,
): Promise<readonly ContextEntry[]> {
  const listing = new DirectoryListing(root, ignore, limits, signal);
  return listing.below('');
}

class DirectoryListing {
  readonly #root: string;
  readonly #ignore: IgnoreMatcher;
  readonly #budget: ContextBudget;
  readonly #signal: AbortSignal;

  constructor(root: string, ignore: IgnoreMatcher, limits: ContextLimits, signal: AbortSignal) {
    this.#root = root;
    this.#ignore = ignore;
    this.#budget = new ContextBudget(limits, 'ignore what the image does not need with a .dockerignore');
    this.#signal = signal;
  }

  /** One directory after the other: the order of the entries, and how much is in memory, are the same each time. */
  async below(directory: string): Promise<ContextEntry[]> {
    const found: ContextEntry[] = [];
    for (const scanned of await this.#children(directory)) {
      const path = directory === '' ? scanned.path : `${directory}/${scanned.path}`;
      const ignored = this.#ignore.ignores(path);
      if (scanned.type !== 'directory') {
        if (!ignored) found.push(this.#leaf(path, scanned));
        continue;
      }
      // Inside an ignored directory an exception may bring something back, and then the directory as well.
      if (ignored && !this.#ignore.canMatchBelow(path)) continue;
      this.#checkName(path, scanned);
      const inside = await this.below(path);
      if (ignored && inside.length === 0) continue;
      this.#budget.countDirectory();
      found.push(entryOf(path, scanned, ''));
      for (const entry of inside) found.push(entry);
    }
    return found;
  }

  async #children(directory: string): Promise<readonly ScannedEntry[]> {
    const options = {
      root: this.#root,
      path: directory,
      hash: false,
      shallow: true,
      stamps: true,
      signal: this.#signal,
    };
    try {
      return (await scanTree(options)).slice(1);
    } catch (error) {
      throw readFailure(this.#root, error);
    }
  }

  #leaf(path: string, scanned: ScannedEntry): ContextEntry {
    this.#checkName(path, scanned);
    if (scanned.type === 'socket') {
      this.#budget.countFile(path, 0);
      return { path, type: 'file', mode: scanned.mode, oid: EMPTY_FILE, sizeBytes: 0 };
    }
    const { linkname = '' } = scanned;
    this.#budget.countFile(path, scanned.size);
    if (scanned.type === 'symlink') this.#budget.checkLink(path, Buffer.byteLength(linkname));
    return entryOf(path, scanned, linkname);
  }

  /** What is not UTF-8 arrives here with U+FFFD in it, and would be another file. */
  #checkName(path: string, { linkname = '' }: ScannedEntry): void {
    if (`${path}${linkname}`.includes('\ufffd'))
      throw invalid(
        `the name of ${shown(path)}, or the target of that symlink, is not UTF-8`,
        'rename it, or ignore it with a .dockerignore',
      );
    this.#budget.checkPath(path);
  }
}

function entryOf(path: string, scanned: ScannedEntry, oid: string): ContextEntry {
  const { type, mode, size, rdevMajor, rdevMinor, xattrs, inode, stamp } = scanned;
  return {
    path,
    type: type as ContextEntry['type'],
    mode,
    oid,
    sizeBytes: size,
    ...(rdevMajor === undefined ? {} : { rdevMajor }),
    ...(rdevMinor === undefined ? {} : { rdevMinor }),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(inode === undefined ? {} : { inode }),
    ...(stamp === undefined ? {} : { stamp }),
  };
}

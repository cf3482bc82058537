/**
 * Lists a directory of this machine for a build. A directory that is ignored as a whole is not even looked into, so that
 * what is ignored costs nothing and counts for no limit.
 */
import { createHash } from 'node:crypto';
import { type ScannedEntry, type ScanOptions, scanTree } from '../../../native/index.js';
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { isErrno } from '../../errors.js';
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

/** Entries that are looked at and kept at once, some 50 MB. */
const AT_ONCE = 100_000;

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

  /** What is in a directory that is not ignored, or in which an exception may bring something back. */
  async below(directory: string): Promise<ContextEntry[]> {
    const whole = this.#ignore.canMatchBelow(directory) ? undefined : await this.#whole(directory);
    return whole ?? this.#oneByOne(directory);
  }

  /** In one look, where no pattern can take anything out of it. Undefined when it is too large for that. */
  async #whole(directory: string): Promise<ContextEntry[] | undefined> {
    const scanned = await this.#scan(directory, { maxEntries: AT_ONCE });
    return scanned?.map((entry) => {
      const path = inside(directory, entry.path);
      if (entry.type !== 'directory') return this.#leaf(path, entry);
      this.#checkName(path, entry);
      this.#budget.countDirectory();
      return entryOf(path, entry, '');
    });
  }

  /** One directory after the other: the order of the entries, and how much is in memory, are the same each time. */
  async #oneByOne(directory: string): Promise<ContextEntry[]> {
    const found: ContextEntry[] = [];
    for (const scanned of (await this.#scan(directory, { shallow: true })) ?? []) {
      const path = inside(directory, scanned.path);
      const ignored = this.#ignore.ignores(path);
      if (scanned.type !== 'directory') {
        if (!ignored) found.push(this.#leaf(path, scanned));
        continue;
      }
      // Inside an ignored directory an exception may bring something back, and then the directory as well.
      if (ignored && !this.#ignore.canMatchBelow(path)) continue;
      this.#checkName(path, scanned);
      const below = await this.below(path);
      if (ignored && below.length === 0) continue;
      this.#budget.countDirectory();
      found.push(entryOf(path, scanned, ''));
      for (const entry of below) found.push(entry);
    }
    return found;
  }

  /** Without the directory itself. */
  async #scan(
    directory: string,
    how: Pick<ScanOptions, 'shallow' | 'maxEntries'>,
  ): Promise<readonly ScannedEntry[] | undefined> {
    const options = { root: this.#root, path: directory, hash: false, stamps: true, signal: this.#signal };
    try {
      return (await scanTree({ ...options, ...how })).slice(1);
    } catch (error) {
      if (isErrno(error, 'E2BIG')) return undefined;
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

function inside(directory: string, path: string): string {
  return directory === '' ? path : `${directory}/${path}`;
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

/**
 * What the files of a directory were hashed to in earlier builds, and by which stamps that still holds. A file whose times
 * are so young that it could be written again without another stamp is not kept. One file in the builder's store for each
 * directory: path, stamp and hash in turn. It only saves work: what cannot be read is as good as absent.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hashOf } from '../cache/keys.js';
import { writeWhole } from '../cache/stored-files.js';
import type { ContextEntry } from './context.js';

export interface StampedHash {
  readonly stamp: string;
  /** Hex. */
  readonly sha256: string;
}

export const HASHES_SUFFIX = '.hashes';
const HEAD = 'slipway-hashes-1';
/** Clocks of file systems tick every few ms, some every 2 s. */
const YOUNG_SECONDS = 3;
/** Paths that are gone are not looked for; when it is this many, all are forgotten. */
const MOST_PATHS = 500_000;

export function hashesDirectory(store: string): string {
  return join(store, 'cache', 'directories');
}

export class KnownHashes {
  readonly #path: string;
  #known: Promise<Map<string, StampedHash>> | undefined;

  /** `root` is the directory that is built. */
  constructor(directory: string, root: string) {
    this.#path = join(directory, `${hashOf([root])}${HASHES_SUFFIX}`);
  }

  /** By path. */
  read(): Promise<ReadonlyMap<string, StampedHash>> {
    this.#known ??= readHashes(this.#path);
    return this.#known;
  }

  /** Files that were hashed after they had been stamped. */
  async add(entries: readonly ContextEntry[]): Promise<void> {
    const known = (await this.read()) as Map<string, StampedHash>;
    if (known.size + entries.length > MOST_PATHS) known.clear();
    const oldestYoung = Date.now() / 1000 - YOUNG_SECONDS;
    for (const { path, stamp, oid } of entries) {
      if (stamp !== undefined && youngest(stamp) < oldestYoung) known.set(path, { stamp, sha256: oid });
      else known.delete(path);
    }
    await writeHashes(this.#path, known).catch(() => undefined);
  }
}

/** The later of its two times, seconds. */
function youngest(stamp: string): number {
  const [, , , modified, , changed] = stamp.split(' ').map(Number);
  return Math.max(modified ?? Number.NaN, changed ?? Number.NaN);
}

async function readHashes(path: string): Promise<Map<string, StampedHash>> {
  const [head, ...parts] = (await readFile(path, 'utf8').catch(() => '')).split('\0');
  const known = new Map<string, StampedHash>();
  if (head !== HEAD || parts.length % 3 !== 0) return known;
  for (let at = 0; at < parts.length; at += 3)
    known.set(parts[at] as string, { stamp: parts[at + 1] as string, sha256: parts[at + 2] as string });
  return known;
}

async function writeHashes(path: string, known: ReadonlyMap<string, StampedHash>): Promise<void> {
  const parts = [HEAD];
  for (const [at, { stamp, sha256 }] of known) parts.push(at, stamp, sha256);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeWhole(path, parts.join('\0'));
}

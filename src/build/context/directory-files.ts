/**
 * The bytes of a directory context: hashed on demand, several files at once, each at most once in a build, and not at all
 * where its stamp says that it is what an earlier build has hashed.
 */
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { scanTree } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import type { ContextEntry, ContextFiles } from './context.js';
import { EMPTY_FILE } from './directory-listing.js';
import { absent, readFailure, resolvedIn } from './directory-paths.js';
import type { KnownHashes, StampedHash } from './known-hashes.js';

/** Hashes that are computed at once, each on a thread of the addon. */
const AT_ONCE = 4;
/** Files up to this size are hashed together, those of a directory on one thread: a thread for each costs more. */
const SMALL_BYTES = 1024 * 1024;

export class DirectoryFiles implements ContextFiles {
  readonly described = 'the build context';
  readonly missingHint =
    'paths are relative to the directory that is built, and symlinks cannot leave it; is the spelling right?';
  readonly hasTreeIds = false;
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #hashes = new Map<string, Promise<string>>();
  readonly #known: KnownHashes | undefined;

  constructor(root: string, signal: AbortSignal, known?: KnownHashes) {
    this.#root = root;
    this.#signal = signal;
    this.#known = known;
  }

  async has(path: string): Promise<boolean> {
    const place = join(this.#root, await resolvedIn(this.#root, path));
    return (await lstat(place).catch(absent)) !== undefined;
  }

  async identify(entries: readonly ContextEntry[]): Promise<readonly ContextEntry[]> {
    const known = await this.#known?.read();
    const identified = known === undefined ? entries : entries.map((entry) => withKnown(entry, known));
    const wanted = identified.filter(isUnknown);
    if (wanted.length === 0) return identified;
    const batches = batchesOf(wanted);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let batch = batches[next++]; batch !== undefined; batch = batches[next++])
        await this.#hashAll(batch);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const hashed = await Promise.all(
      wanted.map(async (entry) => ({ ...entry, oid: await this.#hash(entry) })),
    );
    await this.#known?.add(hashed);
    const byPath = new Map(hashed.map((entry) => [entry.path, entry]));
    return identified.map((entry) => (isUnknown(entry) ? (byPath.get(entry.path) ?? entry) : entry));
  }

  check(): void {}

  async content(entry: ContextEntry): Promise<{ data: Uint8Array } | { file: string; sha256: string }> {
    if (entry.oid === EMPTY_FILE) return { data: new Uint8Array() };
    const known = withKnown(entry, (await this.#known?.read()) ?? NOTHING).oid;
    return { file: join(this.#root, entry.path), sha256: known || (await this.#hash(entry)) };
  }

  /** Small files of one directory, or one file. */
  async #hashAll(batch: readonly ContextEntry[]): Promise<void> {
    const missing = batch.filter(({ path }) => !this.#hashes.has(path));
    const [first] = missing;
    if (first !== undefined && missing.length > 1) {
      const found = this.#computeIn(dirname(first.path), missing);
      for (const { path } of missing) {
        const hash = found.then((hashes) => hashes.get(path) as string);
        // Whoever waits for it is told.
        hash.catch(() => undefined);
        this.#hashes.set(path, hash);
      }
    }
    await Promise.all(batch.map((entry) => this.#hash(entry)));
  }

  #hash({ path }: ContextEntry): Promise<string> {
    const known = this.#hashes.get(path) ?? this.#compute(path);
    this.#hashes.set(path, known);
    return known;
  }

  /** Hashes of files that are directly in a directory, by path. */
  async #computeIn(
    directory: string,
    entries: readonly ContextEntry[],
  ): Promise<ReadonlyMap<string, string>> {
    const inside = directory === '.' ? '' : directory;
    const names = entries.map(({ path }) => basename(path));
    const options = { hash: true, hashOnly: names, shallow: true, signal: this.#signal };
    // Where that fails, each file by itself says why.
    const found = await scanTree({ root: this.#root, path: inside, ...options }).catch(() => []);
    const byName = new Map(found.map(({ path, sha256 }) => [path, sha256]));
    const hashes = new Map<string, string>();
    for (const { path } of entries)
      hashes.set(path, byName.get(basename(path)) ?? (await this.#compute(path)));
    return hashes;
  }

  async #compute(path: string): Promise<string> {
    let hash: string | undefined;
    try {
      const [entry] = await scanTree({ root: this.#root, path, hash: true, signal: this.#signal });
      hash = entry?.sha256;
    } catch (error) {
      throw readFailure(this.#root, error);
    }
    if (hash !== undefined) return hash;
    throw new SlipwayError('context_invalid', `${join(this.#root, path)} changed while it was being built`, {
      hint: 'build again, and leave the files alone until the build has ended',
    });
  }
}

const NOTHING: ReadonlyMap<string, StampedHash> = new Map();

function isUnknown({ type, oid }: ContextEntry): boolean {
  return type === 'file' && oid === '';
}

function withKnown(entry: ContextEntry, known: ReadonlyMap<string, StampedHash>): ContextEntry {
  if (!isUnknown(entry) || entry.stamp === undefined) return entry;
  const found = known.get(entry.path);
  return found?.stamp === entry.stamp ? { ...entry, oid: found.sha256 } : entry;
}

/** The small ones by directory, and each large one by itself, in the order of their first. */
function batchesOf(entries: readonly ContextEntry[]): readonly (readonly ContextEntry[])[] {
  const batches = new Map<string, ContextEntry[]>();
  for (const entry of entries) {
    const key = entry.sizeBytes > SMALL_BYTES ? `file ${entry.path}` : `in ${dirname(entry.path)}`;
    const batch = batches.get(key);
    if (batch === undefined) batches.set(key, [entry]);
    else batch.push(entry);
  }
  return [...batches.values()];
}

/** The bytes of a directory context: hashed on demand, several files at once, each at most once in a build. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { scanTree } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';
import type { ContextEntry, ContextFiles } from './context.js';
import { EMPTY_FILE } from './directory-listing.js';
import { absent, readFailure, resolvedIn } from './directory-paths.js';

/** Hashes that are computed at once, each on a thread of the addon. */
const AT_ONCE = 4;

export class DirectoryFiles implements ContextFiles {
  readonly described = 'the build context';
  readonly missingHint =
    'paths are relative to the directory that is built, and symlinks cannot leave it; is the spelling right?';
  readonly hasTreeIds = false;
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #hashes = new Map<string, Promise<string>>();

  constructor(root: string, signal: AbortSignal) {
    this.#root = root;
    this.#signal = signal;
  }

  async has(path: string): Promise<boolean> {
    const place = join(this.#root, await resolvedIn(this.#root, path));
    return (await lstat(place).catch(absent)) !== undefined;
  }

  async identify(entries: readonly ContextEntry[]): Promise<readonly ContextEntry[]> {
    const identified: ContextEntry[] = [...entries];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let at = next++; at < entries.length; at = next++) {
        const entry = entries[at] as ContextEntry;
        if (entry.type === 'file' && entry.oid === '')
          identified[at] = { ...entry, oid: await this.#hash(entry) };
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return identified;
  }

  check(): void {}

  async content(entry: ContextEntry): Promise<{ data: Uint8Array } | { file: string; sha256: string }> {
    if (entry.oid === EMPTY_FILE) return { data: new Uint8Array() };
    return { file: join(this.#root, entry.path), sha256: await this.#hash(entry) };
  }

  #hash({ path }: ContextEntry): Promise<string> {
    const known = this.#hashes.get(path) ?? this.#compute(path);
    this.#hashes.set(path, known);
    return known;
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

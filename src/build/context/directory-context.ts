/**
 * A directory of this machine as a build context, as `docker build DIR` sees it: modes kept, owner root, times constant.
 * It is listed once for each ignore file, without what that takes out; a file is hashed when something selects it, and
 * read again, against that hash, when it goes into a layer.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import { SlipwayError } from '../../errors.js';
import { type CopySource, cleanSourcePath } from '../copy/copy-source.js';
import type { BuildContext } from './context.js';
import type { ContextLimits } from './context-limits.js';
import { ContextSelection } from './context-selection.js';
import { ContextTree } from './context-tree.js';
import { DirectoryFiles } from './directory-files.js';
import { listDirectory } from './directory-listing.js';
import { absent, resolvedIn } from './directory-paths.js';
import { KnownHashes } from './known-hashes.js';

/** `hashes` is a directory for what is known of files from earlier builds. Throws `source_missing` when there is none to build. */
export async function openDirectoryContext(
  directory: string,
  limits: ContextLimits,
  signal: AbortSignal,
  hashes?: string,
): Promise<BuildContext> {
  signal.throwIfAborted();
  const root = await realpath(directory).catch((error: Error) => {
    throw missing(directory, error);
  });
  if (!(await stat(root)).isDirectory()) throw missing(directory);
  const known = hashes === undefined ? undefined : new KnownHashes(hashes, root);
  return new DirectoryContext(root, limits, signal, known);
}

class DirectoryContext implements BuildContext {
  /** Nothing to compare with: the files of an earlier build are gone. */
  readonly id = 'directory';
  readonly #root: string;
  readonly #limits: ContextLimits;
  readonly #signal: AbortSignal;
  readonly #known: KnownHashes | undefined;

  constructor(root: string, limits: ContextLimits, signal: AbortSignal, known: KnownHashes | undefined) {
    this.#root = root;
    this.#limits = limits;
    this.#signal = signal;
    this.#known = known;
  }

  async read(path: string): Promise<Buffer | undefined> {
    const file = join(this.#root, await resolvedIn(this.#root, cleanSourcePath(path)));
    const found = await stat(file).catch(absent);
    if (found === undefined || !found.isFile()) return undefined;
    if (found.size > this.#limits.contextFileBytes) {
      throw new SlipwayError('context_too_large', `${path} has ${found.size} bytes`, {
        hint: 'is it the right file?',
      });
    }
    return readFile(file, { signal: this.#signal });
  }

  async source(
    ignore: IgnoreMatcher,
    ignoreFile: string,
    signal: AbortSignal = this.#signal,
  ): Promise<CopySource> {
    const entries = await listDirectory(this.#root, ignore, this.#limits, signal);
    const links = entries.filter(({ type }) => type === 'symlink').map(({ oid }) => [oid, oid] as const);
    const tree = new ContextTree('', entries, new Map(links));
    return new ContextSelection(
      tree,
      ignore,
      ignoreFile,
      new DirectoryFiles(this.#root, signal, this.#known),
    );
  }

  async firstChange(): Promise<undefined> {
    return undefined;
  }
}

function missing(directory: string, cause?: Error): SlipwayError {
  return new SlipwayError('source_missing', `there is no directory ${directory}`, {
    hint: 'the build context is a directory; check the path',
    ...(cause === undefined ? {} : { cause }),
  });
}

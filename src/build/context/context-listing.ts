/**
 * Lists the tree of a commit: one `git ls-tree`, read as it comes and stopped at the first thing that is too much. A pack
 * of some kilobytes can hold a tree of billions of paths.
 */
import { once } from 'node:events';
import { SlipwayError } from '../../errors.js';
import { cleanStderr, type Git, stopProcess } from '../../git/git.js';
import type { ContextEntry } from './context.js';
import {
  type ContextBudget,
  type ContextLimits,
  invalid,
  repositoryBudget,
  shown,
} from './context-limits.js';
import { broken, checkListed, countListed, kindOf } from './listed-entry.js';

const LIST_TIMEOUT_MS = 60_000;

/** Every entry below the tree, each directory directly before what is in it. Throws `context_invalid`, `context_too_large`. */
export async function listContext(
  tree: string,
  { git, gitDir }: { readonly git: Git; readonly gitDir: string },
  limits: ContextLimits,
  signal?: AbortSignal,
): Promise<readonly ContextEntry[]> {
  signal?.throwIfAborted();
  const child = git.spawn(['ls-tree', '-r', '-t', '-l', '-z', '--full-tree', tree], { gitDir });
  const closed = once(child, 'close');
  closed.catch(() => {}); // `error` instead of `close`: told below
  let failure: unknown;
  let cancelKill = (): void => {};
  const stop = (reason: unknown): void => {
    failure ??= reason;
    cancelKill = stopProcess(child);
  };
  const onAbort = (): void => stop(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(
    () => stop(new SlipwayError('unavailable', 'git ls-tree does not end', { temporary: true })),
    LIST_TIMEOUT_MS,
  );
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < 4096) stderr += chunk.toString('utf8');
  });
  const listing = new Listing(limits);
  try {
    for await (const chunk of child.stdout ?? []) listing.add(chunk as Buffer);
    const [code] = await closed;
    if (failure !== undefined) throw failure;
    if (code !== 0)
      throw new SlipwayError('internal', `git ls-tree failed: ${cleanStderr(stderr, gitDir) || code}`);
    return listing.entries;
  } catch (error) {
    stop(error);
    await closed.catch(() => {});
    throw failure;
  } finally {
    clearTimeout(timer);
    cancelKill();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** What has been listed so far, checked entry by entry. */
class Listing {
  readonly entries: ContextEntry[] = [];
  readonly #budget: ContextBudget;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  readonly #paths = new Set<string>();
  #rest: Buffer = Buffer.alloc(0);

  constructor(limits: ContextLimits) {
    this.#budget = repositoryBudget(limits);
  }

  /** Output of `ls-tree -l -z`, cut anywhere: `<mode> <type> <object> <size>\t<path>\0`, the size padded with spaces. */
  add(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
      const tab = bytes.indexOf(9, start);
      const [mode = '', , oid = '', size = ''] = bytes.toString('latin1', start, tab).split(/ +/);
      this.#add(mode, oid, size, this.#path(bytes.subarray(tab + 1, end)));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
  }

  #path(bytes: Buffer): string {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      throw invalid(
        `the file name ${shown(bytes.toString('latin1'))} is not UTF-8`,
        'rename it, commit, and push again',
      );
    }
  }

  #add(mode: string, oid: string, size: string, path: string): void {
    // Directories and submodules have none; git writes BAD for an object that it lacks.
    const sizeBytes = size === '-' ? 0 : Number(size);
    const entry = { path, ...kindOf(mode, path), oid, sizeBytes };
    checkListed(entry, this.#budget);
    if (this.#paths.has(path)) throw broken(path);
    this.#paths.add(path);
    countListed(entry, this.#budget);
    this.entries.push(entry);
  }
}

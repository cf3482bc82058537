/**
 * Lists the tree of a commit: one `git ls-tree`, read as it comes and stopped at the first thing that is too much. A pack
 * of some kilobytes can hold a tree of billions of paths.
 */
import { once } from 'node:events';
import type { Limits } from '../../config.js';
import { SlipwayError } from '../../errors.js';
import { cleanStderr, type Git, stopProcess } from '../../git/git.js';

export interface ContextEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'submodule';
  readonly mode: number;
  readonly oid: string;
  readonly sizeBytes: number;
}

export type ContextLimits = Pick<
  Limits,
  'contextFiles' | 'contextBytes' | 'contextFileBytes' | 'contextDepth'
>;

const LIST_TIMEOUT_MS = 60_000;

/** NAME_MAX and PATH_MAX of Linux, without the NUL: what is longer can be in a layer, but in no file system. */
const NAME_BYTES = 255;
const PATH_BYTES = 4095;

const MODES: Readonly<Record<string, Pick<ContextEntry, 'type' | 'mode'>>> = {
  '100644': { type: 'file', mode: 0o644 },
  '100664': { type: 'file', mode: 0o644 },
  '100755': { type: 'file', mode: 0o755 },
  '120000': { type: 'symlink', mode: 0o777 },
  '040000': { type: 'directory', mode: 0o755 },
  '160000': { type: 'submodule', mode: 0o755 },
};

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
  readonly #limits: ContextLimits;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  readonly #paths = new Set<string>();
  #rest: Buffer = Buffer.alloc(0);
  #directories = 0;
  #files = 0;
  #bytes = 0;

  constructor(limits: ContextLimits) {
    this.#limits = limits;
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
    const kind = MODES[mode];
    if (kind === undefined)
      throw invalid(`${shown(path)} has the unknown git mode ${mode}`, 'remove it from the repository');
    checkPath(path, this.#limits);
    if (this.#paths.has(path)) throw broken(path);
    this.#paths.add(path);
    // Directories and submodules have none; git writes BAD for an object that it lacks.
    const sizeBytes = size === '-' ? 0 : Number(size);
    if (!Number.isSafeInteger(sizeBytes)) throw broken(path);
    if (kind.type === 'directory') this.#countDirectory();
    else this.#countFile(path, sizeBytes);
    if (kind.type === 'symlink' && (sizeBytes === 0 || sizeBytes > PATH_BYTES)) {
      throw invalid(
        `the symlink ${shown(path)} has a target of ${sizeBytes} bytes; 1 to ${PATH_BYTES} are possible`,
        'remove it from the repository',
      );
    }
    this.entries.push({ path, ...kind, oid, sizeBytes });
  }

  #countDirectory(): void {
    if (++this.#directories > this.#limits.contextFiles)
      throw tooLarge(
        `the context has more than ${this.#limits.contextFiles} directories`,
        'SLIPWAY_LIMIT_CONTEXT_FILES',
      );
  }

  #countFile(path: string, sizeBytes: number): void {
    const { contextFiles, contextBytes, contextFileBytes } = this.#limits;
    this.#bytes += sizeBytes;
    if (++this.#files > contextFiles)
      throw tooLarge(`the context has more than ${contextFiles} files`, 'SLIPWAY_LIMIT_CONTEXT_FILES');
    if (sizeBytes > contextFileBytes) {
      throw tooLarge(
        `${shown(path)} has ${sizeBytes} bytes; one file may have ${contextFileBytes}`,
        'SLIPWAY_LIMIT_CONTEXT_FILE_BYTES',
      );
    }
    if (this.#bytes > contextBytes)
      throw tooLarge(`the context is larger than ${contextBytes} bytes`, 'SLIPWAY_LIMIT_CONTEXT_BYTES');
  }
}

function checkPath(path: string, limits: ContextLimits): void {
  const parts = path.split('/');
  if (parts.length > limits.contextDepth) {
    throw tooLarge(
      `${shown(path)} is more than ${limits.contextDepth} directories deep`,
      'SLIPWAY_LIMIT_CONTEXT_DEPTH',
    );
  }
  if (Buffer.byteLength(path) > PATH_BYTES)
    throw invalid(`the path ${shown(path)} is longer than ${PATH_BYTES} bytes`, 'use shorter names');
  for (const part of parts) {
    // A layer cannot hold such a name: it means that a lower file is removed (OCI image-spec layer.md, "Whiteouts").
    if (part.startsWith('.wh.')) {
      throw invalid(
        `${shown(path)} has a name that starts with ".wh."`,
        'image layers give such names another meaning; rename the file',
      );
    }
    if (part === '..' || part === '.' || part === '' || part.toLowerCase() === '.git') throw broken(path);
    if (Buffer.byteLength(part) > NAME_BYTES)
      throw invalid(`the name ${shown(part)} is longer than ${NAME_BYTES} bytes`, 'rename it');
  }
}

/** A hostile name is quoted, and clipped: it goes to a terminal. */
function shown(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 199)}…` : path);
}

function broken(path: string): SlipwayError {
  return invalid(
    `${shown(path)} is not a path that a repository may hold, or it is there twice`,
    'the commit was made by a broken or hostile tool; rewrite it without this path',
  );
}

function invalid(message: string, hint: string): SlipwayError {
  return new SlipwayError('context_invalid', message, { hint });
}

function tooLarge(message: string, setting: string): SlipwayError {
  return new SlipwayError('context_too_large', message, {
    hint: `take files out of the repository, or have the operator raise ${setting}`,
  });
}

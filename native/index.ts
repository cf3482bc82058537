/**
 * The addon: bytes and system calls that Node lacks. Plain values in and out, promises, checked here before they cross
 * the border. What fails rejects with an Error whose `code` is an errno name (`ENOSPC`) or one of NativeErrorCode, and
 * whose `path` is the entry or file it is about. Work runs on threads of its own.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { packEntries } from './pack.js';

/**
 * LAYER_INVALID: the archive is damaged or holds what a layer must not. LAYER_TOO_LARGE: a limit against bombs.
 * DIGEST_MISMATCH: other bytes than promised. ENTRY_INVALID: an entry that cannot be written into a layer.
 * FILE_CHANGED: a file of this machine is not what it was. OBJECTS_ENDED: git gave other objects than were asked for.
 */
export type NativeErrorCode =
  | 'LAYER_INVALID'
  | 'LAYER_TOO_LARGE'
  | 'DIGEST_MISMATCH'
  | 'ENTRY_INVALID'
  | 'FILE_CHANGED'
  | 'OBJECTS_ENDED'
  | 'CANCELLED';

export type Compression = 'gzip' | 'zstd' | 'none';
export type FileType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'char' | 'block';

export interface LayerEntry {
  /** Relative, without `./` and without a slash at either end. For a whiteout: what is deleted. */
  readonly path: string;
  readonly type: FileType | 'whiteout';
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch; a fraction is cut off. */
  readonly mtime: number;
  /** A file's content. Must not change until `write` resolves. */
  readonly data?: Uint8Array;
  /** Read the content from this path of this machine instead. */
  readonly file?: string;
  /** Of `file` only these bytes. */
  readonly range?: { readonly offset: number; readonly sizeBytes: number };
  /** What the bytes of `file` must be, as hex; others are FILE_CHANGED. */
  readonly sha256?: string;
  /** The content is the next object of a pipe, which must be the blob with this id. */
  readonly object?: { readonly pipe: ObjectPipe; readonly oid: string };
  /** Of a symlink: its target. Of a hard link: the path of an earlier entry. */
  readonly linkname?: string;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

export interface WrittenLayer {
  /** `sha256:<hex>` of the tar. */
  readonly diffId: string;
  /** `sha256:<hex>` of the blob. */
  readonly digest: string;
  /** Of the blob. */
  readonly sizeBytes: number;
  /** Of the files in it. */
  readonly contentBytes: number;
  readonly entries: number;
}

export interface LayerWriter {
  /**
   * Adds entries in this order. Refuses (ENTRY_INVALID) a path that was written before, is not a plain relative one or
   * has a part that starts with `.wh.`. After a failure the layer is of no use: abort it.
   */
  write(entries: readonly LayerEntry[]): Promise<void>;
  finish(): Promise<WrittenLayer>;
  /** Stops and removes the file. Fine after `finish`, when it does nothing. */
  abort(): Promise<void>;
}

export interface ScannedEntry {
  /** Relative to the scanned path; empty for what is at that path itself. */
  readonly path: string;
  readonly type: Exclude<FileType, 'hardlink'> | 'socket';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file's content; 0 of anything else. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly linkname?: string;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  /** security.capability and user.*, when there are any. */
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** Hex, of files when hashes were asked for. */
  readonly sha256?: string;
  /** Of a file with more than one name (hard links): the same for each of them. */
  readonly inode?: string;
  /**
   * Of files when stamps were asked for: device, inode, size, modification and change time (seconds and nanoseconds each).
   * The kernel changes it when the content changes, but for changes within one tick of its clock.
   */
  readonly stamp?: string;
}

/** An entry of an archive, in its order: the path and the target are as written, and nothing is known to be sane. */
export interface ArchivedEntry extends Omit<ScannedEntry, 'type' | 'sha256' | 'inode' | 'stamp'> {
  readonly type: FileType;
  /** Where a file's `size` bytes are in the spool. */
  readonly offset: number;
}

/** An entry of a directory in a stack of lay-outs; `path` is its name. Only directories have their `xattrs`. */
export interface MergedEntry extends Omit<ScannedEntry, 'sha256' | 'inode' | 'stamp'> {
  /** Index of the lay-out that it is in. */
  readonly layer: number;
}

declare const handleBrand: unique symbol;
export interface Handle {
  readonly [handleBrand]: true;
}

/** What border.cc exports. */
interface Addon {
  newCancel(): Handle;
  cancel(cancel: Handle): void;
  newTarCopy(): Handle;
  openWriter(
    path: string,
    compression: Compression,
    threads: number,
    copy: Handle | undefined,
  ): Promise<Handle>;
  newPipe(): { pipe: Handle; writer: number };
  closePipe(pipe: Handle): void;
  writeEntries(
    writer: Handle,
    numbers: Float64Array,
    strings: Uint8Array,
    bytes: readonly Uint8Array[],
    pipes: readonly Handle[],
  ): Promise<void>;
  finishWriter(writer: Handle): Promise<WrittenLayer>;
  abortWriter(writer: Handle): Promise<void>;
  writeUpper(
    cancel: Handle,
    upper: string,
    lowers: readonly string[],
    path: string,
    compression: Compression,
    exclude: readonly string[],
    complete: boolean,
    newest: number | undefined,
    threads: number,
  ): Promise<WrittenLayer>;
  repack(
    cancel: Handle,
    blob: string,
    digest: string,
    diffId: string,
    path: string,
    compression: Compression,
    newest: number | undefined,
    threads: number,
  ): Promise<WrittenLayer>;
  apply(
    cancel: Handle,
    blob: string,
    digest: string,
    diffId: string,
    target: string,
    lowers: readonly string[],
    maxBytes: number | undefined,
    maxRatio: number | undefined,
    freshTimes: boolean | undefined,
    maxEntries: number | undefined,
    blobBytes: number | undefined,
    tar?: Handle,
  ): Promise<{ entries: number; contentBytes: number }>;
  mount(target: string, lowers: readonly string[], upper: string, work: string): Promise<void>;
  unmount(target: string): Promise<void>;
  lookIntoNetwork(
    namespace: string,
    settings: readonly string[],
    files: readonly string[],
  ): Promise<string[]>;
  startConfined(
    program: string,
    sealed: number,
    args: readonly string[],
    env: readonly string[],
    output: number,
    directories: readonly string[],
    settings: readonly string[],
    joins: readonly string[],
    hidden: readonly string[],
  ): Promise<Handle>;
  waitForConfined(cancel: Handle, process: Handle): Promise<number>;
  sealProgram(path: string): number;
  unpackArchive(
    cancel: Handle,
    archive: string,
    spool: string,
    maxBytes: number,
    maxRatio: number,
    maxEntries: number,
  ): Promise<ArchivedEntry[] | undefined>;
  scan(
    cancel: Handle,
    root: string,
    path: string,
    hash: boolean,
    shallow: boolean,
    hashOnly: readonly string[] | undefined,
    stamps: boolean,
    maxEntries: number | undefined,
  ): Promise<ScannedEntry[]>;
  merged(layouts: readonly string[], path: string): Promise<MergedEntry[] | undefined>;
  remove(path: string): Promise<void>;
  resolve(root: string, path: string): Promise<string>;
  usage(cancel: Handle, path: string): Promise<number>;
}

const addon: Addon = load();

/** This file runs as native/index.ts, as dist/native/index.js, and in the bundles of dist/run; the addon is built in one place. */
function load(): Addon {
  const places = ['./build/slipway.node', '../../native/build/slipway.node'];
  const found = places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('the native addon is not built: run `node native/build.mjs`');
  return createRequire(import.meta.url)(found) as Addon;
}

export interface LayerWriterOptions {
  readonly path: string;
  readonly compression: Compression;
  /** At most so many compress and hash; as many as there are processors by default. The bytes do not depend on it. */
  readonly threads?: number;
  /** Gets the tar as it is written: for {@link applyTar}, which must be at work. */
  readonly copy?: TarCopy;
}

/** The tar of one layer on its way from its writer to its lay-out, without a detour over blob and disk. */
export interface TarCopy {
  readonly handle: Handle;
}

export function newTarCopy(): TarCopy {
  return { handle: addon.newTarCopy() };
}

/** Starts a layer in a file, which is created or emptied. */
export function openLayerWriter(options: LayerWriterOptions): LayerWriter {
  checkPath('path', options.path);
  return new OpenLayer(options);
}

class OpenLayer implements LayerWriter {
  readonly #writer: Promise<Handle>;
  #last: Promise<unknown>;
  #closed = false;

  constructor({ path, compression, threads, copy }: LayerWriterOptions) {
    this.#writer = addon.openWriter(path, compression, checkThreads(threads), copy?.handle);
    this.#last = this.#writer;
    // Whoever writes or finishes next gets this failure; until then it is not an unhandled one.
    this.#last.catch(() => {});
  }

  write(entries: readonly LayerEntry[]): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the layer is finished'));
    return this.#then(async (writer) => {
      const { numbers, strings, bytes, pipes } = packEntries(entries);
      const handles = pipes.map(({ handle }) => handle);
      await addon.writeEntries(writer, numbers, strings, bytes, handles);
    });
  }

  finish(): Promise<WrittenLayer> {
    if (this.#closed) return Promise.reject(new Error('the layer is finished'));
    this.#closed = true;
    return this.#then((writer) => addon.finishWriter(writer));
  }

  async abort(): Promise<void> {
    this.#closed = true;
    await this.#last.catch(() => {});
    const writer = await this.#writer.catch(() => undefined);
    if (writer !== undefined) await addon.abortWriter(writer);
  }

  /** One after the other; a failure fails all that follows, since the archive is cut off in the middle of an entry. */
  #then<T>(step: (writer: Handle) => Promise<T>): Promise<T> {
    const next = this.#last.then(async () => step(await this.#writer));
    next.catch(() => {});
    this.#last = next;
    return next;
  }
}

/** Takes the output of `git cat-file --batch` to a layer writer, without a detour through JavaScript. */
export interface ObjectPipe {
  /** What git gets as its standard output. Whoever starts git closes it when it has started. */
  readonly writer: number;
  readonly handle: Handle;
  /** When nobody reads any more. */
  close(): void;
}

export function openObjectPipe(): ObjectPipe {
  const { pipe, writer } = addon.newPipe();
  return { writer, handle: pipe, close: () => addon.closePipe(pipe) };
}

export interface UpperLayerOptions {
  readonly upper: string;
  /** Top first. */
  readonly lowers: readonly string[];
  readonly path: string;
  readonly compression: Compression;
  /**
   * Exact relative paths to leave out, such as mount points that were made for the step. A directory is left out only
   * if nothing in it is new.
   */
  readonly exclude?: readonly string[];
  /**
   * `upper` is the whole tree, such as a merged overlay whose lowest lay-outs are `lowers`: what only the lowers have is
   * gone, and what is the same as there is left out.
   */
  readonly complete?: boolean;
  /** Seconds since the epoch: a later time of an entry becomes this one in the layer. */
  readonly newest?: number;
  /** As of LayerWriterOptions. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Writes what an overlay's upper directory changes as a layer. The file is removed when it fails. */
export function writeUpperLayer(options: UpperLayerOptions): Promise<WrittenLayer> {
  const { upper, lowers, path, compression, exclude = [], complete = false, newest, signal } = options;
  const threads = checkThreads(options.threads);
  checkPath('upper', upper);
  checkPath('path', path);
  checkTime(newest);
  for (const lower of lowers) checkPath('lowers', lower);
  return cancellable(signal, (cancel) =>
    addon.writeUpper(cancel, upper, lowers, path, compression, exclude, complete, newest, threads),
  );
}

export interface RepackOptions {
  readonly blob: string;
  readonly digest: string;
  readonly diffId: string;
  /** Of the new blob. */
  readonly path: string;
  readonly compression: Compression;
  /** Seconds since the epoch: a later time of an entry becomes this one, and the diff id another. */
  readonly newest?: number;
  /** As of LayerWriterOptions. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Writes a layer's blob anew. Without `newest` the tar in it stays the same, byte for byte. */
export function repackLayer(options: RepackOptions): Promise<WrittenLayer> {
  const { blob, digest, diffId, path, compression, newest, signal } = options;
  const threads = checkThreads(options.threads);
  checkPath('blob', blob);
  checkPath('path', path);
  checkTime(newest);
  return cancellable(signal, (cancel) =>
    addon.repack(cancel, blob, digest, diffId, path, compression, newest, threads),
  );
}

export interface ApplyOptions {
  readonly blob: string;
  /** Of the blob's bytes; not checked when absent. */
  readonly digest?: string;
  readonly diffId: string;
  /** An empty directory. The caller removes it when this fails. */
  readonly target: string;
  /**
   * Top first. They give the metadata of directories that the layer implies, and what its hard links name. One that is not
   * there yet is waited for, when it is needed for that.
   */
  readonly lowers: readonly string[];
  /** Of tar. */
  readonly maxBytes?: number;
  /** Bytes of tar for each byte of blob, counted after 64 MiB; 1100 by default, which gzip cannot reach. */
  readonly maxRatio?: number;
  /** 2,000,000 by default. */
  readonly maxEntries?: number;
  /** Regular files get the present time instead of the layer's, to the fraction of a second. */
  readonly freshTimes?: boolean;
  /** How large the blob will be, while something else is still writing it. */
  readonly blobBytes?: number;
  readonly signal?: AbortSignal;
}

/** Lays a layer out as a directory in overlay's format. Throws unless every byte was as promised. */
export function applyLayer(options: ApplyOptions): Promise<{ entries: number; contentBytes: number }> {
  const {
    blob,
    digest = '',
    diffId,
    target,
    lowers,
    maxBytes,
    maxRatio,
    maxEntries,
    freshTimes,
    blobBytes,
    signal,
  } = options;
  checkPath('blob', blob);
  checkPath('target', target);
  for (const lower of lowers) checkPath('lowers', lower);
  for (const value of [digest, diffId]) {
    if (value !== '' && !/^sha256:[0-9a-f]{64}$/.test(value))
      throw new TypeError(`not a sha256 digest: ${value}`);
  }
  if (diffId === '') throw new TypeError('diffId is empty');
  for (const limit of [maxBytes, maxRatio, maxEntries, blobBytes]) {
    if (limit !== undefined && !(limit >= 1)) throw new TypeError(`a limit must be at least 1, not ${limit}`);
  }
  return cancellable(signal, (cancel) =>
    addon.apply(
      cancel,
      blob,
      digest,
      diffId,
      target,
      lowers,
      maxBytes,
      maxRatio,
      freshTimes,
      maxEntries,
      blobBytes,
    ),
  );
}

export interface ApplyTarOptions
  extends Pick<ApplyOptions, 'target' | 'lowers' | 'maxBytes' | 'maxEntries' | 'freshTimes' | 'signal'> {
  readonly tar: TarCopy;
}

/**
 * As {@link applyLayer}, of a layer that is being written. It rejects when that is not finished; when it does so for another
 * reason, the writer goes on without it.
 */
export function applyTar(options: ApplyTarOptions): Promise<{ entries: number; contentBytes: number }> {
  const { tar, target, lowers, maxBytes, maxEntries, freshTimes, signal } = options;
  checkPath('target', target);
  for (const lower of lowers) checkPath('lowers', lower);
  const own = [target, lowers, maxBytes, undefined, freshTimes, maxEntries, undefined] as const;
  return cancellable(signal, (cancel) => addon.apply(cancel, '', '', '', ...own, tar.handle));
}

export interface ArchiveOptions {
  /** A tar, or gzip or zstd of one. */
  readonly archive: string;
  /** A file to make: the bytes of all files of the archive, one after the other. */
  readonly spool: string;
  /** Of tar. */
  readonly maxBytes: number;
  /** Bytes of tar for each byte of archive, counted after 64 MiB. */
  readonly maxRatio: number;
  readonly maxEntries: number;
  readonly signal?: AbortSignal;
}

/** Takes an archive apart. Undefined for what does not begin as one; LAYER_INVALID for one that is damaged later. */
export function unpackArchive(options: ArchiveOptions): Promise<ArchivedEntry[] | undefined> {
  const { archive, spool, maxBytes, maxRatio, maxEntries, signal } = options;
  checkPath('archive', archive);
  checkPath('spool', spool);
  for (const limit of [maxBytes, maxRatio, maxEntries]) {
    if (!(limit >= 1)) throw new TypeError(`a limit must be at least 1, not ${limit}`);
  }
  return cancellable(signal, (cancel) =>
    addon.unpackArchive(cancel, archive, spool, maxBytes, maxRatio, maxEntries),
  );
}

export interface OverlayOptions {
  /** An empty directory. */
  readonly target: string;
  /** Top first. May be empty when there is an upper directory. */
  readonly lowers: readonly string[];
  /** Without one the mount is read-only. */
  readonly upper?: string;
  /** Empty, on the file system of `upper`. */
  readonly work?: string;
}

export async function mountOverlay(options: OverlayOptions): Promise<void> {
  const { target, lowers, upper, work } = options;
  if ((upper === undefined) !== (work === undefined)) throw new TypeError('upper and work go together');
  if (upper === undefined && lowers.length === 0) throw new TypeError('an overlay needs a directory');
  for (const path of [target, ...lowers]) checkPath('overlay', path);
  await addon.mount(target, lowers, upper ?? '', work ?? '');
}

/** Fine when nothing is mounted there. What is in use is detached and goes when its last user does. */
export async function unmount(target: string): Promise<void> {
  await addon.unmount(checkPath('target', target));
}

export interface NetworkView {
  /** Path of a network namespace. */
  readonly namespace: string;
  /** Files below /proc/sys/net, and what is written to each first. */
  readonly settings?: readonly (readonly [file: string, value: string])[];
  /** Files below /proc/net. */
  readonly files?: readonly string[];
}

/** The texts of those files as they are in a network namespace; an empty one for a file that the kernel has not. */
export async function lookIntoNetwork(view: NetworkView): Promise<string[]> {
  const { namespace, settings = [], files = [] } = view;
  return addon.lookIntoNetwork(checkPath('namespace', namespace), settings.flat(), files);
}

declare const sealedBrand: unique symbol;
/** A program on a read-only mount that nobody else sees; kept as long as this process lives. */
export type SealedProgram = number & { readonly [sealedBrand]: true };

/** Undefined where the kernel cannot (before 5.12). */
export function sealProgram(path: string): SealedProgram | undefined {
  const descriptor = addon.sealProgram(checkPath('program', path));
  return descriptor < 0 ? undefined : (descriptor as SealedProgram);
}

export interface ConfinedOptions {
  /** Absolute. */
  readonly program: string;
  /** Start it from there, so that nobody can write to it through /proc. */
  readonly sealed?: SealedProgram;
  /** Without the program's name, which goes first. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Descriptor that becomes stdout and stderr. Stays open until the promise is settled. */
  readonly output: number;
  /** Directories to make first, in this order: cgroups. */
  readonly directories?: readonly string[];
  /** Then: file, and what is written to it. */
  readonly settings?: readonly (readonly [path: string, value: string])[];
  /** `tasks` files of cgroups (v1) that it is in from its start. */
  readonly joins?: readonly string[];
  /** Mount points, absolute, that it does not see: the directory that each is in lies over it. */
  readonly hidden?: readonly string[];
}

/**
 * Starts a program in a session of its own, in cgroups, with a view without some mounts; resolves when it runs. `ended` is
 * its exit code, or 128 and the number of the signal that ended it.
 */
export async function startConfined(options: ConfinedOptions): Promise<{ readonly ended: Promise<number> }> {
  const {
    program,
    sealed,
    args,
    env,
    output,
    directories = [],
    settings = [],
    joins = [],
    hidden = [],
  } = options;
  for (const path of [program, ...directories, ...joins, ...hidden]) checkPath('path', path);
  const words = [program, ...args];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const pairs = settings.flat();
  const process = await addon.startConfined(
    program,
    sealed ?? -1,
    words,
    variables,
    output,
    directories,
    pairs,
    joins,
    hidden,
  );
  return { ended: addon.waitForConfined(addon.newCancel(), process) };
}

export interface ScanOptions {
  readonly root: string;
  /** Inside the root. Symlinks on the way are followed inside it; one at the end is an entry (see `resolveIn`). */
  readonly path: string;
  readonly hash: boolean;
  /** With `hash`: of these files alone, by their paths as the entries have them. */
  readonly hashOnly?: readonly string[];
  /** Of a directory only what is directly in it. */
  readonly shallow?: boolean;
  readonly stamps?: boolean;
  /** Where there are more it rejects with E2BIG. Default: as many as there are. */
  readonly maxEntries?: number;
  readonly signal?: AbortSignal;
}

/** The entries at and below a path, in tree order, names in byte order. */
export function scanTree(options: ScanOptions): Promise<ScannedEntry[]> {
  const { root, path, hash, hashOnly, shallow = false, stamps = false, maxEntries, signal } = options;
  checkPath('root', root);
  if (path.includes('\0')) throw new TypeError('path holds a NUL');
  return cancellable(signal, (cancel) =>
    addon.scan(cancel, root, path, hash, shallow, hashOnly, stamps, maxEntries),
  );
}

/**
 * Follows every symlink of `path` inside `root`, as if the root were `/`; what does not exist yet is kept as it is.
 * Relative to the root, without a leading slash; empty for the root itself. Rejects with ELOOP after 40 symlinks.
 */
export async function resolveIn(root: string, path: string): Promise<string> {
  if (path.includes('\0')) throw new TypeError('path holds a NUL');
  return await addon.resolve(checkPath('root', root), path);
}

/**
 * What a directory holds in a stack of lay-outs (top first), as overlayfs would merge them, without mounting; by name.
 * Undefined when there is no such directory. `path` is relative; no symlink on the way is followed.
 */
export async function mergedDirectory(
  layouts: readonly string[],
  path: string,
): Promise<MergedEntry[] | undefined> {
  for (const layout of layouts) checkPath('layouts', layout);
  if (
    path !== '' &&
    path.split('/').some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))
  ) {
    throw new TypeError(`not a plain relative path: ${JSON.stringify(path)}`);
  }
  return await addon.merged(layouts, path);
}

/** Removes a file or a whole tree, whatever its names and owners, without following a symlink. Fine when it is gone. */
export async function removeTree(path: string): Promise<void> {
  await addon.remove(checkPath('path', path));
}

/** Bytes on disk below a path; hard links once. */
export function diskUsage(path: string, signal?: AbortSignal): Promise<number> {
  checkPath('path', path);
  return cancellable(signal, (cancel) => addon.usage(cancel, path));
}

function checkPath(name: string, path: string): string {
  if (path === '' || path.includes('\0'))
    throw new TypeError(`${name} is not a path: ${JSON.stringify(path)}`);
  return path;
}

/** 0 is what the addon takes for the number of processors. */
function checkThreads(threads = 0): number {
  if (!Number.isInteger(threads) || threads < 0) throw new TypeError(`not a number of threads: ${threads}`);
  return threads;
}

function checkTime(seconds: number | undefined): void {
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 0))
    throw new TypeError(`not a time: ${seconds}`);
}

/** Ties a signal to the addon's own flag. An aborted task rejects with the signal's reason. */
async function cancellable<T>(
  signal: AbortSignal | undefined,
  start: (cancel: Handle) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const cancel = addon.newCancel();
  const onAbort = (): void => addon.cancel(cancel);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await start(cancel);
  } catch (error) {
    if (signal?.aborted && (error as { code?: unknown }).code === 'CANCELLED') throw signal.reason;
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

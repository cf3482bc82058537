/**
 * One growing file, watched once however many follow it: one descriptor, one inotify watch, one read per growth that
 * all followers share. Beside the watch it looks every second, since inotify does not see every file system.
 */
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isErrno } from '../errors.js';

const POLL_MS = 1000;
/** What followers at the end of the file are served from; one that is further behind reads for itself. */
const RECENT_BYTES = 256 * 1024;
const EMPTY = Buffer.alloc(0);

export class Tail {
  readonly #path: string;
  readonly #waiting = new Set<() => void>();
  readonly #poll: NodeJS.Timeout;
  #file: FileHandle | undefined;
  #watcher: FSWatcher | undefined;
  #sizeBytes = 0;
  #recent: Buffer = EMPTY;
  #looking: Promise<void> | undefined;
  #again = false;
  #failure: unknown;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
    this.#poll = setInterval(() => void this.look(), POLL_MS);
    this.#watch();
  }

  /** Calls back once, when the file reaches past `offset` (at once if it does) or cannot be read any more. */
  onGrowth(offset: number, wake: () => void): () => void {
    if (this.#sizeBytes > offset || this.#failure !== undefined) wake();
    else this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  /** What is known to be in the file from this offset on, at most `maxBytes`; empty at the end. Shared: not to be changed. */
  async read(offset: number, maxBytes: number): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure;
    const available = this.#sizeBytes - offset;
    if (available <= 0 || this.#file === undefined) return EMPTY;
    const recentFrom = this.#sizeBytes - this.#recent.length;
    if (offset >= recentFrom)
      return this.#recent.subarray(offset - recentFrom, offset - recentFrom + maxBytes);
    return readAt(this.#file, offset, Math.min(available, maxBytes));
  }

  /** Brings the known size up to date. Resolves after a look that began after this call. */
  look(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#again = true;
    this.#looking ??= this.#lookUntilStill();
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    this.#watcher?.close();
    await this.#looking;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #lookUntilStill(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#lookOnce();
      } catch (error) {
        this.#failure = error;
        this.#wakeAll();
      }
    }
    // In the same turn as the last test of #again: a later call must begin a look of its own.
    this.#looking = undefined;
  }

  async #lookOnce(): Promise<void> {
    if (this.#watcher === undefined) this.#watch();
    this.#file ??= await openIfThere(this.#path);
    if (this.#file === undefined) return;
    const { size } = await this.#file.stat();
    if (size <= this.#sizeBytes) return;
    const growth = size - this.#sizeBytes;
    if (growth > RECENT_BYTES) {
      this.#recent = EMPTY;
      this.#sizeBytes = size;
    } else {
      const added = await readAt(this.#file, this.#sizeBytes, growth);
      this.#recent = Buffer.concat([this.#recent, added]).subarray(-RECENT_BYTES);
      this.#sizeBytes += added.length;
    }
    this.#wakeAll();
  }

  #wakeAll(): void {
    const wakes = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of wakes) wake();
  }

  /** The directory, not the file: the file may not be there yet. */
  #watch(): void {
    const name = basename(this.#path);
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, changed) => {
        if (changed === null || changed === name) void this.look();
      });
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch {
      // No directory yet, or no watches left (fs.inotify.max_user_watches): the poll sees it a little later.
      this.#watcher = undefined;
    }
  }
}

/** Bytes of an open file from an offset; fewer than `length` only at its end. */
export async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const data = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(data, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return data.subarray(0, filled);
}

export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

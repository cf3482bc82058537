/**
 * Watches what a step writes. Asking the file system for its free space costs nothing, but others write too: only when
 * it fell by more than the step may write is the step's own directory measured.
 */
import { lstat, opendir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../../errors.js';

const INTERVAL_MS = 300;
/** Measuring may take at most this part of the time. */
const MEASURE_SHARE = 1 / 5;
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.02;

export type MeasureDisk = (path: string) => Promise<number>;

export interface DiskWatchOptions {
  readonly path: string;
  readonly alsoPaths?: readonly string[];
  /** Directories that held something before: what is added counts. */
  readonly growingPaths?: readonly string[];
  readonly limitBytes: number;
  readonly measure: MeasureDisk;
  /** Called once, when the step has to be ended. */
  readonly onExceeded: (reason: 'disk_limit' | 'disk_full') => void;
}

/** Throws `disk_full` when there is no room to begin with. Ends with `stop`. */
export async function watchDisk(options: DiskWatchOptions): Promise<{ stop(): Promise<void> }> {
  const start = await space(options.path);
  if (start.available < start.reserve) {
    throw new SlipwayError('disk_full', "the builder's disk is almost full", {
      where: options.path,
      hint: 'free some space or give SLIPWAY_HOME a larger disk, then push again',
      temporary: true,
    });
  }
  let baseline = start.free;
  let measured = 0;
  let nextMeasure = 0;
  let stopped = false;
  const { alsoPaths = [], growingPaths = [], limitBytes, measure } = options;
  const sizeOf = async (paths: readonly string[]): Promise<number> => {
    let bytes = 0;
    for (const path of paths) bytes += await measure(path);
    return bytes;
  };
  // A large cache takes long to measure: only once somebody writes much. Half of the limit may be in it by then.
  let grownFrom: number | undefined;

  const look = async (): Promise<'disk_limit' | 'disk_full' | undefined> => {
    const now = await space(options.path);
    if (now.available < now.reserve) return 'disk_full';
    const written = measured + baseline - now.free;
    if (grownFrom === undefined && growingPaths.length > 0 && written > limitBytes / 2)
      grownFrom = await sizeOf(growingPaths);
    if (written <= limitBytes || performance.now() < nextMeasure) return undefined;
    const before = performance.now();
    measured = await sizeOf([options.path, ...alsoPaths]);
    if (grownFrom !== undefined) measured += Math.max(0, (await sizeOf(growingPaths)) - grownFrom);
    baseline = now.free;
    nextMeasure = performance.now() + (performance.now() - before) / MEASURE_SHARE;
    return measured > limitBytes ? 'disk_limit' : undefined;
  };

  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  const next = (): void => {
    timer = setTimeout(() => {
      looking = look().then(
        (reason) => {
          if (stopped) return;
          if (reason === undefined) next();
          else options.onExceeded(reason);
        },
        () => stopped || next(), // the path is looked at again
      ) as Promise<void>;
    }, INTERVAL_MS);
  };
  next();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

async function space(path: string): Promise<{ free: number; available: number; reserve: number }> {
  const { bsize, blocks, bfree, bavail } = await statfs(path);
  return {
    free: bfree * bsize,
    available: bavail * bsize,
    reserve: Math.min(RESERVE_BYTES, blocks * bsize * RESERVE_SHARE),
  };
}

/** Bytes that a directory takes on the disk, hard links counted once. What vanishes meanwhile counts as nothing. */
export async function measureDisk(path: string): Promise<number> {
  const links = new Set<number>();
  const walk = async (directory: string): Promise<number> => {
    let bytes = 0;
    for await (const entry of await opendir(directory)) {
      const child = join(directory, entry.name);
      bytes += await lstat(child).then((stat) => {
        if (stat.nlink > 1 && !stat.isDirectory()) {
          if (links.has(stat.ino)) return 0;
          links.add(stat.ino);
        }
        return stat.blocks * 512;
      }, gone);
      if (entry.isDirectory()) bytes += await walk(child).catch(gone);
    }
    return bytes;
  };
  return walk(path);
}

function gone(error: unknown): number {
  if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return 0;
  throw error;
}

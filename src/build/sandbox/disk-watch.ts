/**
 * Watches what a step writes. Asking the file system for its free space costs nothing, but others write and remove too: when
 * it fell by more than the step may write, the step's own directory is measured at once, and from time to time whatever
 * it says.
 */
import { statfs } from 'node:fs/promises';
import { diskUsage } from '../../../native/index.js';
import { SlipwayError } from '../../errors.js';

const INTERVAL_MS = 300;
/** Measuring may take at most this part of the time: where the free space says that it is due, and where it does not. */
const MEASURE_SHARE = 1 / 5;
const ROUTINE_SHARE = 1 / 20;
const ROUTINE_MS = 2_000;
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.02;

export interface DiskWatchOptions {
  readonly path: string;
  readonly alsoPaths?: readonly string[];
  /** Directories that held something before: what is added counts. */
  readonly growingPaths?: readonly string[];
  readonly limitBytes: number;
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
  let nextRoutine = performance.now() + ROUTINE_MS;
  let stopped = false;
  const { alsoPaths = [], growingPaths = [], limitBytes } = options;
  const sizeOf = async (paths: readonly string[]): Promise<number> => {
    let bytes = 0;
    for (const path of paths) bytes += await diskUsage(path);
    return bytes;
  };
  // Most steps have ended before the first look, and need not wait until a large cache is measured.
  let grownFrom: number | undefined;

  const look = async (): Promise<'disk_limit' | 'disk_full' | undefined> => {
    const now = await space(options.path);
    if (now.available < now.reserve) return 'disk_full';
    grownFrom ??= await sizeOf(growingPaths);
    const isSuspect = measured + baseline - now.free > limitBytes;
    const before = performance.now();
    if (before < (isSuspect ? nextMeasure : nextRoutine)) return undefined;
    const grown = Math.max(0, (await sizeOf(growingPaths)) - grownFrom);
    measured = grown + (await sizeOf([options.path, ...alsoPaths]));
    baseline = now.free;
    const after = performance.now();
    nextMeasure = after + (after - before) / MEASURE_SHARE;
    nextRoutine = after + Math.max(ROUTINE_MS, (after - before) / ROUTINE_SHARE);
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

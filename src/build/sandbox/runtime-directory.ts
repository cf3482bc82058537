/**
 * Where what runs is kept: in memory where there is any. What a killed builder left of a step's variables is then on no disk,
 * and a file system that finds inodes slowly after many were removed does not see those of each step.
 */
import { lstat, mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../errors.js';

/** linux/magic.h TMPFS_MAGIC */
const TMPFS_MAGIC = 0x01021994;
const PLACES = ['/run', '/dev/shm'];
const NAME = 'slipway-sandbox';

/** `onDisk`, unless a directory in memory can be had that only root reaches. */
export async function runtimeDirectory(onDisk: string, places: readonly string[] = PLACES): Promise<string> {
  if (process.getuid?.() !== 0) return onDisk;
  for (const place of places) {
    const { type } = await statfs(place).catch(() => ({ type: 0 }));
    const directory = join(place, NAME);
    if (type === TMPFS_MAGIC && (await isOurs(directory))) return directory;
  }
  return onDisk;
}

/** Everybody may write to /dev/shm: somebody else may have put something there by this name. */
async function isOurs(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) return false;
  }
  const found = await lstat(directory).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === 0 && (found.mode & 0o777) === 0o700;
}

/** Whether a disk has room for what is about to begin: better refused with a reason now than broken off half-way. */
import { statfs } from 'node:fs/promises';
import { SlipwayError } from './errors.js';
import { formatBytes } from './format-bytes.js';

export interface RoomWish {
  /** A directory on the disk. */
  readonly path: string;
  readonly neededBytes: number;
  /** Completes the sentence "there is too little room to …". */
  readonly doing: string;
  readonly hint: string;
}

/** Throws `disk_full`. */
export async function checkRoom({ path, neededBytes, doing, hint }: RoomWish): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (free >= neededBytes) return;
  throw new SlipwayError(
    'disk_full',
    `there is too little room to ${doing}: ${formatBytes(free)} are free, ${formatBytes(neededBytes)} are needed`,
    { where: path, hint, temporary: true },
  );
}

/**
 * Files are written without a sync, since that would cost more than making them again. After a reboot that may have
 * been a power cut, what was made in the last moments before it can be torn, so it is not trusted.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Linux writes dirty pages back after 30 s, looking every 5 s (vm.dirty_expire_centisecs); with room to spare. */
const WRITTEN_BACK_MS = 120_000;

export interface Made {
  readonly name: string;
  /** When it was finished, in ms since the epoch. */
  readonly at: number;
}

/** Those of `made` that may be torn: finished shortly before the machine went down, if it did since the last call. */
export async function possiblyTorn(directory: string, made: readonly Made[]): Promise<readonly Made[]> {
  const file = join(directory, 'boot');
  const now = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === now) return [];
  await writeFile(`${file}.${process.pid}`, now);
  await rename(`${file}.${process.pid}`, file);
  if (before === undefined) return [];
  const last = Math.max(0, ...made.map(({ at }) => at));
  return made.filter(({ at }) => at > last - WRITTEN_BACK_MS);
}

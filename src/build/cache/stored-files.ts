/** Files of one directory of the builder's store that are named by a key, as the cleaning sees them. */
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a file of a few hundred bytes takes on the disk. */
const BLOCK_BYTES = 4096;
/** Nobody writes for so long: what is still there was left by a killed process. */
const LEFT_AFTER_MS = 60 * 60_000;

export interface StoredFile {
  readonly key: string;
  readonly sizeBytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

/** Those whose name is a key and `suffix`. Also clears away what killed processes left half written. */
export async function storedFiles(directory: string, suffix: string): Promise<readonly StoredFile[]> {
  const found: StoredFile[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined) continue;
    if (name.endsWith(suffix)) {
      const sizeBytes = Math.max(BLOCK_BYTES, stats.size);
      found.push({ key: name.slice(0, -suffix.length), sizeBytes, lastUsedAt: stats.mtimeMs });
    } else if (stats.isFile() && Date.now() - stats.mtimeMs > LEFT_AFTER_MS) {
      await rm(path, { force: true });
    }
  }
  return found;
}

/** The file is whole or not there, whenever the process is killed. `text` may hold secrets of the app: only root reads it. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Removes the file unless it was used after `lastUsedAt`. */
export async function unusedRemoved(path: string, lastUsedAt: number): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined || stats.mtimeMs > lastUsedAt) return false;
  // Used just now all the same: then it is written again the next time.
  await rm(path, { force: true });
  return true;
}

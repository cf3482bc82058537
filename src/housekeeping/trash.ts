/** What lies in a `.trash`: repositories and records of destroyed apps, moved aside in one step and kept in case it was a mistake. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.js';

/** A week, in ms. */
export const TRASH_KEPT_MS: number = 7 * 24 * 60 * 60_000;

/**
 * Removes what has lain there for longer than `keepMs`, each after `before` has seen its name. What that throws ends it. A directory
 * without a trash is fine.
 */
export async function emptyTrash(
  directory: string,
  keepMs: number,
  signal: AbortSignal,
  before?: (name: string) => Promise<void>,
): Promise<void> {
  const trash = join(directory, '.trash');
  const names = await readdir(trash).catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT')) return [];
    throw thrown;
  });
  for (const name of names) {
    signal.throwIfAborted();
    const path = join(trash, name);
    // A rename changes neither the times of the files nor of the directory, but its status (rename(2)).
    const movedAt = (await stat(path)).ctimeMs;
    if (Date.now() - movedAt < keepMs) continue;
    await before?.(name);
    await rm(path, { recursive: true, force: true });
  }
}

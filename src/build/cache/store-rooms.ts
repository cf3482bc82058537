/** What the cleaning of the builder's store can remove: each kind of entry, how large it is and when it was used last. */
import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskUsage, removeTree } from '../../../native/index.js';
import { isErrno } from '../../errors.js';
import { knownDownloads } from '../add/url-source.js';
import type { BuilderStore } from '../builder-store.js';
import { HASHES_SUFFIX, hashesDirectory } from '../context/known-hashes.js';
import { cacheMountRoom } from '../mounts/cache-room.js';
import type { StoreEntry, StoreRoom } from './store-entry.js';
import { type StoredFile, storedFiles, unusedRemoved } from './stored-files.js';

/** Commits of other repositories are kept in it, each a directory `<name>.git`: see context/git-remotes.ts. */
export function remotesDirectory(store: string): string {
  return join(store, 'git');
}

/** Nobody fetches for so long: what is still there was left by a killed process. */
const LEFT_AFTER_MS = 60 * 60_000;

/** What is made again with the least work first. */
export function roomsOf(store: BuilderStore): readonly StoreRoom[] {
  return [
    layouts(store),
    blobs(store),
    remotes(remotesDirectory(store.directory)),
    cacheMountRoom(store.directory),
    downloads(store.directory),
    knownHashes(hashesDirectory(store.directory)),
    files(store.steps.histories),
    files(store.steps.selections),
    files(store.builds),
    files(store.wholes),
    files(store.steps.steps),
  ];
}

function blobs({ blobs }: BuilderStore): StoreRoom {
  return async () =>
    (await blobs.list()).map((blob) => ({ ...blob, remove: () => blobs.removeUnused(blob) }));
}

/** Layers as directories, and the contexts that mounts show. */
function layouts({ layers }: BuilderStore): StoreRoom {
  return async (signal) => {
    const entries: StoreEntry[] = [];
    for (const layout of await layers.list()) {
      const sizeBytes = await sizeOf(() => layers.size(layout.chainId, signal));
      entries.push({ ...layout, sizeBytes, remove: () => layers.removeUnused(layout) });
    }
    return entries;
  };
}

/** A step whose layer is gone is no hit: its entry stays until its own turn, and is replaced when the step runs again. */
function files(of: {
  list(): Promise<readonly StoredFile[]>;
  removeUnused(file: StoredFile): Promise<boolean>;
}): StoreRoom {
  return async () => (await of.list()).map((file) => ({ ...file, remove: () => of.removeUnused(file) }));
}

/** What is known of URLs that were fetched; their bytes are blobs. */
function downloads(directory: string): StoreRoom {
  return async (signal) => {
    const known = knownDownloads(directory);
    await known.open();
    return files(known)(signal);
  };
}

function knownHashes(directory: string): StoreRoom {
  return files({
    list: () => storedFiles(directory, HASHES_SUFFIX).catch(() => []),
    removeUnused: ({ key, lastUsedAt }) =>
      unusedRemoved(join(directory, `${key}${HASHES_SUFFIX}`), lastUsedAt),
  });
}

function remotes(directory: string): StoreRoom {
  return async (signal) => {
    const entries: StoreEntry[] = [];
    for (const name of await readdir(directory).catch((): string[] => [])) {
      const path = join(directory, name);
      const lastUsedAt = await usedAt(path);
      if (lastUsedAt === undefined) continue;
      if (name.endsWith('.git')) {
        const sizeBytes = await sizeOf(() => diskUsage(path, signal));
        entries.push({ lastUsedAt, sizeBytes, remove: () => removeDirectory(path, lastUsedAt) });
      } else if (Date.now() - lastUsedAt > LEFT_AFTER_MS) {
        await removeTree(path);
      }
    }
    return entries;
  };
}

async function removeDirectory(path: string, lastUsedAt: number): Promise<boolean> {
  if ((await usedAt(path)) !== lastUsedAt) return false;
  const grave = `${path}.removed-${process.pid}`;
  try {
    await rename(path, grave);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
  await removeTree(grave);
  return true;
}

async function usedAt(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.mtimeMs;
}

/** What another process has removed meanwhile takes nothing. */
async function sizeOf(measure: () => Promise<number>): Promise<number> {
  try {
    return await measure();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** The store of `slipway build`: where it is, how it is shared, and its budget. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type BuilderStore, openBuilderStore } from '../build/builder-store.js';
import { cleanStore } from '../build/cache/clean-store.js';
import type { Config } from '../config.js';
import { isErrno, SlipwayError } from '../errors.js';

export interface LocalStore {
  readonly store: BuilderStore;
  /** Ends the use; then cleans the store to its budget. */
  close(): Promise<void>;
}

/** `$SLIPWAY_BUILD_STORE`, the user's cache directory, or for root one for the machine. */
export function defaultStore(env: NodeJS.ProcessEnv): string {
  if (env.SLIPWAY_BUILD_STORE) return env.SLIPWAY_BUILD_STORE;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'slipway', 'build');
  if (process.getuid?.() === 0) return '/var/cache/slipway/build';
  return join(env.HOME || homedir(), '.cache', 'slipway', 'build');
}

/** Counts as a running build until it is closed. Throws `unavailable` where the directory cannot be written. */
export async function openLocalStore(
  directory: string,
  config: Pick<Config, 'limits' | 'storeBudgetBytes'>,
): Promise<LocalStore> {
  return accessible(directory, async () => {
    const store = await openBuilderStore(directory, config.limits);
    const running = await store.running.begin();
    return {
      store,
      close: async () => {
        await running[Symbol.asyncDispose]();
        // What another build uses, here or in another process, stays: it says when it began.
        await cleanStore(store, { bytes: config.storeBudgetBytes, keepMs: 0 });
      },
    };
  });
}

async function accessible<T>(directory: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!isErrno(error, 'EACCES') && !isErrno(error, 'EPERM') && !isErrno(error, 'EROFS')) throw error;
    throw new SlipwayError('unavailable', `the store ${directory} cannot be written: ${error.code}`, {
      hint: 'name another with --store DIR or SLIPWAY_BUILD_STORE, or run: sudo slipway build …',
      cause: error,
    });
  }
}

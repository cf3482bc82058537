/** Cache mounts among what the cleaning of the store may remove: whole directories, and never one in use. */
import type { StoreEntry, StoreRoom } from '../cache/store-entry.js';
import { CacheMounts } from './cache-mounts.js';

/** `store`: the builder's directory. */
export function cacheMountRoom(store: string): StoreRoom {
  return async (signal) => {
    const entries: StoreEntry[] = [];
    for (const mount of await new CacheMounts(store).list()) {
      entries.push({
        lastUsedAt: mount.lastUsedAt,
        sizeBytes: await mount.size(signal),
        remove: () => mount.remove(),
      });
    }
    return entries;
  };
}

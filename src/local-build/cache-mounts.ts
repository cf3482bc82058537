/** `--cache-mounts-from` and `--cache-mounts-to`: the directories of RUN --mount=type=cache, shared through a registry. */
import type { BuilderStore } from '../build/builder-store.js';
import type { CachePlace } from '../build/cache/cache-place.js';
import { exportCacheMounts, importCacheMounts } from '../build/mounts/share-cache-mounts.js';
import type { RunSettings } from '../build/run-settings.js';
import { toSlipwayError } from '../errors.js';
import type { RegistryClient } from '../registry/client.js';
import { placeOf } from './cache.js';
import type { LocalBuild } from './options.js';
import { inPhase, type Printer } from './printers/printer.js';
import { CACHE_SCOPE } from './run-values.js';

export interface CacheMountTools {
  readonly registry: RegistryClient;
  readonly store: BuilderStore;
  readonly printer: Printer;
}

/** Brings those that are not here, before the first step that uses any; what fails is told, and the step begins with its own. */
export function importing(
  { cacheMountsFrom: from }: Pick<LocalBuild, 'cacheMountsFrom'>,
  { registry, store, printer }: CacheMountTools,
): Pick<RunSettings, 'beforeCaches'> {
  if (from.length === 0) return {};
  const note = (text: string): void => printer.event({ type: 'note', text });
  let imported: Promise<void> | undefined;
  const importAll = async (signal: AbortSignal): Promise<void> => {
    for (const reference of from) {
      try {
        const ids = await importCacheMounts(CACHE_SCOPE, placeOf(reference), { registry, store, signal });
        if (ids.length > 0) note(`cache mounts from ${reference}: ${ids.join(', ')}`);
      } catch (error) {
        signal.throwIfAborted();
        note(`the cache mounts of ${reference} are of no help: ${toSlipwayError(error).message}`);
      }
    }
  };
  return {
    beforeCaches: (signal) => {
      imported ??= importAll(signal);
      return imported;
    },
  };
}

/** Writes those that were used since they were written last. Throws what the registry says. */
export async function exportMounts(
  { cacheMountsTo: to }: Pick<LocalBuild, 'cacheMountsTo'>,
  { registry, store, printer }: CacheMountTools,
  signal: AbortSignal,
): Promise<void> {
  if (to === undefined) return;
  const place: CachePlace = placeOf(to);
  await inPhase(printer, `exporting the cache mounts to ${to}`, () =>
    exportCacheMounts(CACHE_SCOPE, place, { registry, store, signal }),
  );
}

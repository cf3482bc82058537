/** What the RUN steps of an app's build are given on the platform, and what of it is shared with other builders. */
import type { Config } from '../config.js';
import { toSlipwayError } from '../errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { RegistryClient } from '../registry/client.js';
import type { BuilderStore } from './builder-store.js';
import { cacheMountsPlaceOf } from './cache/cache-place.js';
import { CacheMounts } from './mounts/cache-mounts.js';
import { exportCacheMounts, importCacheMounts } from './mounts/share-cache-mounts.js';
import { plainRunSettings, type RunSettings } from './run-settings.js';

/** A registry that is slower costs more than the caches save. */
const IMPORT_TIMEOUT_MS = 5 * 60_000;

export interface AppRunTools {
  readonly config: Pick<Config, 'registry' | 'shareCacheMounts'>;
  readonly ledger: Pick<Ledger, 'read' | 'revealConfig'>;
  readonly registry: RegistryClient;
  readonly builderStore: BuilderStore;
}

export interface AppScope {
  readonly app: string;
  /** Whose cache mounts: see `buildScope`. */
  readonly scope: string;
}

/**
 * The app's config vars are its build secrets: `RUN --mount=type=secret,id=NAME` gets the var of that name, as it is
 * when the step asks. No step gets one that does not name it, and none is an ARG. `note` tells of cache mounts that
 * came from another builder, or why they did not.
 */
export function appRunSettings(
  tools: AppRunTools,
  { app, scope }: AppScope,
  note: (text: string) => Promise<void>,
): RunSettings {
  const { ledger, config } = tools;
  let imported: Promise<void> | undefined;
  return {
    ...plainRunSettings(scope),
    secret: async (id) => {
      const vars = (await ledger.read(app)).config;
      const sealed = Object.hasOwn(vars, id) ? vars[id] : undefined;
      if (sealed === undefined) return undefined;
      return Buffer.from(ledger.revealConfig(app, { [id]: sealed })[id] ?? '');
    },
    ...(config.shareCacheMounts
      ? {
          beforeCaches: (signal) => {
            imported ??= importOnce(tools, { app, scope }, note, signal);
            return imported;
          },
        }
      : {}),
  };
}

/** Writes the app's cache mounts that were used, for other builders. For after a build. */
export async function shareCacheMounts(
  tools: AppRunTools,
  { app, scope }: AppScope,
  signal: AbortSignal,
): Promise<void> {
  const { registry, builderStore: store, config } = tools;
  await exportCacheMounts(scope, cacheMountsPlaceOf(app, config.registry.host), { registry, store, signal });
}

/** A builder that has any of the app's goes on with them. */
async function importOnce(
  { registry, builderStore: store, config }: AppRunTools,
  { app, scope }: AppScope,
  note: (text: string) => Promise<void>,
  building: AbortSignal,
): Promise<void> {
  if ((await new CacheMounts(store.directory).list(scope)).length > 0) return;
  const signal = AbortSignal.any([building, AbortSignal.timeout(IMPORT_TIMEOUT_MS)]);
  try {
    const ids = await importCacheMounts(scope, cacheMountsPlaceOf(app, config.registry.host), {
      registry,
      store,
      signal,
    });
    if (ids.length > 0) await note(`cache mounts of another builder: ${ids.join(', ')}`);
  } catch (error) {
    if (building.aborted) throw building.reason;
    await note(`the cache mounts in the registry are of no help: ${toSlipwayError(error).message}`);
  }
}

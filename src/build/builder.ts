/** Everything a builder process holds, opened together and closed together. */
import { join } from 'node:path';
import { type Config, homePaths } from '../config.js';
import { fastPaths } from '../fast-paths.js';
import { AppRepositories } from '../git/app-repository.js';
import { Git } from '../git/git.js';
import { ObjectPool } from '../git/object-pool.js';
import { openOutside } from '../git/outside/open.js';
import { startChores } from '../housekeeping/chores.js';
import { Ledger } from '../ledger/ledger.js';
import { PlatformLedger } from '../ledger/platform.js';
import { Vault } from '../ledger/vault.js';
import type { Logger } from '../log.js';
import { Queues } from '../queue/queues.js';
import { DeploymentStore } from '../records/deployments.js';
import { RegistryClient } from '../registry/client.js';
import { AddressGuard } from './add/address-guard.js';
import type { AppBuildTools } from './app-build.js';
import { openBuilderStore, sandboxDirectory } from './builder-store.js';
import { CacheExports } from './cache/cache-exports.js';
import { cleanStore } from './cache/clean-store.js';
import { GitRemotes } from './context/git-remotes.js';
import { TreeListings } from './context/tree-listings.js';
import { type BuilderTools, buildNext } from './job.js';
import { parseAllowList } from './sandbox/cidr.js';
import { Sandbox } from './sandbox/runtime.js';

/** Most rollouts are over by then. */
const EXPORT_REST_MS = 2000;
const CLEANING_MS = 10 * 60_000;
/** A commit of another repository that no build asked for in this time is fetched anew. */
const REMOTE_KEEP_MS = 24 * 60 * 60_000;

export interface Builder {
  /** See {@link buildNext}. */
  buildNext(app: string, lease: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What builds need, without the queue: held by a builder process. */
export interface HeldBuildTools {
  readonly tools: AppBuildTools & { readonly exports: CacheExports };
  close(): Promise<void>;
}

/** Opens the store, looks for an OCI runtime, and removes what a killed builder left. Throws `unavailable` without a runtime. */
export async function openBuildTools(config: Config, log: Logger): Promise<HeldBuildTools> {
  const paths = homePaths(config.home);
  const fast = fastPaths();
  const sandbox = await Sandbox.probe({
    stateDir: sandboxDirectory(paths.store),
    inMemory: true,
    fast,
    networkAllow: config.buildNetworkAllow,
    log,
  });
  // The steps of a killed builder end before the file systems below them are taken away.
  await sandbox.reap();
  const builderStore = await openBuilderStore(paths.store, config.limits, fast);
  // The first step's network is made ahead; a build does not wait for it.
  sandbox.warmUp();
  const git = new Git();
  const objects = new ObjectPool();
  const registry = RegistryClient.fromConfig(config, log);
  const exports = new CacheExports(builderStore, log, EXPORT_REST_MS);
  const allowed = parseAllowList(config.buildNetworkAllow);
  const remotes = new GitRemotes({
    git,
    directory: join(paths.store, 'git'),
    rules: { guard: () => AddressGuard.open(allowed) },
    maxBytes: config.limits.stepDiskBytes,
  });
  const tools = {
    config,
    log,
    git,
    remotes,
    objects,
    registry,
    builderStore,
    sandbox,
    ...(builderStore.fast.listings ? { listings: new TreeListings() } : {}),
    exports,
    store: new DeploymentStore(config.home),
    ledger: new Ledger(paths, git, await Vault.open(paths.secretKey), {
      fast: builderStore.fast,
      hasCommit: async (gitDir, oid) => (await objects.reader(gitDir).read(oid)).type === 'commit',
    }),
    repositories: new AppRepositories(paths, git),
  };
  return {
    tools,
    close: async () => {
      await exports.close();
      objects.close();
      remotes.close();
      registry.close();
      await sandbox.close();
    },
  };
}

/** See {@link openBuildTools}. */
export async function openBuilder(config: Config, log: Logger): Promise<Builder> {
  const held = await openBuildTools(config, log);
  const queues = new Queues(config.redisUrl, { log });
  const hostBook = new PlatformLedger(homePaths(config.home), held.tools.git).hosts;
  const outside = openOutside(config, held.tools);
  const tools: BuilderTools = { ...held.tools, hostBook, outside, queues, by: `builder ${process.pid}` };
  // What a running build uses stays anyway; an image that was built is pushed within the time of its build.
  const budget = { bytes: config.storeBudgetBytes, keepMs: config.limits.buildTimeoutMs };
  const cleaning = {
    name: 'store',
    everyMs: CLEANING_MS,
    run: async (signal: AbortSignal) => {
      await tools.remotes.forget(REMOTE_KEEP_MS);
      const { removedBytes } = await cleanStore(tools.builderStore, budget, signal);
      if (removedBytes > 0) log.info({ removedBytes }, 'cleaned the store');
    },
  };
  const chores = startChores([cleaning], log);
  return {
    buildNext: (app, lease) => buildNext(tools, app, lease),
    close: async () => {
      await chores.close();
      await queues.close();
      await held.close();
    },
  };
}

/** A build of an app's commit: what of the platform goes into its request and its tools. What a build does is build.ts. */
import type { Config } from '../config.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { Git } from '../git/git.js';
import type { ObjectPool } from '../git/object-pool.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Logger } from '../log.js';
import type { BuildLog } from '../logs/log-writer.js';
import type { DeploymentStore } from '../records/deployments.js';
import type { RegistryClient } from '../registry/client.js';
import { hostPlatform } from '../registry/pull.js';
import { openGitSource } from './add/git-source.js';
import { appRunSettings } from './app-run-settings.js';
import { buildImage } from './build.js';
import type { BuildResult, BuildTools } from './build-request.js';
import type { BuilderStore } from './builder-store.js';
import { cachePlaceOf } from './cache/cache-place.js';
import { RemoteCache } from './cache/remote-cache.js';
import { DEFAULT_BOUNDS } from './cache/remote-index.js';
import type { BuildContext } from './context/context.js';
import { GitContext } from './context/git-context.js';
import type { GitRemotes } from './context/git-remotes.js';
import { appImagePolicy } from './image-policy.js';
import { logEvents } from './log-events.js';
import { eachOf, outcomeEvents } from './outcome-events.js';
import { parseAllowList } from './sandbox/cidr.js';
import type { Sandbox } from './sandbox/runtime.js';

/** Where an app has its Dockerfile. */
export const DOCKERFILE = 'Dockerfile';

export interface AppBuildTools {
  readonly config: Config;
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
  readonly repositories: AppRepositories;
  readonly git: Git;
  /** Repositories that Dockerfiles name. */
  readonly remotes: GitRemotes;
  readonly objects: ObjectPool;
  readonly registry: RegistryClient;
  readonly builderStore: BuilderStore;
  readonly sandbox: Sandbox;
  readonly log: Logger;
}

/** The files of a commit of the app. */
export function appContext(
  { git, repositories, objects, config }: AppBuildTools,
  app: string,
  commit: string,
  signal: AbortSignal,
): Promise<GitContext> {
  const gitDir = repositories.path(app);
  return GitContext.open(commit, { git, gitDir, objects: objects.reader(gitDir) }, config.limits, signal);
}

export interface AppBuild {
  readonly app: string;
  /** Of the deployment. */
  readonly id: string;
  readonly context: BuildContext;
  readonly noCache: boolean;
  readonly remote: RemoteCache | undefined;
  /** Where its output goes. */
  readonly log: BuildLog;
  readonly onLayer?: BuildTools['onLayer'];
}

/** Throws what {@link buildImage} throws. */
export async function buildApp(
  tools: AppBuildTools,
  { app, id, context, noCache, remote, log, onLayer }: AppBuild,
  signal: AbortSignal,
): Promise<BuildResult> {
  const { builderStore, sandbox, registry, config, store } = tools;
  const outcomes = await outcomeEvents(store.stepsPath(app, id), (error) =>
    tools.log.warn({ err: error, build: id }, 'the outcomes of the steps are not recorded'),
  );
  return buildImage(
    {
      context,
      dockerfile: DOCKERFILE,
      buildArgs: {},
      platform: hostPlatform(),
      noCache,
      policy: appImagePolicy(config, app),
      run: appRunSettings(tools, app, (text) => log.body(`  ${text}`)),
      scope: app,
    },
    {
      store: builderStore,
      sandbox,
      registry,
      limits: config.limits,
      downloadAllow: parseAllowList(config.buildNetworkAllow),
      openGit: (wanted) => openGitSource(wanted, tools.remotes, config.limits, signal),
      listen: eachOf(outcomes, logEvents(log)),
      ...(remote === undefined ? {} : { remote }),
      ...(onLayer === undefined ? {} : { onLayer }),
      signal,
    },
  );
}

/** What the app's builders share through the registry; undefined where the operator wants none of it. */
export function appRemoteCache(
  { config, registry }: Pick<AppBuildTools, 'config' | 'registry'>,
  app: string,
  note: (text: string) => void,
  signal: AbortSignal,
): RemoteCache | undefined {
  if (config.remoteCacheBytes === 0) return undefined;
  const place = cachePlaceOf(app, config.registry.host);
  const bounds = { ...DEFAULT_BOUNDS, bytes: config.remoteCacheBytes };
  return new RemoteCache({ registry, from: [place], to: place, bounds, note, signal });
}

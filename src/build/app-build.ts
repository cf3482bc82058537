/** A build of an app's commit: what of the platform goes into its request and its tools. What a build does is build.ts. */
import type { Config } from '../config.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { Git } from '../git/git.js';
import type { ObjectPool } from '../git/object-pool.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Logger } from '../log.js';
import type { BuildLog } from '../logs/log-writer.js';
import type { DeploymentStore } from '../records/deployments.js';
import { OutcomeRecord } from '../records/step-outcomes.js';
import type { RegistryClient } from '../registry/client.js';
import { hostPlatform } from '../registry/pull.js';
import { openGitSource } from './add/git-source.js';
import { appRunSettings } from './app-run-settings.js';
import { buildImage } from './build.js';
import type { BuildRequest, BuildResult, BuildTools } from './build-request.js';
import type { BuilderStore } from './builder-store.js';
import { cachePlaceOf } from './cache/cache-place.js';
import { RemoteCache } from './cache/remote-cache.js';
import { DEFAULT_BOUNDS } from './cache/remote-index.js';
import { GitContext } from './context/git-context.js';
import type { GitRemotes } from './context/git-remotes.js';
import type { TreeListings } from './context/tree-listings.js';
import { appImagePolicy } from './image-policy.js';
import { logEvents } from './log-events.js';
import { BuildMemo } from './memo/build-memo.js';
import { eachOf, outcomeEvents } from './outcome-events.js';
import type { BuildListener } from './progress.js';
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
  /** Of earlier commits; without them each is listed from scratch. */
  readonly listings?: TreeListings;
  readonly registry: RegistryClient;
  readonly builderStore: BuilderStore;
  readonly sandbox: Sandbox;
  readonly log: Logger;
}

/** The id of the commit's tree. */
async function treeOf(
  { repositories, objects }: AppBuildTools,
  app: string,
  commit: string,
): Promise<string> {
  const { data } = await objects.reader(repositories.path(app)).read(commit);
  return /^tree ([0-9a-f]+)\n/.exec(data.toString('latin1'))?.[1] ?? commit;
}

/** What of the app's repository is built. */
export interface AppFiles {
  readonly app: string;
  readonly commit: string;
  /** The directory of the app; absent: the root. */
  readonly path?: string;
}

/** The files of a commit of the app. */
export function appContext(
  { git, repositories, objects, listings, config }: AppBuildTools,
  { app, commit, path }: AppFiles,
  signal: AbortSignal,
): Promise<GitContext> {
  const gitDir = repositories.path(app);
  const source = {
    git,
    gitDir,
    objects: objects.reader(gitDir),
    ...(listings === undefined ? {} : { listings }),
  };
  const options = path === undefined ? {} : { subdirectory: path };
  return GitContext.open(commit, source, config.limits, signal, options);
}

export interface AppBuild extends AppFiles {
  /** See {@link buildScope}. */
  readonly scope: string;
  /** Of the deployment. */
  readonly id: string;
  readonly noCache: boolean;
  readonly remote: RemoteCache | undefined;
  /** Where its output goes. */
  readonly log: BuildLog;
  readonly onLayer?: BuildTools['onLayer'];
}

/** Throws what {@link buildImage} throws. */
export async function buildApp(
  tools: AppBuildTools,
  { app, scope, id, commit, path, noCache, remote, log, onLayer }: AppBuild,
  signal: AbortSignal,
): Promise<BuildResult> {
  const { builderStore, sandbox, registry, config, store } = tools;
  await using record = new OutcomeRecord(store.stepsPath(app, id), (error) =>
    tools.log.warn({ err: error, build: id }, 'the outcomes of the steps are not recorded'),
  );
  const listen = eachOf(outcomeEvents(record), logEvents(log));
  const files: AppFiles = { app, commit, ...(path === undefined ? {} : { path }) };
  const request: Omit<BuildRequest, 'context'> = {
    dockerfile: DOCKERFILE,
    buildArgs: {},
    platform: hostPlatform(),
    noCache,
    policy: appImagePolicy(config, app),
    run: appRunSettings(tools, { app, scope }, (text) => log.body(`  ${text}`)),
    scope,
    thin: builderStore.fast.thin,
  };
  const memo = builderStore.fast.memo
    ? await appMemo(tools, { ...files, request, listen, remote }, signal)
    : undefined;
  const known = await memo?.recall();
  if (known !== undefined) return known;
  const context = await appContext(tools, files, signal);
  const result = await buildImage(
    { ...request, context },
    {
      store: builderStore,
      sandbox,
      registry,
      limits: config.limits,
      downloadAllow: parseAllowList(config.buildNetworkAllow),
      openGit: (wanted) => openGitSource(wanted, tools.remotes, config.limits, signal),
      listen: memo === undefined ? listen : eachOf(memo.listen, listen),
      ...(remote === undefined ? {} : { remote }),
      ...(onLayer === undefined ? {} : { onLayer }),
      ...(memo === undefined ? {} : { recall: (files) => memo.recallFiles(files) }),
      signal,
    },
  );
  await memo?.remember(result);
  return result;
}

interface MemoWanted extends AppFiles {
  readonly request: Omit<BuildRequest, 'context'>;
  readonly listen: BuildListener;
  readonly remote: RemoteCache | undefined;
}

async function appMemo(
  tools: AppBuildTools,
  { app, commit, path, request, listen, remote }: MemoWanted,
  signal: AbortSignal,
): Promise<BuildMemo> {
  const { dockerfile, buildArgs, platform, policy, scope, noCache, run, thin } = request;
  const { network, allow, cacheScope } = run;
  const isKnownHere = tools.listings?.has(tools.repositories.path(app)) ?? false;
  if (!isKnownHere && !noCache) remote?.prefetch();
  const identity = {
    // With the whole commit: attributes above the directory count for its files.
    tree: [await treeOf(tools, app, commit), ...(path === undefined ? [] : [path])].join(':'),
    dockerfile,
    buildArgs,
    platform,
    settings: { network, allow, cacheScope, thin },
    scope,
    limits: tools.config.limits,
  };
  return new BuildMemo(identity, {
    store: tools.builderStore,
    registry: tools.registry,
    isKnownHere,
    policy,
    scope,
    noCache,
    listen,
    ...(remote === undefined ? {} : { remote }),
    signal,
  });
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

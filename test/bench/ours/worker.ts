/**
 * A builder process without queues: opened as src/build/builder.ts does, asked over IPC, building as src/build/job.ts does.
 * Its settings come from the environment, like those of the real one.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { diskUsage } from '../../../native/index.js';
import { AddressGuard } from '../../../src/build/add/address-guard.js';
import { type AppBuildTools, appContext, appRemoteCache, buildApp } from '../../../src/build/app-build.js';
import type { BuildResult } from '../../../src/build/build-request.js';
import { openBuilderStore, sandboxDirectory } from '../../../src/build/builder-store.js';
import { CacheExports } from '../../../src/build/cache/cache-exports.js';
import { GitRemotes } from '../../../src/build/context/git-remotes.js';
import { pushBuiltImage } from '../../../src/build/push-image.js';
import { Sandbox } from '../../../src/build/sandbox/runtime.js';
import { homePaths, loadConfig } from '../../../src/config.js';
import { AppRepositories } from '../../../src/git/app-repository.js';
import { Git } from '../../../src/git/git.js';
import { ObjectPool } from '../../../src/git/object-pool.js';
import { Ledger } from '../../../src/ledger/ledger.js';
import { Vault } from '../../../src/ledger/vault.js';
import { createLogger } from '../../../src/log.js';
import { BuildLog } from '../../../src/logs/log-writer.js';
import { imageRepository } from '../../../src/model/image-repository.js';
import { DeploymentStore } from '../../../src/records/deployments.js';
import { readOutcomes } from '../../../src/records/step-outcomes.js';
import { RegistryClient } from '../../../src/registry/client.js';
import type { Answer, FromWorker, Request, ToWorker } from './messages.js';

interface Builder {
  readonly tools: AppBuildTools;
  readonly exports: CacheExports;
  close(): Promise<void>;
}

interface Last {
  readonly result: BuildResult;
  readonly id: string;
  readonly commit: string;
}

const builder = await open();
const last = new Map<string, Last>();
const never = new AbortController().signal;

process.on('message', (message: ToWorker) => {
  void answer(message.request).then(
    (given) => reply({ id: message.id, answer: given }),
    (error: Error) => reply({ id: message.id, error: error.stack ?? String(error) }),
  );
});
process.once('disconnect', () => void builder.close().then(() => process.exit(0)));
process.send?.('ready');

function reply(message: FromWorker): void {
  process.send?.(message);
}

async function open(): Promise<Builder> {
  const config = loadConfig();
  const log = createLogger('bench', config.logLevel);
  const paths = homePaths(config.home);
  const sandbox = await Sandbox.probe({
    stateDir: sandboxDirectory(paths.store),
    networkAllow: config.buildNetworkAllow,
    measure: diskUsage,
    log,
  });
  const builderStore = await openBuilderStore(paths.store, config.limits);
  sandbox.warmUp();
  const git = new Git();
  const objects = new ObjectPool();
  const registry = RegistryClient.fromConfig(config, log);
  const exports = new CacheExports(builderStore, log);
  const remotes = new GitRemotes({
    git,
    directory: join(paths.store, 'git'),
    rules: { guard: () => AddressGuard.open([]) },
  });
  const tools: AppBuildTools = {
    config,
    log,
    git,
    remotes,
    objects,
    registry,
    builderStore,
    sandbox,
    store: new DeploymentStore(config.home),
    ledger: new Ledger(paths, git, await Vault.open(paths.secretKey)),
    repositories: new AppRepositories(paths, git),
  };
  return {
    tools,
    exports,
    close: async () => {
      await exports.close();
      objects.close();
      remotes.close();
      registry.close();
      await sandbox.close();
    },
  };
}

async function answer(request: Request): Promise<Answer> {
  const { repositories } = builder.tools;
  switch (request.kind) {
    case 'create':
      await repositories.ensure(request.app, 'main');
      return { gitDir: repositories.path(request.app) };
    case 'build':
      return build(request);
    case 'push':
      await push(request.app);
      return imageOf(request.app);
    case 'stored': {
      const blobs = await builder.tools.builderStore.blobs.list();
      return { storedBytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
    }
    case 'settle':
      await builder.exports.settled();
      return {};
  }
}

async function build({
  app,
  commit,
  push: pushed,
  noCache,
}: Extract<Request, { kind: 'build' }>): Promise<Answer> {
  const { tools } = builder;
  const phases: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    phases[name] = performance.now() - started;
    return result;
  };
  const id = tools.store.newId();
  const path = tools.store.logPath(app, id);
  await mkdir(dirname(path), { recursive: true });
  const log = await BuildLog.open(path, tools.config.limits);
  try {
    await using _using = await tools.builderStore.running.begin();
    const remote = appRemoteCache(tools, app, () => undefined, never);
    const context = await timed('context', () => appContext(tools, app, commit, never));
    const result = await timed('build', () =>
      buildApp(tools, { app, id, context, noCache, remote, log }, never),
    );
    last.set(app, { result, id, commit });
    if (pushed) await timed('push', () => push(app));
    const outcomes = await readOutcomes(tools.store.stepsPath(app, id));
    for (const { step, text, result: how, ms } of outcomes)
      if (how === 'executed') phases[`step ${step} ${text.slice(0, 60)}`] = ms ?? 0;
    if (remote !== undefined) builder.exports.add(app, remote);
    const executedSteps = outcomes.filter((each) => each.result === 'executed').length;
    return { ...imageOf(app), phases, executedSteps };
  } finally {
    await log.close();
  }
}

async function push(app: string): Promise<void> {
  const { config, registry } = builder.tools;
  const { result, id, commit } = lastOf(app);
  await pushBuiltImage(config, registry, result, { app, buildId: id, commit }, never);
}

function imageOf(app: string): Answer {
  return { repository: imageRepository(app), digest: lastOf(app).result.image.digest };
}

function lastOf(app: string): Last {
  const found = last.get(app);
  if (found === undefined) throw new Error(`nothing was built for ${app}`);
  return found;
}

/**
 * The web process: receives pushes, serves the API, and reaches neither the builder's store nor a target host. It wires
 * the rooms together and owns their life.
 */
import { join } from 'node:path';
import { DeployerClient } from './api/deployer-client.js';
import { type Config, homePaths, loadConfig } from './config.js';
import { describeError, SlipwayError, toSlipwayError } from './errors.js';
import { fastPaths } from './fast-paths.js';
import { Acceptance } from './git/accept.js';
import { AppRepositories } from './git/app-repository.js';
import { Git } from './git/git.js';
import { hookProgram, installHook } from './git/hook-program.js';
import { HookServer } from './git/hook-server.js';
import { openOutside } from './git/outside/open.js';
import { GitServices } from './git/services.js';
import { smartHttp } from './git/smart-http.js';
import { checkGitVersion } from './git/version.js';
import { retentionParts } from './housekeeping/retention/open.js';
import { appDirectory } from './ledger/app-directory.js';
import { EventLog } from './ledger/event-log.js';
import { Ledger } from './ledger/ledger.js';
import { PlatformLedger } from './ledger/platform.js';
import { Vault } from './ledger/vault.js';
import { createLogger, type Logger } from './log.js';
import { Members } from './members/members.js';
import { loadPage } from './page.js';
import { Queues } from './queue/queues.js';
import { DeploymentStore } from './records/deployments.js';
import { RegistryClient } from './registry/client.js';
import { ReviewApps } from './reviews/review-apps.js';
import { projectRoot } from './root.js';
import { buildServer } from './server.js';
import { SshDoor } from './ssh/door.js';

/** How long requests under way may take when the process is asked to stop; pushes are only watched, so they are let go. */
const STOP_MS = 5_000;

async function start(config: Config, log: Logger): Promise<() => Promise<void>> {
  await checkGitVersion();
  const paths = homePaths(config.home);
  const git = new Git();
  const repositories = new AppRepositories(paths, git);
  // Nobody else receives pushes: what lies half done here is from a process that was killed.
  await repositories.sweep(0);
  const vault = await Vault.open(paths.secretKey);
  const ledger = new Ledger(paths, git, vault, {
    fast: fastPaths(),
    createRepository: (app) => repositories.ensure(app, config.deployBranch),
  });
  const platform = new PlatformLedger(paths, git);
  const store = new DeploymentStore(config.home);
  const queues = new Queues(config.redisUrl, { log });
  const registry = RegistryClient.fromConfig(config, log);
  const apps = appDirectory(ledger, platform.people);
  const reviews = new ReviewApps({
    config,
    ledger,
    people: platform.people,
    store,
    repositories,
    git,
    queues,
  });
  const acceptance = new Acceptance({
    store,
    repositories,
    git,
    apps,
    queues,
    members: new Members({ ledger, store, repositories, git }),
    reviews,
    defaultDeployBranch: config.deployBranch,
    limits: config.limits,
    log,
  });
  const outside = openOutside(config, { git, repositories, ledger });
  const hooks = new HookServer({
    socketPath: paths.hookSocket,
    receive: (push, viewer) => acceptance.receive(push, viewer),
    log,
  });
  const hooksDirectory = join(paths.run, 'hooks');
  await installHook(hooksDirectory, hookProgram());
  await hooks.start();

  const services = new GitServices({
    git,
    repositories,
    hooks,
    hooksDirectory,
    defaultDeployBranch: config.deployBranch,
    limits: config.limits,
  });
  const door = new SshDoor({
    socketPath: paths.sshSocket,
    people: platform.people,
    passes: platform.passes,
    services,
    apps,
    apiUrl: localUrl(config),
    limits: config.limits,
    log,
  });
  if (config.ssh !== undefined) await door.start();

  const page = await loadPage(join(projectRoot(), 'dist', 'ui'));
  if (page === undefined) log.warn('the web page is not built: there is only the API');

  const server = buildServer(
    {
      config,
      store,
      ledger,
      platform,
      people: platform.people,
      events: new EventLog(git, paths),
      hostBook: platform.hosts,
      history: repositories,
      queues,
      limits: config.limits,
      deployer: new DeployerClient(paths.deployerSocket),
      reviews,
      deploys: { config, ledger, repositories, git, outside, registry, acceptance },
      retention: retentionParts(config, { ledger, store, repositories, registry }),
    },
    (instance) =>
      smartHttp(instance, {
        git,
        repositories,
        services,
        hooks,
        apps,
        authenticate: (token) => platform.identify(token),
        defaultDeployBranch: config.deployBranch,
        limits: config.limits,
        log,
      }),
    log,
    undefined,
    page,
  );
  try {
    await server.listen(config.listen);
  } catch (error) {
    await Promise.all([door.close(), hooks.close()]);
    await queues.close();
    throw new SlipwayError(
      'unavailable',
      `cannot listen on ${config.listen.host}:${config.listen.port}: ${(error as Error).message}`,
      {
        hint: 'stop what uses that address, or choose another with SLIPWAY_LISTEN',
        cause: error,
      },
    );
  }
  log.info({ url: config.publicUrl }, 'web is ready');
  return async () => {
    await Promise.all([door.close(), hooks.close()]);
    server.server.closeIdleConnections();
    const late = setTimeout(() => server.server.closeAllConnections(), STOP_MS);
    await server.close();
    clearTimeout(late);
    registry.close();
    await platform.uses.write();
    await queues.close();
  };
}

/** By which a process on this machine reaches the API. */
function localUrl({ listen: { host, port } }: Config): string {
  return `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
}

try {
  const config = loadConfig();
  const log = createLogger('web', config.logLevel);
  const stop = await start(config, log);
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      void stop().finally(() => process.exit(0));
    });
  }
} catch (thrown) {
  for (const line of describeError(toSlipwayError(thrown))) console.error(` !     ${line}`);
  process.exit(1);
}

/** The deployer's job for one app, and everything a deployer process holds. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Config, homePaths } from '../src/config.js';
import { supersededBy, supersedeOlder } from '../src/endings.js';
import { toSlipwayError } from '../src/errors.js';
import { fastPaths } from '../src/fast-paths.js';
import { AppRepositories } from '../src/git/app-repository.js';
import { Git } from '../src/git/git.js';
import { Ledger } from '../src/ledger/ledger.js';
import { PlatformLedger } from '../src/ledger/platform.js';
import { Vault } from '../src/ledger/vault.js';
import type { Logger } from '../src/log.js';
import { BuildLog } from '../src/logs/log-writer.js';
import type { Deployment } from '../src/model/deployment.js';
import { DeploymentStore } from '../src/records/deployments.js';
import { RegistryClient } from '../src/registry/client.js';
import { Turns } from '../src/turns.js';
import { accountKey } from './acme/account.js';
import { startCertificates } from './acme/certificates.js';
import { AcmeClient } from './acme/client.js';
import { commandRoutes } from './command-routes.js';
import { Drift } from './drift.js';
import type { EdgeSettings } from './edge/config.js';
import { Edge } from './edge/edge.js';
import { Haproxy } from './edge/haproxy.js';
import { EdgeStateFile } from './edge/state-file.js';
import { edgeRoutes } from './edge-routes.js';
import { Followed } from './followed.js';
import { HostCredentials } from './hosts/credentials.js';
import { LedgerHosts, type OpeningParts } from './hosts/open.js';
import { hostRoutes } from './hosts/routes.js';
import { sweepSockets } from './hosts/tunnel.js';
import { hostOf } from './names.js';
import { platformId } from './platform-id.js';
import { type ReconcileParts, reconcileApp } from './reconcile.js';
import { startReconciler } from './reconciler.js';
import { Retirements } from './retire.js';
import { rollOut } from './rollout.js';
import { routeApp } from './routes.js';
import { serveRuntime } from './serve.js';
import { sweepRoutes } from './sweep-images.js';

/** Debian's `nobody` and `nogroup`. */
const NOBODY = 65_534;

export interface Deployer {
  /** See {@link deployNext}. */
  deployNext(app: string, lease: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Opens what a rollout needs, answers the web process, and keeps what is live running. */
export async function openDeployer(config: Config, log: Logger): Promise<Deployer> {
  const paths = homePaths(config.home);
  const git = new Git();
  const registry = RegistryClient.fromConfig(config, log);
  const opening = await openingParts(config, git, log);
  const hosts = new LedgerHosts(opening);
  const parts: ReconcileParts = {
    config,
    store: new DeploymentStore(config.home),
    ledger: new Ledger(paths, git, await Vault.open(paths.secretKey), { fast: fastPaths() }),
    repositories: new AppRepositories(paths, git),
    registry,
    hosts,
    edge: openEdge(config, log),
    log,
    fast: fastPaths(),
    turns: new Turns(),
    retirements: new Retirements(),
    followed: new Followed(),
    by: `deployer ${process.pid}`,
    appRepositories: paths.appRepositories,
    drift: new Drift(),
  };
  // HAProxy may be waiting for this file.
  await parts.edge.prepare();
  await mkdir(dirname(paths.deployerSocket), { recursive: true, mode: 0o700 });
  const certificates = startCertificates({
    ...parts,
    acme: new AcmeClient({
      ...config.acme,
      accountKey: await accountKey(join(dirname(config.edge.configFile), 'acme-account.pem')),
    }),
  });
  const stopServing = await serveRuntime({
    socketPath: paths.deployerSocket,
    hosts,
    more: (server) => {
      hostRoutes(server, hosts, opening);
      sweepRoutes(server, { ...parts, keepReleases: config.keepReleases });
      edgeRoutes(server, {
        route: (app) => routeApp(parts, app).finally(() => certificates.ring()),
        traffic: (app) => parts.edge.traffic(hostOf(app, config.appDomain)),
      });
      commandRoutes(server, { ...parts, book: opening.book });
      server.get('/drift', () => parts.drift.counts);
    },
    log,
  });
  const reconciler = startReconciler(parts);
  return {
    deployNext: (app, lease) => deployNext(parts, app, lease),
    close: async () => {
      await Promise.all([reconciler.close(), certificates.close(), stopServing(), parts.retirements.close()]);
      await hosts.close();
      registry.close();
    },
  };
}

/** What hosts are opened with. */
async function openingParts(config: Config, git: Git, log: Logger): Promise<OpeningParts> {
  const paths = homePaths(config.home);
  const platform = await platformId(config.home);
  const book = new PlatformLedger(paths, git).hosts;
  const credentials = new HostCredentials(paths.hostCredentials, `slipway-${platform}`);
  await Promise.all([credentials.sweep(), sweepSockets(paths.run)]);
  const { dockerHost, registry, pullFreeBytes } = config;
  return { book, credentials, dockerHost, platform, registry, pullFreeBytes, runDirectory: paths.run, log };
}

function openEdge({ edge }: Config, log: Logger): Edge {
  const settings: EdgeSettings = {
    bind: edge.bind,
    ...(edge.tlsBind === undefined ? {} : { tlsBind: edge.tlsBind }),
    statsSocket: join(dirname(edge.masterSocket), 'haproxy-stats.sock'),
    ...(process.getuid?.() === 0 ? { runAs: { uid: NOBODY, gid: NOBODY } } : {}),
  };
  return new Edge({
    haproxy: new Haproxy(edge.masterSocket),
    file: new EdgeStateFile(edge.configFile),
    settings,
    log,
  });
}

/**
 * Rolls out the app's newest release that waits; those before it end as superseded. With nothing to roll out it makes
 * what runs equal to the ledger, as after the app's end. Throws only when the lease is lost or the records cannot be read.
 */
export async function deployNext(parts: ReconcileParts, app: string, lease: AbortSignal): Promise<void> {
  const done = await parts.turns.take(app, async () => {
    lease.throwIfAborted();
    const waiting = await waitingRollouts(parts, app);
    const newest = waiting.at(-1);
    if (newest === undefined) return undefined;
    await supersedeOlder(parts, newest);
    for (const older of waiting)
      if (older.state === 'releasing' && older !== newest) await endAbandoned(parts, older, newest);
    const claim = await parts.store.claim(app, newest.id, 'rollout', parts.by);
    if (claim !== undefined) await rollOut(parts, newest, claim, lease);
    return newest;
  });
  if (done === undefined) return reconcileApp(parts, app, lease);
  // One that came meanwhile has a job of its own, but that may have been taken for ours. The same one again is another's.
  const next = (await waitingRollouts(parts, app)).at(-1);
  if (next !== undefined && numberOf(next) > numberOf(done)) await deployNext(parts, app, lease);
}

/** By release number: a push may be older than a config change and yet end up in a newer release. */
async function waitingRollouts({ store }: ReconcileParts, app: string): Promise<Deployment[]> {
  const open = await store.open(app);
  return open
    .filter(({ state }) => state === 'ready' || state === 'releasing')
    .sort((a, b) => numberOf(a) - numberOf(b));
}

function numberOf({ release }: Deployment): number {
  return release ?? 0;
}

/** Its deployer died. What it had begun the next rollout clears away; if it was live already, that is how it ended. */
async function endAbandoned(parts: ReconcileParts, older: Deployment, newest: Deployment): Promise<void> {
  const { store, ledger, config, log } = parts;
  const { app, id, release } = older;
  const claim = await store.claim(app, id, 'rollout', parts.by);
  if (claim === undefined) return;
  const { reason } = supersededBy(newest);
  const outcome =
    release === undefined
      ? undefined
      : await ledger.recordOutcome(app, release, {
          state: 'superseded',
          at: new Date().toISOString(),
          reason,
        });
  const live = outcome?.state === 'live';
  const text = await BuildLog.open(store.logPath(app, id), config.limits);
  try {
    if (live) await text.final(`v${release} of ${app} went live, and is ${reason}`);
    else await text.problem(reason);
  } finally {
    await text
      .close()
      .catch((error: unknown) => log.warn({ ...toSlipwayError(error), app, id }, 'lines of a log were lost'));
  }
  await store.end(app, id, {
    claim: claim.token,
    ...(live ? { state: 'live' } : { state: 'superseded', reason, code: 'superseded' }),
  });
}

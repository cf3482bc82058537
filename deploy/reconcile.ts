/**
 * Makes what runs equal to what the ledger says is live: after a crash, a reboot, a `docker rm`, a restart of engine or edge, and
 * for apps that were destroyed. Apps with a rollout under way are left to it. Everything here may be done twice.
 */
import { stat } from 'node:fs/promises';
import { SlipwayError } from '../src/errors.js';
import type { ReleaseWithOutcome } from '../src/model/release.js';
import { type EdgeState, withApp, withoutApp } from './edge/state.js';
import { checkInstances, keepInstances, startInstances } from './instances.js';
import { hostOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { isOf, plan } from './plan.js';
import { retire } from './retire.js';
import type { Container } from './targets/container.js';

export interface ReconcileParts extends DeployerParts {
  /** Where the apps' repositories lie. When that is not there, nothing is taken for destroyed. */
  readonly appRepositories: string;
}

/** Everything. Trouble with one app does not keep the others waiting; the first one is thrown at the end. */
export async function reconcileAll(parts: ReconcileParts, signal: AbortSignal): Promise<void> {
  const { target, edge, ledger } = parts;
  await edge.converge();
  const apps = new Set(await ledger.listApps());
  for (const { app } of await target.list()) apps.add(app);
  for (const { app } of (await edge.state()).apps) apps.add(app);
  const failures: unknown[] = [];
  for (const app of apps) {
    signal.throwIfAborted();
    await reconcileApp(parts, app, signal).catch((error: unknown) => failures.push(error));
  }
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  await retireLeftovers(parts, signal);
}

/** One app, after whatever this process does with it now. */
export async function reconcileApp(parts: ReconcileParts, app: string, signal: AbortSignal): Promise<void> {
  await parts.turns.take(app, async () => {
    // Another process may begin or end a rollout at any moment. In this order of looks, a container that is there belongs to
    // what is live, to what is open, or to nobody; and whoever switched the edge meanwhile is noticed by the fence.
    const routed = entryOf(await parts.edge.state(), app);
    const before = await liveRelease(parts, app);
    const containers = await parts.target.list(app, { signal });
    const open = (await parts.store.open(app)).filter(({ release }) => release !== undefined);
    const live = await liveRelease(parts, app);
    if (live?.deploymentId !== before?.deploymentId || open.some(({ state }) => state === 'releasing'))
      return;
    const fence = async (now: EdgeState): Promise<void> => {
      if (entryOf(now, app) !== routed) throw overtaken(app);
    };
    const ours = containers.filter(
      ({ id, deployment }) => !parts.retirements.has(id) && !open.some((one) => one.id === deployment),
    );
    if (live === undefined) await bringDown(parts, app, ours, fence, signal);
    else await bringUp(parts, app, live, ours, fence, signal);
  });
}

type Fence = (now: EdgeState) => Promise<void>;

/** Its containers run, the edge knows them, and nothing else of the app is about. */
async function bringUp(
  parts: ReconcileParts,
  app: string,
  live: ReleaseWithOutcome,
  containers: readonly Container[],
  fence: Fence,
  signal: AbortSignal,
): Promise<void> {
  const { target, edge, config, log } = parts;
  const { keep, stopped, missing, discard, retire: strays } = plan(containers, live);
  const gone = [...missing];
  for (const container of stopped) {
    log.info({ app, container: container.name }, 'starting a container that had stopped');
    if (!(await startAgain(parts, container, signal))) gone.push(container.instance);
  }
  if (gone.length > 0) {
    log.info(
      { app, release: live.number, missing: gone.length },
      'making the containers of the live release anew',
    );
    await target.pull(live.image, { signal });
    const started = await startInstances(parts, app, live, gone, signal);
    await checkInstances(parts, started, signal);
    await keepInstances(parts, started, signal);
  }
  await Promise.all(discard.map((container) => target.remove(container.id, { signal })));
  const changed = stopped.length + gone.length > 0;
  const now = changed ? (await target.list(app, { signal })).filter((one) => isOf(one, live)) : keep;
  const wanted = { app, host: hostOf(app, config.appDomain), servers: serversOfContainers(now) };
  const routed = await edge.state();
  if (withApp(routed, wanted) !== routed) await edge.change((state) => withApp(state, wanted), fence);
  await retire(parts, app, strays, signal);
}

/** The app was destroyed, or nothing of it ever went live. */
async function bringDown(
  parts: ReconcileParts,
  app: string,
  containers: readonly Container[],
  fence: Fence,
  signal: AbortSignal,
): Promise<void> {
  const known = (await parts.edge.state()).apps.some((entry) => entry.app === app);
  if (known) await parts.edge.change((state) => withoutApp(state, app), fence);
  await retire(parts, app, containers, signal);
}

async function startAgain(
  { target, log }: ReconcileParts,
  { id, name, app }: Container,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (!(await target.restart(id, { signal }))) return false;
    await target.keep(id, { signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    // Its address or its files are gone: a new one takes its place and name.
    log.warn(
      { app, container: name, err: (error as Error).message },
      'a stopped container does not start again',
    );
    return false;
  }
}

/** Undefined when the app has none, or is no more. Throws when the ledger cannot be read: that is no destroyed app. */
async function liveRelease(
  { ledger, appRepositories }: ReconcileParts,
  app: string,
): Promise<ReleaseWithOutcome | undefined> {
  if (!(await ledger.appExists(app))) {
    await stat(appRepositories);
    return undefined;
  }
  const { live, releases } = await ledger.read(app);
  return releases.find((release) => release.number === live);
}

/** As text, to be compared. */
function entryOf(state: EdgeState, app: string): string {
  return JSON.stringify(state.apps.find((entry) => entry.app === app) ?? null);
}

/** Servers that a killed deployer had taken out of service but not removed. Their containers are gone by now. */
async function retireLeftovers({ edge, config }: ReconcileParts, signal: AbortSignal): Promise<void> {
  for (const { host, names } of await edge.leftovers()) {
    await edge.retire(host, names, { timeoutMs: config.limits.drainTimeoutMs, signal });
  }
}

function overtaken(app: string): SlipwayError {
  return new SlipwayError('lease_lost', `${app} is being released by another deployer`, { temporary: true });
}

/**
 * Makes what runs equal to what the ledger says is live: after a crash, a reboot, a `docker rm`, a restart of engine or edge, and
 * for apps that were destroyed. Apps with a rollout under way are left to it. Everything here may be done twice.
 */
import { stat } from 'node:fs/promises';
import { SlipwayError } from '../src/errors.js';
import { LOCAL_HOST } from '../src/model/host.js';
import type { ReleaseWithOutcome } from '../src/model/release.js';
import { whileItAnswers } from './answering.js';
import { type EdgeState, serversOf, withApp, withoutApp } from './edge/state.js';
import { lookAround, onHost } from './everywhere.js';
import { checkInstances, startInstances } from './instances.js';
import { hostOf } from './names.js';
import { sweepOneOffs } from './one-offs.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf } from './placement.js';
import { type Plan, plan } from './plan.js';
import { retire } from './retire.js';
import { routeApp } from './routes.js';
import { mendServices } from './swarm/mend.js';
import { isSwarm } from './swarm/target.js';
import type { Container } from './targets/container.js';
import type { DockerTarget } from './targets/docker.js';

export interface ReconcileParts extends DeployerParts {
  /** Where the apps' repositories lie. When that is not there, nothing is taken for destroyed. */
  readonly appRepositories: string;
}

/** Hosts that do not answer, and why. */
type Silent = ReadonlyMap<string, SlipwayError>;

/** Everything. Trouble with one app or host does not keep the others waiting; the first one is thrown at the end. */
export async function reconcileAll(parts: ReconcileParts, signal: AbortSignal): Promise<void> {
  const { hosts, edge, ledger } = parts;
  await edge.converge();
  const apps = new Set(await ledger.listApps());
  const { containers, silent } = await lookAround(hosts, undefined, { signal });
  for (const { app } of containers) apps.add(app);
  const { apps: served, routes = [] } = await edge.state();
  for (const { app } of [...served, ...routes]) apps.add(app);
  const failures: unknown[] = [];
  for (const app of apps) {
    signal.throwIfAborted();
    await routeApp(parts, app).catch((error: unknown) => failures.push(error));
    await reconcileApp(parts, app, signal, silent).catch((error: unknown) => failures.push(error));
  }
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  await retireLeftovers(parts, signal);
  await edge.forgetCertificates();
  await sweepOneOffs(parts, signal, silent);
  for (const [name, error] of silent) throw onHost(name, error);
}

/** One app, after whatever this process does with it now. Hosts that are known to be silent are not asked again. */
export async function reconcileApp(
  parts: ReconcileParts,
  app: string,
  signal: AbortSignal,
  knownSilent: Silent = new Map(),
): Promise<void> {
  await parts.turns.take(app, async () => {
    // Another process may begin or end a rollout at any moment. In this order of looks, a container that is there belongs to
    // what is live, to what is open, or to nobody; and whoever switched the edge meanwhile is noticed by the fence.
    const routed = entryOf(await parts.edge.state(), app);
    const before = await liveRelease(parts, app);
    const { containers, silent } = await lookAround(parts.hosts, app, { signal, silent: knownSilent });
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
    else await bringUp(parts, app, live, { containers: ours, silent }, fence, signal);
  });
}

type Fence = (now: EdgeState) => Promise<void>;

/**
 * Its containers run, the edge knows them, and nothing else of the app is about. Each host is put right by itself; the edge keeps
 * its servers on a host that is silent: whether they can be reached it sees for itself, and better.
 */
async function bringUp(
  parts: ReconcileParts,
  app: string,
  live: ReleaseWithOutcome,
  { containers, silent }: { containers: readonly Container[]; silent: Silent },
  fence: Fence,
  signal: AbortSignal,
): Promise<void> {
  const { edge, config } = parts;
  const planned = plan(containers, live);
  const needed = hostsOf(live);
  const serving: Container[] = [];
  const failures: unknown[] = [];
  const touched = new Set([...needed, ...planned.discard.map(({ host }) => host)]);
  await Promise.all(
    [...touched]
      .filter((name) => !silent.has(name))
      .map(async (name) => {
        const here = only(planned, name);
        const bringsBack = (container: Container): number => serving.push(container);
        try {
          const { target } = await parts.hosts.get(name);
          if (isSwarm(target)) {
            const work = (until: AbortSignal): Promise<void> =>
              mendServices(parts, target, app, live, here.keep, bringsBack, until);
            return await whileItAnswers(target, signal, work);
          }
          serving.push(...here.keep);
          await mend(parts, target, app, live, here, bringsBack, signal);
        } catch (error) {
          failures.push(onHost(name, error));
        }
      }),
  );
  signal.throwIfAborted();
  const routed = await edge.state();
  const unseen = serversOf(routed, app).filter(
    ({ machine = LOCAL_HOST }) => needed.includes(machine) && silent.has(machine),
  );
  const wanted = {
    app,
    host: hostOf(app, config.appDomain),
    servers: [...serversOfContainers(serving), ...unseen],
  };
  if (withApp(routed, wanted) !== routed) await edge.change((state) => withApp(state, wanted), fence);
  await retire(parts, app, planned.retire, signal);
  if (failures.length > 0) throw failures[0];
}

/** `onServing` gets each container that serves again, whatever comes of the others. */
async function mend(
  parts: ReconcileParts,
  target: DockerTarget,
  app: string,
  live: ReleaseWithOutcome,
  { stopped, missing, discard }: Plan,
  onServing: (container: Container) => void,
  signal: AbortSignal,
): Promise<void> {
  if (stopped.length + missing.length + discard.length === 0) return;
  const { log } = parts;
  const name = target.host;
  const host = { name, target };
  await whileItAnswers(target, signal, async (until) => {
    const gone = [...missing];
    for (const container of stopped) {
      log.info({ app, host: name, container: container.name }, 'starting a container that had stopped');
      const again = await startAgain(parts, container, until);
      if (again === undefined) gone.push({ ...container.instance, host: name });
      else onServing(again);
    }
    if (gone.length > 0) {
      log.info(
        { app, host: name, release: live.number, missing: gone.length },
        'making the containers of the live release anew',
      );
      await target.pull(live.image, { signal: until });
      const options = { signal: until, isKept: true };
      const started = await startInstances(parts, target, app, live, gone, options);
      await checkInstances(parts, host, live, started, until);
      started.forEach(onServing);
    }
    await Promise.all(discard.map(({ id }) => target.remove(id, { signal: until })));
  });
}

/** What the plan says of one host. */
function only({ keep, stopped, missing, discard, retire: strays }: Plan, name: string): Plan {
  const on = <T extends { readonly host: string }>(all: readonly T[]): T[] =>
    all.filter(({ host }) => host === name);
  return {
    keep: on(keep),
    stopped: on(stopped),
    missing: on(missing),
    discard: on(discard),
    retire: on(strays),
  };
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
  // What was destroyed gives its domains free.
  await routeApp(parts, app);
  await retire(parts, app, containers, signal);
}

/** Undefined when it is not there any more, or does not start. */
async function startAgain(
  { hosts, log }: ReconcileParts,
  container: Container,
  signal: AbortSignal,
): Promise<Container | undefined> {
  const { id, name, app } = container;
  try {
    const { target } = await hosts.get(container.host);
    await target.keep(id, { signal });
    if (!(await target.restart(id, { signal }))) return undefined;
    return await target.get(id, { signal });
  } catch (error) {
    signal.throwIfAborted();
    // Its address or its files are gone: a new one takes its place and name.
    log.warn(
      { app, container: name, err: (error as Error).message },
      'a stopped container does not start again',
    );
    return undefined;
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

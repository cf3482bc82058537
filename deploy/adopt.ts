/**
 * What of a release runs already (after an empty commit, a change of scale, a restart of one process type, a rollback to the same image)
 * goes on as it is: those containers of the live release are its own from then on. See decisions 18 and 43.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AppState } from '../src/ledger/app-documents.js';
import type { Ledger } from '../src/ledger/ledger.js';
import { WEB_TYPE } from '../src/model/process.js';
import { instanceName, type Outcome, type Release, warmRelease } from '../src/model/release.js';
import { type Volumes, withContents } from '../src/model/volume.js';
import { withTargetOf } from './answering.js';
import { passStill } from './checks.js';
import { serversOf } from './edge/state.js';
import { lookAround } from './everywhere.js';
import { checksOf } from './instances.js';
import { hostOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf, placeInstances } from './placement.js';
import { isAlive, isAt, isOf, plan } from './plan.js';
import { probe } from './probe.js';
import { isSwarm } from './swarm/target.js';
import type { Container } from './targets/container.js';

/** A container that does not answer by then is better replaced. */
const ANSWER_MS = 1000;

/**
 * Containers of the live release, or of the one that it keeps warm, that the new one wants just so, in the same place, and that do their work. The others,
 * and what is wrong with the ones that are there, new containers make good.
 */
export async function findAdoption(
  parts: DeployerParts,
  app: string,
  release: Release,
  { releases, live: number, volumes }: Pick<AppState, 'releases' | 'live' | 'volumes'>,
  signal: AbortSignal,
): Promise<readonly Container[]> {
  const { fast, ledger, hosts, edge, config, retirements } = parts;
  const live = releases.find((one) => one.number === number);
  const warm = warmRelease(live, releases, Date.now());
  const base = [live, warm].find(
    (one) => one !== undefined && hasSameSurroundings(ledger, app, one, release),
  );
  if (!fast.adopt || base === undefined) return [];
  const { containers } = await lookAround(hosts, app, { signal, needed: hostsOf(release) });
  const wanted = placeInstances(release).filter(
    (instance) =>
      goesOn(instance.process, base, release) &&
      // An earlier attempt at this rollout has replaced it.
      !containers.some((one) => isOf(one, release) && isAt(one, instance) && isAlive(one)),
  );
  const routed = new Set(serversOf(await edge.state(), app).map(({ name }) => name));
  const candidates = plan(containers, base).keep.filter(
    (container) =>
      wanted.some((instance) => isAt(container, instance)) &&
      container.state === 'running' &&
      hasItsContents(container, app, release, volumes) &&
      !retirements.has(container.id) &&
      // What is warm gets none.
      (base === warm || serversOfContainers([container]).every(({ name }) => routed.has(name))),
  );
  const host = hostOf(app, config.appDomain);
  const well = await Promise.all(
    candidates.map((container) => doesItsWork(parts, release, container, host, signal).catch(() => false)),
  );
  signal.throwIfAborted();
  return withoutParts(
    parts,
    base,
    candidates.filter((_, index) => well[index]),
  );
}

/** What the outcome of the release says of them. */
export function adoptionOf(adopted: readonly Container[]): Pick<Outcome, 'containersOf' | 'adopted'> {
  if (adopted.length === 0) return {};
  return {
    containersOf: [...new Set(adopted.map(({ deployment }) => deployment))].sort(),
    adopted: Object.fromEntries(
      adopted.map(({ instance, deployment }) => [instanceName(instance), deployment]).sort(),
    ),
  };
}

/** What its volumes held may have been exchanged since it was started. */
function hasItsContents(
  { instance, contents = [] }: Container,
  app: string,
  { processes }: Release,
  volumes: Volumes,
): boolean {
  const { mounts } = processes.find(({ type }) => type === instance.process) ?? {};
  const wanted = withContents(volumes, app, mounts).map(({ content }) => content);
  return isDeepStrictEqual([...new Set(wanted)].sort(), contents);
}

/** The same image and config vars. Those are compared in clear: each encryption looks different. */
function hasSameSurroundings(
  ledger: Pick<Ledger, 'revealConfig'>,
  app: string,
  one: Pick<Release, 'image' | 'config'>,
  other: Pick<Release, 'image' | 'config'>,
): boolean {
  const config = (of: Pick<Release, 'config'>): Record<string, string> => ledger.revealConfig(app, of.config);
  return isDeepStrictEqual(one.image, other.image) && isDeepStrictEqual(config(one), config(other));
}

/** The same command with the same limits, checks and mounts; how many there are is another matter. A restart is asked for to have new ones. */
function goesOn(type: string, live: Release, { kind, restarts, processes }: Release): boolean {
  if (kind === 'restart' && (restarts === undefined || restarts.includes(type))) return false;
  const [before, now] = [live.processes, processes].map((all) => {
    const { command, resources, checks, mounts } = all.find((process) => process.type === type) ?? {};
    return { command, resources, checks, mounts };
  });
  return isDeepStrictEqual(before, now);
}

/** A service of a Swarm goes on as a whole or not at all, and so does each process type there. */
async function withoutParts(
  { hosts }: Pick<DeployerParts, 'hosts'>,
  live: Release,
  containers: readonly Container[],
): Promise<readonly Container[]> {
  const torn = new Set<string>();
  for (const { host, process, number } of placeInstances(live)) {
    if (containers.some((one) => isAt(one, { host, process, number }))) continue;
    const { target } = await hosts.get(host).catch(() => ({ target: undefined }));
    if (target !== undefined && isSwarm(target)) torn.add(`${host} ${process}`);
  }
  return containers.filter(({ host, instance }) => !torn.has(`${host} ${instance.process}`));
}

/** It passed its checks when it was started; this is one look at whether it still would. */
export async function doesItsWork(
  { hosts }: Pick<DeployerParts, 'hosts'>,
  release: Release,
  container: Container,
  host: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { id, instance, address } = container;
  const checks = checksOf(release, container);
  return withTargetOf(hosts, container, signal, async (target, end) => {
    const { state, healthcheck, health } = await target.inspect(id, { signal: end });
    if (state !== 'running') return false;
    if (checks.length > 0)
      return passStill(target, container, { checks, host, timeoutMs: ANSWER_MS, signal: end });
    if (healthcheck !== undefined) {
      if (health?.status !== 'starting') return health?.status === 'healthy';
      // The engine itself checks first after a whole interval.
      const { exitCode } = await target.execute(id, healthcheck.argv, { signal: end, timeoutMs: ANSWER_MS });
      return exitCode === 0;
    }
    if (instance.process !== WEB_TYPE) return true;
    if (address === undefined) return false;
    const seen = await probe(address, { host, timeoutMs: ANSWER_MS, signal: end });
    end.throwIfAborted();
    if (seen.kind === 'answered') return seen.status < 500;
    // A published port is taken by the engine's proxy, whoever listens behind it.
    return seen.kind === 'other-protocol' || (seen.kind === 'closed' && !target.publishes);
  });
}

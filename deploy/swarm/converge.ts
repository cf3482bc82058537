/**
 * Whether the services of a release have become what they should be: every task runs, on the right image, and goes on running. A task
 * that fails ends the wait at once, one that no node can take after seconds; an update that the Swarm has paused or rolled back is a
 * failure, whatever runs now.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.js';
import { allowedSeconds } from '../../src/model/check.js';
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import { placeInstances } from '../placement.js';
import type { Container } from '../targets/container.js';
import {
  containersOf,
  hasFailed,
  nodeName,
  placedBy,
  type Seen,
  type Service,
  type Task,
  wantedTasks,
} from './documents.js';
import { putServices, type ServiceParts, servicesOf } from './services.js';
import type { SwarmTarget } from './target.js';

const POLL_MS = 150;
/** The Swarm looks for a node again and again; what it has not found by then it does not find soon. */
const HOMELESS_MS = 4_000;
/** All nodes have pulled the image by then. */
const LONGEST_MS = 30 * 60_000;
const NANOSECONDS_PER_MS = 1e6;
/** How long all tasks must have run, side by side. */
const SETTLED_MS = 2_000;
/** A port that a foreign process has on one node is seen when a task is to have it there. */
const ATTEMPTS = 5;
const TAKEN = /address already in use|port is already allocated/i;

/** The release's containers, all running. Throws `unhealthy`, `no_host`, `engine_unavailable`. */
export async function startServices(
  parts: ServiceParts,
  target: SwarmTarget,
  app: string,
  release: ReleaseWithOutcome,
  signal: AbortSignal,
): Promise<Container[]> {
  for (let attempt = 1; ; attempt += 1) {
    await putServices(parts, target, app, release, signal);
    try {
      return await awaitRunning(parts, target, app, release, { signal });
    } catch (error) {
      if (attempt >= ATTEMPTS || !TAKEN.test((error as Error).message)) throw error;
      // Made anew, they get other ports.
      for (const { ID } of servicesOf(release, await target.see(app, { signal })))
        await target.remove(ID, { signal });
    }
  }
}

export interface AwaitOptions {
  readonly signal: AbortSignal;
  /** Tasks whose failure is an old story. */
  readonly known?: ReadonlySet<string>;
}

export async function awaitRunning(
  { config }: Pick<ServiceParts, 'config'>,
  target: SwarmTarget,
  app: string,
  release: ReleaseWithOutcome,
  { signal, known = new Set() }: AwaitOptions,
): Promise<Container[]> {
  const image = target.reference(release.image);
  const endsAt = performance.now() + LONGEST_MS;
  const wanted = placeInstances(release).filter(({ host }) => host === target.host).length;
  let lackingSince: number | undefined;
  let homelessSince: number | undefined;
  let startingSince: number | undefined;
  for (;;) {
    const seen = await target.see(app, { signal });
    const services = servicesOf(release, seen);
    failIfTurnedBack(services);
    failIfDead(services, seen, known);
    const now = performance.now();
    const isWhole = services.reduce((sum, service) => sum + (placedBy(service)?.count ?? 0), 0) === wanted;
    if (isWhole && services.every((service) => runsAll(service, seen, image)))
      return services.flatMap((service) => containersOf(target.host, service, seen));
    lackingSince = isWhole ? undefined : (lackingSince ?? now);
    if (now - (lackingSince ?? now) >= HOMELESS_MS)
      throw new SlipwayError('unhealthy', `somebody has removed a service of v${release.number}`, {
        hint: 'see: docker service ls; then push again',
      });
    const tasks = services.flatMap((service) => wantedTasks(service, seen.tasks));
    const homeless = tasks.find(({ Status }) => Status.State === 'pending' && Boolean(Status.Err));
    homelessSince = homeless === undefined ? undefined : (homelessSince ?? now);
    if (homeless !== undefined && now - (homelessSince ?? now) >= HOMELESS_MS)
      throw noNode(homeless, services);
    // A task whose image has a check is starting until that has passed.
    const starting = tasks.find(({ Status }) => Status.State === 'starting');
    const isBusy = tasks.some(({ Status }) => !['starting', 'running'].includes(Status.State));
    startingSince = starting === undefined || isBusy ? undefined : (startingSince ?? now);
    const allowedMs = allowedMsOf(config.limits.healthTimeoutMs, release, services);
    if (starting !== undefined && now - (startingSince ?? now) >= allowedMs)
      throw failed(
        starting,
        services,
        seen,
        `has not passed ${hasOwnCheck(starting, services) ? 'its check by command' : 'the HEALTHCHECK of its image'} after ${allowedMs / 1000} s`,
      );
    if (now >= endsAt) throw target.engine.unavailable('has not started all tasks of a service in time');
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** One more look after a while: the same tasks still run. */
export async function settle(
  target: SwarmTarget,
  containers: readonly Container[],
  startedAt: number,
  signal: AbortSignal,
): Promise<void> {
  await sleep(Math.max(0, SETTLED_MS - (performance.now() - startedAt)), undefined, { signal });
  const running = await throwIfFailed(target, containers, signal);
  const lost = containers.find(({ id }) => !running.some((one) => one.id === id && one.state === 'running'));
  if (lost === undefined) return;
  const { process, number } = lost.instance;
  throw new SlipwayError('unhealthy', `${process}.${number} did not go on running: the Swarm has moved it`, {
    hint: 'is a node going away? see: docker node ls; then push again',
  });
}

/** With the node and the task's own error. Otherwise resolves with what is there now. */
export async function throwIfFailed(
  target: SwarmTarget,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<Container[]> {
  const [first] = containers;
  if (first === undefined) return [];
  const seen = await target.see(first.app, { signal });
  const names = new Set(containers.map(({ name }) => name));
  const services = seen.services.filter(({ Spec }) => names.has(Spec.Name));
  const ids = new Set(containers.map(({ id }) => id));
  // Others may have failed long ago, and have been replaced.
  const known = seen.tasks.filter(({ ID }) => !ids.has(ID)).map(({ ID }) => ID);
  failIfDead(services, seen, new Set(known));
  return services.flatMap((service) => containersOf(target.host, service, seen));
}

function runsAll(service: Service, { tasks }: Seen, image: string): boolean {
  const count = placedBy(service)?.count;
  const running = wantedTasks(service, tasks).filter(({ Status }) => Status.State === 'running');
  return service.Spec.TaskTemplate.ContainerSpec?.Image === image && running.length === count;
}

/** An update that somebody made by hand of a service that runs for long is no matter of a rollout. */
function failIfTurnedBack(services: readonly Service[]): void {
  for (const { Spec, UpdateStatus } of services) {
    const { State = '', Message = '' } = UpdateStatus ?? {};
    if (State !== 'paused' && !State.startsWith('rollback')) continue;
    throw new SlipwayError(
      'unhealthy',
      `the Swarm has ${sayUpdate(State)} the update of ${Spec.Name}: ${Message}`,
      { hint: `why a task failed: docker service ps ${Spec.Name}` },
    );
  }
}

function failIfDead(services: readonly Service[], seen: Seen, known: ReadonlySet<string>): void {
  for (const { ID } of services) {
    const dead = seen.tasks.find((task) => task.ServiceID === ID && hasFailed(task) && !known.has(task.ID));
    if (dead !== undefined) throw failed(dead, services, seen, wordsOf(dead));
  }
}

function sayUpdate(state: string): string {
  return state === 'paused' ? 'paused' : 'rolled back';
}

function wordsOf({ Status: { State, Err, ContainerStatus } }: Task): string {
  const why = Err === undefined || Err === '' ? '' : `: ${Err}`;
  if (State === 'rejected') return `could not be started${why}`;
  return `exited with code ${ContainerStatus?.ExitCode ?? 0}${why}`;
}

function failed(task: Task, services: readonly Service[], seen: Seen, words: string): SlipwayError {
  return new SlipwayError(
    'unhealthy',
    `${nameOf(task, services)} on the node ${nodeName(seen.nodes, task.NodeID)} ${words}`,
    {
      hint:
        task.Status.State === 'rejected'
          ? 'can that node reach the registry, and does it trust it?'
          : 'the process must stay in the foreground; see its last lines above',
    },
  );
}

function noNode(task: Task, services: readonly Service[]): SlipwayError {
  return new SlipwayError(
    'no_host',
    `no node of the Swarm can take ${nameOf(task, services)}: ${task.Status.Err}`,
    {
      hint: 'see: docker node ls; give the process less memory, or the Swarm more nodes',
    },
  );
}

/** By its service: the number of a task that has gone is nobody's any more. */
function nameOf(task: Task, services: readonly Service[]): string {
  const service = services.find(({ ID }) => ID === task.ServiceID);
  const placed = service === undefined ? undefined : placedBy(service);
  if (placed === undefined) return `task ${task.ID}`;
  return placed.count === 1 ? `${placed.process}.${placed.first}` : `a task of ${placed.process}`;
}

function allowedMsOf(
  usualMs: number,
  { processes }: ReleaseWithOutcome,
  services: readonly Service[],
): number {
  const defined = processes
    .flatMap(({ checks = [] }) => checks)
    .flatMap((check) => ('command' in check ? allowedSeconds(check, usualMs / 1000) * 1000 : []));
  return Math.max(usualMs + startPeriodMs(services), ...defined);
}

/** And not its image's. */
function hasOwnCheck({ ServiceID }: Task, services: readonly Service[]): boolean {
  const service = services.find(({ ID }) => ID === ServiceID);
  return service?.Spec.TaskTemplate.ContainerSpec?.Healthcheck?.Test != null;
}

function startPeriodMs(services: readonly Service[]): number {
  const periods = services.map(
    ({ Spec }) => (Spec.TaskTemplate.ContainerSpec?.Healthcheck?.StartPeriod ?? 0) / NANOSECONDS_PER_MS,
  );
  return Math.max(0, ...periods);
}

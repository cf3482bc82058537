/** From the containers that are there and the release that should run to what has to be done. Pure. */
import { isContainerOf, type ReleaseWithOutcome } from '../src/model/release.js';
import type { Instance } from './names.js';
import { type PlacedInstance, placeInstances } from './placement.js';
import type { Container } from './targets/container.js';

export interface Plan {
  /** They run where they should, and are what is wanted. */
  readonly keep: readonly Container[];
  /** They are what is wanted, but have stopped. */
  readonly stopped: readonly Container[];
  /** Nobody is there. */
  readonly missing: readonly PlacedInstance[];
  /** Of the wanted release, but of no use: broken, or one too many. */
  readonly discard: readonly Container[];
  /** Of other releases, or on another host than they should be: they go when those that are wanted serve. */
  readonly retire: readonly Container[];
}

/** Whose containers may run for a release. */
type Wanted = Pick<ReleaseWithOutcome, 'deploymentId' | 'outcome'>;

export function isOf(
  container: Pick<Container, 'deployment' | 'instance'>,
  release: Wanted | undefined,
): boolean {
  return release !== undefined && isContainerOf(container, release);
}

/** Over all hosts. Without a wanted release everything is retired. */
export function plan(
  containers: readonly Container[],
  wanted?: Wanted & Pick<ReleaseWithOutcome, 'processes' | 'hosts'>,
): Plan {
  const instances = wanted === undefined ? [] : placeInstances(wanted);
  const isAstray = ({ host, instance }: Container): boolean =>
    instances.some((one) => isSame(one, instance) && one.host !== host);
  const ours = containers.filter((container) => isOf(container, wanted) && !isAstray(container));
  const keep: Container[] = [];
  const stopped: Container[] = [];
  const missing: PlacedInstance[] = [];
  for (const instance of instances) {
    const candidates = ours
      .filter((container) => isSame(container.instance, instance))
      // What was adopted gives way to what was started in its place.
      .sort((a, b) => ownFirst(a, wanted) - ownFirst(b, wanted));
    const running = candidates.find(isAlive);
    const asleep = candidates.find(
      (container) => container.state === 'exited' || container.state === 'created',
    );
    if (running !== undefined) keep.push(running);
    else if (asleep !== undefined) stopped.push(asleep);
    else missing.push(instance);
  }
  const used = new Set([...keep, ...stopped]);
  return {
    keep,
    stopped,
    missing,
    discard: ours.filter((container) => !used.has(container)),
    retire: containers.filter((container) => !ours.includes(container)),
  };
}

function ownFirst({ deployment }: Container, wanted: Wanted | undefined): number {
  return deployment === wanted?.deploymentId ? 0 : 1;
}

/** One that restarts is in the engine's hands; one that somebody paused is left to them. */
export function isAlive({ state }: Pick<Container, 'state'>): boolean {
  return state === 'running' || state === 'restarting' || state === 'paused';
}

/** Whether a container is this instance, and on the host where it should be. */
export function isAt({ host, instance }: Container, wanted: PlacedInstance): boolean {
  return host === wanted.host && isSame(instance, wanted);
}

export function isSame(a: Instance, b: Instance): boolean {
  return a.process === b.process && a.number === b.number;
}

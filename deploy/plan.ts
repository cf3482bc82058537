/** From the containers that are there and the release that should run to what has to be done. Pure. */
import type { ReleaseWithOutcome } from '../src/model/release.js';
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

/**
 * By the deployment that started it: a number alone does not say it, since an app that was destroyed and made anew counts
 * from 1 again. A release that was what ran already has those that it adopted.
 */
export function isOf(container: Pick<Container, 'deployment'>, release: Wanted | undefined): boolean {
  if (release === undefined) return false;
  const { deploymentId, outcome } = release;
  return (
    container.deployment === deploymentId || (outcome?.containersOf ?? []).includes(container.deployment)
  );
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
    const candidates = ours.filter((container) => isSame(container.instance, instance));
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

/** One that restarts is in the engine's hands; one that somebody paused is left to them. */
function isAlive({ state }: Container): boolean {
  return state === 'running' || state === 'restarting' || state === 'paused';
}

function isSame(a: Instance, b: Instance): boolean {
  return a.process === b.process && a.number === b.number;
}

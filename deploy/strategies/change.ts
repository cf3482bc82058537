/** What a rollout has to bring about, from what runs and what is to go on as it is. Pure. */
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import { type PlacedInstance, placeInstances } from '../placement.js';
import { isAt, isOf, plan } from '../plan.js';
import type { Container } from '../targets/container.js';

export interface Change {
  /** They run, and are the new release's from now on. */
  readonly adopted: readonly Container[];
  /** For these it needs containers of its own. */
  readonly fresh: readonly PlacedInstance[];
  /** Its own that an earlier attempt has started. */
  readonly started: readonly Container[];
  /** Its own that are of no use: stopped, broken, or one too many. */
  readonly useless: readonly Container[];
  /** All others, which go when it serves. */
  readonly old: readonly Container[];
  /** Of these, those of the release that serves. */
  readonly serving: readonly Container[];
}

/** `release` as it will be when it is live, with what it adopts. */
export function changeTo(
  containers: readonly Container[],
  release: ReleaseWithOutcome,
  live: ReleaseWithOutcome | undefined,
): Change {
  const { keep, stopped, discard, retire } = plan(containers, release);
  const isOwn = ({ deployment }: Container): boolean => deployment === release.deploymentId;
  const adopted = keep.filter((container) => !isOwn(container));
  return {
    adopted,
    fresh: placeInstances(release).filter((instance) => !adopted.some((one) => isAt(one, instance))),
    started: keep.filter(isOwn),
    useless: [...stopped, ...discard],
    old: retire,
    serving: retire.filter((container) => isOf(container, live)),
  };
}

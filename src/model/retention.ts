/**
 * Retention: which releases of an app stay, and which images the rest may be let go of. Marking only; what is removed
 * where is src/housekeeping/retention. Pure.
 *
 * What is let go is written into the ledger first, by compare-and-swap with everything else that happens to the app: from
 * then on no rollback begins to it, and what it alone needed may be removed whenever there is time.
 */
import type { ReleaseImage, ReleaseWithOutcome } from './release.js';

/** Why a release stays. */
export type KeptAs = 'live' | 'warm' | 'open' | 'pinned' | 'newest';

export interface RetentionState {
  readonly releases: readonly ReleaseWithOutcome[];
  readonly live?: number;
  /** How many good releases stay; absent: the platform's number. */
  readonly keep?: number;
}

/**
 * Releases that stay: the one that serves and the one that it has kept warm, those whose rollout has not ended, pinned ones, and the newest `keep` of those that
 * were live. Those that were let go stay so.
 */
export function keptReleases(
  { releases, live, keep }: RetentionState,
  platformKeep: number,
): ReadonlyMap<number, KeptAs> {
  const kept = new Map<number, KeptAs>();
  const here = releases.filter(
    ({ number, gone, outcome }) => !gone || number === live || outcome === undefined,
  );
  const good = here
    .filter(({ outcome, bad }) => outcome?.state === 'live' && bad === undefined)
    .sort((a, b) => b.number - a.number);
  for (const { number } of good.slice(0, Math.max(1, keep ?? platformKeep))) kept.set(number, 'newest');
  for (const { number, pinned } of here) if (pinned !== undefined) kept.set(number, 'pinned');
  for (const { number, outcome } of here) if (outcome === undefined) kept.set(number, 'open');
  const warm = releases.find(({ number }) => number === live)?.outcome?.warm?.release;
  if (warm !== undefined && here.some(({ number }) => number === warm)) kept.set(warm, 'warm');
  if (live !== undefined && releases.some(({ number }) => number === live)) kept.set(live, 'live');
  return kept;
}

/** Releases that do not stay and have not been let go yet, the oldest first. */
export function dispensableReleases(state: RetentionState, platformKeep: number): readonly number[] {
  const kept = keptReleases(state, platformKeep);
  return state.releases.filter(({ number, gone }) => !gone && !kept.has(number)).map(({ number }) => number);
}

/** The state as it is once these have been let go. */
export function withoutReleases<T extends RetentionState>(state: T, numbers: readonly number[]): T {
  const going = new Set(numbers);
  return {
    ...state,
    releases: state.releases.map((release) =>
      going.has(release.number) ? { ...release, gone: true } : release,
    ),
  };
}

/** Names an image wherever it is: registries and engines hold the same digest once per repository. */
export function imageKey({ repository, digest }: ReleaseImage): string {
  return `${repository}@${digest}`;
}

/** The images that some release needs which has not been let go, over all of these apps. None of them may be removed. */
export function neededImages(states: Iterable<RetentionState>): Set<string> {
  const needed = new Set<string>();
  for (const { releases, live } of states)
    for (const release of releases)
      if (!release.gone || release.number === live || release.outcome === undefined)
        needed.add(imageKey(release.image));
  return needed;
}

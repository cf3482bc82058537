/**
 * A deployment: one accepted wish to change what runs (a push, a rollback, a change of config or scale), from acceptance to its one
 * final state. For a push its id is the build id. It is stored as a journal of events (src/records); this file folds a
 * journal into a state. Pure.
 *
 *   accepted  → building   [claim by a builder]      a claim while `building` takes over from a builder that died
 *   building  → ready      [release]                 the image is in the registry, release vN in the ledger
 *   ready     → releasing  [claim by a deployer]     a claim while `releasing` takes over from a deployer that died
 *   building  → built      [ended]                   only with the push option build-only
 *   releasing → live       [ended]
 *   any open  → failed | cancelled | superseded      [ended]; without a claim only while nobody holds one
 *
 * All but a push start with their release, so they go accepted → ready at once.
 *
 * Fencing: the order of lines in the journal decides. An event that carries a claim counts only if that claim is the
 * latest one; the first `ended` that counts is the only one. So a worker that lost its lease can write whatever it
 * likes without changing anything, and no lock is needed.
 */
import type { ChangeKind } from './release.js';
import type { Strategy } from './strategy.js';

export type DeploymentKind = 'push' | ChangeKind;
export type OpenState = 'accepted' | 'building' | 'ready' | 'releasing';
export type FinalState = 'live' | 'built' | 'failed' | 'cancelled' | 'superseded';
export type DeploymentState = OpenState | FinalState;
export type ClaimPhase = 'build' | 'rollout';

export interface PushOptions {
  readonly detach: boolean;
  readonly noCache: boolean;
  readonly buildOnly: boolean;
  /** Also in a freeze. */
  readonly force?: boolean;
  /** For this push, whatever is set otherwise. */
  readonly strategy?: Strategy;
}

export interface PushedCommit {
  /** Full ref name, `refs/heads/main`. */
  readonly ref: string;
  /** What the pusher saw the ref at; 40 zeros when it did not exist. */
  readonly oldOid: string;
  readonly newOid: string;
  readonly options: PushOptions;
  /** Where its builder fetches it; without, it was pushed here. */
  readonly from?: CommitSource;
}

/** A commit of a repository elsewhere. */
export interface CommitSource {
  readonly remote: string;
  /** `refs/heads/main`: deployed only while the commit is what this names; or the commit's own id. */
  readonly ref: string;
  /** The webhook that told of it. */
  readonly webhook?: string;
}

export interface StepCounts {
  readonly cached: number;
  readonly total: number;
}

export type DeploymentEvent =
  | {
      readonly type: 'accepted';
      readonly at: number;
      readonly kind: DeploymentKind;
      readonly who: string;
      readonly push?: PushedCommit;
    }
  | {
      readonly type: 'claimed';
      readonly at: number;
      readonly claim: string;
      readonly phase: ClaimPhase;
      readonly by: string;
    }
  | {
      readonly type: 'built';
      readonly at: number;
      readonly claim: string;
      readonly digest: string;
      readonly steps: StepCounts;
    }
  | { readonly type: 'release'; readonly at: number; readonly claim?: string; readonly number: number }
  /** A phase that ended, with its time: build, push, pull, start, check, switch. */
  | {
      readonly type: 'phase';
      readonly at: number;
      readonly claim: string;
      readonly name: string;
      readonly ms: number;
    }
  | { readonly type: 'cancel'; readonly at: number; readonly who: string }
  | {
      readonly type: 'ended';
      readonly at: number;
      readonly claim?: string;
      readonly state: FinalState;
      readonly reason?: string;
      readonly code?: string;
    };

export interface Deployment {
  readonly id: string;
  readonly app: string;
  readonly kind: DeploymentKind;
  readonly who: string;
  readonly push?: PushedCommit;
  readonly state: DeploymentState;
  /** The claim that may write now. */
  readonly claim?: {
    readonly token: string;
    readonly phase: ClaimPhase;
    readonly by: string;
    readonly at: number;
  };
  readonly digest?: string;
  readonly steps?: StepCounts;
  readonly release?: number;
  readonly phases: readonly { readonly name: string; readonly ms: number }[];
  readonly cancelledBy?: string;
  /** ms since the epoch. */
  readonly acceptedAt: number;
  readonly endedAt?: number;
  readonly reason?: string;
  readonly code?: string;
}

const FINAL: ReadonlySet<DeploymentState> = new Set(['live', 'built', 'failed', 'cancelled', 'superseded']);

export function isFinal(state: DeploymentState): state is FinalState {
  return FINAL.has(state);
}

/** Nobody works on it: it may be superseded or cancelled without a claim. */
export function isWaiting(state: DeploymentState): boolean {
  return state === 'accepted' || state === 'ready';
}

/** Folds a journal. Undefined when it does not begin with `accepted`. Events that do not count are passed over. */
export function foldDeployment(
  app: string,
  id: string,
  events: readonly DeploymentEvent[],
): Deployment | undefined {
  const [first, ...rest] = events;
  if (first?.type !== 'accepted') return undefined;
  const start: Deployment = {
    id,
    app,
    kind: first.kind,
    who: first.who,
    ...(first.push === undefined ? {} : { push: first.push }),
    state: 'accepted',
    phases: [],
    acceptedAt: first.at,
  };
  return rest.reduce(apply, start);
}

/** One event on one state; returns the same object when the event does not count. */
export function apply(deployment: Deployment, event: DeploymentEvent): Deployment {
  if (isFinal(deployment.state)) return deployment;
  const holds = 'claim' in event && event.claim !== undefined && event.claim === deployment.claim?.token;
  switch (event.type) {
    case 'accepted':
      return deployment;
    case 'claimed': {
      const from: readonly DeploymentState[] =
        event.phase === 'build' ? ['accepted', 'building'] : ['ready', 'releasing'];
      if (!from.includes(deployment.state)) return deployment;
      if (event.phase === 'build' && deployment.kind !== 'push') return deployment;
      return {
        ...deployment,
        state: event.phase === 'build' ? 'building' : 'releasing',
        claim: { token: event.claim, phase: event.phase, by: event.by, at: event.at },
        // What a builder that died had timed is timed again by the next.
        phases: event.phase === 'build' ? [] : deployment.phases,
      };
    }
    case 'built':
      return holds && deployment.state === 'building'
        ? { ...deployment, digest: event.digest, steps: event.steps }
        : deployment;
    case 'release': {
      const fromBuild = holds && deployment.state === 'building';
      const atOnce =
        event.claim === undefined && deployment.state === 'accepted' && deployment.kind !== 'push';
      if (!fromBuild && !atOnce) return deployment;
      const { claim: _released, ...unclaimed } = deployment;
      return { ...unclaimed, state: 'ready', release: event.number };
    }
    case 'phase':
      return holds
        ? { ...deployment, phases: [...deployment.phases, { name: event.name, ms: event.ms }] }
        : deployment;
    case 'cancel':
      return deployment.cancelledBy === undefined ? { ...deployment, cancelledBy: event.who } : deployment;
    case 'ended': {
      const allowed = event.claim === undefined ? isWaiting(deployment.state) : holds;
      if (!allowed) return deployment;
      if (event.state === 'live' && deployment.state !== 'releasing') return deployment;
      if (event.state === 'built' && deployment.state !== 'building') return deployment;
      return {
        ...deployment,
        state: event.state,
        endedAt: event.at,
        ...(event.reason === undefined ? {} : { reason: event.reason }),
        ...(event.code === undefined ? {} : { code: event.code }),
      };
    }
  }
}

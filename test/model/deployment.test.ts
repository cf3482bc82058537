import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apply,
  type ClaimPhase,
  type Deployment,
  type DeploymentEvent,
  type DeploymentKind,
  type FinalState,
  foldDeployment,
  isFinal,
  isWaiting,
} from '../../src/model/deployment.js';

const accepted = (kind: DeploymentKind): DeploymentEvent => ({ type: 'accepted', at: 0, kind, who: 'alice' });
const claimed = (claim: string, phase: ClaimPhase): DeploymentEvent => ({
  type: 'claimed',
  at: 1,
  claim,
  phase,
  by: claim,
});
const ended = (state: FinalState, claim?: string): DeploymentEvent => ({
  type: 'ended',
  at: 9,
  state,
  ...(claim === undefined ? {} : { claim }),
});
const release = (number: number, claim?: string): DeploymentEvent => ({
  type: 'release',
  at: 3,
  number,
  ...(claim === undefined ? {} : { claim }),
});
const fold = (...events: DeploymentEvent[]): Deployment => {
  const deployment = foldDeployment('hello', 'b123456789012', events);
  if (deployment === undefined) throw new Error('no deployment');
  return deployment;
};

const kinds = fc.constantFrom<DeploymentKind>('push', 'rollback', 'config');
const finals = fc.constantFrom<FinalState>('live', 'built', 'failed', 'cancelled', 'superseded');
const phases = fc.constantFrom<ClaimPhase>('build', 'rollout');

/** What one worker that holds `claim` may write, in any order. */
const written = (claim: string): fc.Arbitrary<DeploymentEvent> =>
  fc.oneof(
    fc.constant<DeploymentEvent>({
      type: 'built',
      at: 2,
      claim,
      digest: `sha256:${claim}`,
      steps: { cached: 1, total: 2 },
    }),
    fc.constant(release(7, claim)),
    fc.constant<DeploymentEvent>({ type: 'phase', at: 2, claim, name: 'build', ms: 5 }),
    finals.map((state) => ended(state, claim)),
  );
const anyEvent = fc.oneof(
  kinds.map(accepted),
  fc.tuple(fc.constantFrom('a', 'b', 'c'), phases).map(([claim, phase]) => claimed(claim, phase)),
  fc.constantFrom('a', 'b', 'c').chain(written),
  fc.constant<DeploymentEvent>({ type: 'cancel', at: 4, who: 'eve' }),
  fc.constant(release(8)),
  finals.map((state) => ended(state)),
);
const journals = fc
  .tuple(kinds, fc.array(anyEvent, { maxLength: 40 }))
  .map(([kind, rest]) => [accepted(kind), ...rest]);

describe('a deployment', () => {
  it('of a push goes through build and rollout to live', () => {
    const events = [
      accepted('push'),
      claimed('a', 'build'),
      { type: 'built', at: 2, claim: 'a', digest: 'sha256:1', steps: { cached: 1, total: 2 } },
      release(3, 'a'),
      claimed('b', 'rollout'),
      ended('live', 'b'),
    ] satisfies DeploymentEvent[];
    const states = events.map((_, index) => fold(...events.slice(0, index + 1)).state);
    expect(states).toEqual(['accepted', 'building', 'building', 'ready', 'releasing', 'live']);
    expect(fold(...events)).toMatchObject({ digest: 'sha256:1', release: 3, endedAt: 9 });
  });

  it.each(['rollback', 'config'] as const)('of a %s starts with its release', (kind) => {
    expect(fold(accepted(kind), release(2)).state).toBe('ready');
    expect(fold(accepted(kind), claimed('a', 'build')).state).toBe('accepted');
    expect(fold(accepted(kind), claimed('a', 'rollout')).state).toBe('accepted');
  });

  it('of a push does not get a release without a build', () => {
    expect(fold(accepted('push'), release(2)).state).toBe('accepted');
  });

  it('is nothing without a first line', () => {
    expect(foldDeployment('hello', 'b1', [])).toBeUndefined();
    expect(foldDeployment('hello', 'b1', [claimed('a', 'build'), accepted('push')])).toBeUndefined();
  });

  it('is live only after a rollout, and built only after a build', () => {
    expect(fold(accepted('push'), claimed('a', 'build'), ended('live', 'a')).state).toBe('building');
    expect(fold(accepted('push'), claimed('a', 'build'), ended('built', 'a')).state).toBe('built');
    expect(fold(accepted('config'), release(1), claimed('a', 'rollout'), ended('built', 'a')).state).toBe(
      'releasing',
    );
  });

  it('that waits ends without a claim; one that is worked on does not', () => {
    expect(fold(accepted('push'), ended('superseded')).state).toBe('superseded');
    expect(fold(accepted('push'), claimed('a', 'build'), ended('superseded')).state).toBe('building');
    expect(fold(accepted('push'), claimed('a', 'build'), release(1, 'a'), ended('superseded')).state).toBe(
      'superseded',
    );
  });

  it('forgets the times of a builder that died', () => {
    const phase = (claim: string, ms: number): DeploymentEvent => ({
      type: 'phase',
      at: 2,
      claim,
      name: 'build',
      ms,
    });
    const deployment = fold(
      accepted('push'),
      claimed('a', 'build'),
      phase('a', 1),
      claimed('b', 'build'),
      phase('b', 2),
    );
    expect(deployment.phases).toEqual([{ name: 'build', ms: 2 }]);
  });

  it('remembers who cancelled first', () => {
    const cancel = (who: string): DeploymentEvent => ({ type: 'cancel', at: 1, who });
    expect(fold(accepted('push'), cancel('alice'), cancel('bob')).cancelledBy).toBe('alice');
  });
});

describe('fencing, for every journal', () => {
  it('a stale claim changes nothing, whatever it writes', () => {
    fc.assert(
      fc.property(journals, fc.array(written('stale'), { maxLength: 20 }), phases, (journal, late, phase) => {
        // `stale` held the deployment once, perhaps, and somebody may have claimed it since.
        const before = fold(...journal, claimed('stale', phase), claimed('newer', phase));
        fc.pre(before.claim?.token !== 'stale');
        expect(late.reduce(apply, before)).toBe(before);
      }),
    );
  });

  it('lines of a stale claim may be anywhere behind the newer claim without a trace', () => {
    fc.assert(
      fc.property(
        journals,
        fc.array(fc.tuple(written('stale'), fc.nat(40)), { maxLength: 10 }),
        ([first, ...rest], late) => {
          if (first === undefined) return;
          const withStale = [...rest];
          for (const [event, place] of late) withStale.splice(place, 0, event);
          // `stale` never claimed here, which is what a claim that was taken over amounts to.
          expect(fold(first, ...withStale)).toEqual(fold(first, ...rest));
        },
      ),
    );
  });

  it('there is at most one final state, and nothing follows it', () => {
    fc.assert(
      fc.property(journals, fc.array(anyEvent), (journal, more) => {
        const deployment = fold(...journal);
        fc.pre(isFinal(deployment.state));
        expect(fold(...journal, ...more)).toEqual(deployment);
      }),
    );
  });

  it('any interleaving of two claimants ends as the later claim says, or as the earlier one did before it', () => {
    const script = (claim: string): DeploymentEvent[] => [
      claimed(claim, 'build'),
      release(claim === 'a' ? 1 : 2, claim),
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 0, 1, 1], { minLength: 4 }), (order) => {
        const scripts = [script('a'), script('b')];
        const journal = order.flatMap((who) => scripts[who]?.shift() ?? []);
        const deployment = fold(accepted('push'), ...journal);
        // Exactly one of the two releases counted: that of the last claim while it was still building.
        const counted = journal.filter((_, index) => {
          const before = fold(accepted('push'), ...journal.slice(0, index));
          return (
            before.state !== 'ready' &&
            fold(accepted('push'), ...journal.slice(0, index + 1)).state === 'ready'
          );
        });
        expect(counted).toHaveLength(1);
        expect(deployment).toMatchObject({
          state: 'ready',
          release: counted[0]?.type === 'release' ? counted[0].number : 0,
        });
        expect(deployment.claim).toBeUndefined();
      }),
    );
  });

  it('every reader of a growing journal sees states in one order', () => {
    const rank = { accepted: 0, building: 1, ready: 2, releasing: 3 } as const;
    fc.assert(
      fc.property(journals, (journal) => {
        let last = -1;
        for (let end = 1; end <= journal.length; end += 1) {
          const { state } = fold(...journal.slice(0, end));
          const now = isFinal(state) ? 4 : rank[state];
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
        }
      }),
    );
  });

  it('somebody holds it exactly while it is worked on', () => {
    fc.assert(
      fc.property(journals, (journal) => {
        const { state, claim } = fold(...journal);
        if (isWaiting(state)) expect(claim).toBeUndefined();
        else if (!isFinal(state)) expect(claim).toBeDefined();
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import {
  dispensableReleases,
  imageKey,
  keptReleases,
  neededImages,
  type RetentionState,
  withoutReleases,
} from '../../src/model/retention.js';
import { releaseDraft } from '../support/release-draft.js';

const at = '2026-01-01T00:00:00.000Z';
const digest = (image: number): string => `sha256:${String(image).padStart(64, '0')}`;

function release(
  number: number,
  state: 'live' | 'failed' | 'superseded' | undefined,
  more: Partial<ReleaseWithOutcome> = {},
): ReleaseWithOutcome {
  return {
    ...releaseDraft('hello', { source: 'a'.repeat(40), deploymentId: `d${number}` }),
    image: { repository: 'apps/hello', digest: digest(number) },
    number,
    createdAt: at,
    createdBy: 'alice',
    ...(state === undefined ? {} : { outcome: { state, at } }),
    ...more,
  };
}

describe('retention', () => {
  it('keeps the newest good ones, what runs, what is pinned and what is open, and lets failures go', () => {
    const state = {
      live: 2,
      releases: [
        release(1, 'live'),
        release(2, 'live'),
        release(3, 'live', { pinned: { at, by: 'alice' } }),
        release(4, 'live'),
        release(5, 'failed'),
        release(6, 'live'),
        release(7, undefined),
      ],
    };
    expect([...keptReleases(state, 2)].sort()).toEqual([
      [2, 'live'],
      [3, 'pinned'],
      [4, 'newest'],
      [6, 'newest'],
      [7, 'open'],
    ]);
    expect(dispensableReleases(state, 2)).toEqual([1, 5]);
  });

  it('keeps what the live release has kept warm, also when it is marked bad', () => {
    const outcome = { state: 'live', at, warm: { release: 1, until: at } } as const;
    const bad = { reason: 'loses orders', at, by: 'alice' };
    const releases = [release(1, 'live', { bad }), release(2, 'live', { outcome })];
    expect([...keptReleases({ live: 2, releases }, 1)].sort()).toEqual([
      [1, 'warm'],
      [2, 'live'],
    ]);
  });

  it('does not count one that is marked bad among the good', () => {
    const bad = { reason: 'loses orders', at, by: 'alice' };
    const state = {
      live: 3,
      releases: [release(1, 'live'), release(2, 'live', { bad }), release(3, 'live')],
    };
    expect(dispensableReleases(state, 2)).toEqual([2]);
  });

  it('goes by the number of the app where it has one', () => {
    const state = { live: 3, releases: [1, 2, 3].map((number) => release(number, 'live')) };
    expect(dispensableReleases(state, 1)).toEqual([1, 2]);
    expect(dispensableReleases({ ...state, keep: 2 }, 1)).toEqual([1]);
  });

  it('brings nothing back that was let go, when more are to be kept', () => {
    const releases = [1, 2, 3].map((number) => release(number, 'live', number === 1 ? { gone: true } : {}));
    const state = { live: 3, releases, keep: 10 };
    expect([...keptReleases(state, 1).keys()].sort()).toEqual([2, 3]);
    expect(neededImages([state])).not.toContain(`apps/hello@${digest(1)}`);
  });
});

/** Apps with few images between them, so that releases and apps share them. */
const apps: fc.Arbitrary<RetentionState[]> = fc.array(
  fc
    .record({
      keep: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
      live: fc.nat(),
      releases: fc.array(
        fc.record({
          state: fc.constantFrom('live' as const, 'failed' as const, 'superseded' as const, undefined),
          image: fc.integer({ min: 0, max: 5 }),
          repository: fc.constantFrom('apps/hello', 'apps/shop'),
          pinned: fc.boolean(),
          gone: fc.boolean(),
        }),
        { maxLength: 15 },
      ),
    })
    .map(({ keep, live, releases }): RetentionState => {
      const made = releases.map(({ state, image, repository, pinned, gone }, index) =>
        release(index + 1, state, {
          image: { repository, digest: digest(image) },
          ...(pinned ? { pinned: { at, by: 'alice' } } : {}),
          ...(gone && !pinned ? { gone } : {}),
        }),
      );
      const good = made.filter(({ outcome }) => outcome?.state === 'live');
      const serving = good[live % Math.max(1, good.length)];
      return {
        releases: made,
        ...(keep === undefined ? {} : { keep }),
        ...(serving === undefined ? {} : { live: serving.number }),
      };
    }),
  { minLength: 1, maxLength: 4 },
);

describe('whatever apps share', () => {
  it('an image that a kept release of any app needs is never free to go', () => {
    fc.assert(
      fc.property(apps, fc.integer({ min: 1, max: 6 }), (states, platformKeep) => {
        const after = states.map((state) => withoutReleases(state, dispensableReleases(state, platformKeep)));
        const needed = neededImages(after);
        for (const state of states) {
          const kept = keptReleases(state, platformKeep);
          for (const one of state.releases)
            if (kept.has(one.number)) expect(needed).toContain(imageKey(one.image));
        }
      }),
    );
  });

  it('what serves, is open or pinned is kept, and as many of the good as are asked for', () => {
    fc.assert(
      fc.property(apps, fc.integer({ min: 1, max: 6 }), (states, platformKeep) => {
        for (const state of states) {
          const kept = keptReleases(state, platformKeep);
          if (state.live !== undefined) expect(kept.get(state.live)).toBe('live');
          for (const { number, outcome, pinned } of state.releases)
            if (outcome === undefined || pinned !== undefined) expect(kept.has(number)).toBe(true);
          const good = state.releases.filter(
            ({ number, outcome, gone }) => outcome?.state === 'live' && (!gone || number === state.live),
          );
          for (const { number } of good.slice(-(state.keep ?? platformKeep)))
            expect(kept.has(number)).toBe(true);
        }
      }),
    );
  });

  it('a second marking lets nothing more go, and each release is kept, gone or going', () => {
    fc.assert(
      fc.property(apps, fc.integer({ min: 1, max: 6 }), (states, platformKeep) => {
        for (const state of states) {
          const going = dispensableReleases(state, platformKeep);
          const after = withoutReleases(state, going);
          expect(dispensableReleases(after, platformKeep)).toEqual([]);
          const kept = keptReleases(after, platformKeep);
          for (const { number, gone } of after.releases) expect(kept.has(number) || gone).toBe(true);
          expect(new Set(kept.keys())).toEqual(new Set(keptReleases(state, platformKeep).keys()));
        }
      }),
    );
  });
});

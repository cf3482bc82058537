import { describe, expect, test } from 'vitest';
import { timingsOf } from '../../src/metrics/timings.js';
import type { DeploymentEvent } from '../../src/model/deployment.js';

const accepted: DeploymentEvent = { type: 'accepted', at: 1000, kind: 'push', who: 'alice' };
const build: DeploymentEvent = { type: 'claimed', at: 1500, claim: 'a', phase: 'build', by: 'x' };
const built: readonly DeploymentEvent[] = [
  { type: 'built', at: 4000, claim: 'a', digest: 'sha256:0', steps: { cached: 3, total: 5 } },
  { type: 'phase', at: 4000, claim: 'a', name: 'build', ms: 2400 },
  { type: 'release', at: 4100, claim: 'a', number: 1 },
];
const rollout: DeploymentEvent = { type: 'claimed', at: 4600, claim: 'b', phase: 'rollout', by: 'y' };
const live: readonly DeploymentEvent[] = [
  { type: 'phase', at: 6000, claim: 'b', name: 'check', ms: 900 },
  { type: 'ended', at: 6600, claim: 'b', state: 'live' },
];

describe('what a journal says of times', () => {
  test('of a push that went live: both waits, the build, the rollout and its phases', () => {
    expect(timingsOf('hello', 'b1', [accepted, build, ...built, rollout, ...live])).toEqual({
      kind: 'push',
      state: 'live',
      waitForBuilderMs: 500,
      buildMs: 2600,
      waitForDeployerMs: 500,
      rolloutMs: 2000,
      phases: [
        { name: 'build', ms: 2400 },
        { name: 'check', ms: 900 },
      ],
      steps: { cached: 3, total: 5 },
    });
  });

  test('of one that was taken over: from the first worker on', () => {
    const again: DeploymentEvent = { type: 'claimed', at: 5000, claim: 'c', phase: 'rollout', by: 'z' };
    const end: DeploymentEvent = { type: 'ended', at: 9000, claim: 'c', state: 'failed', reason: 'x' };
    expect(timingsOf('hello', 'b1', [accepted, build, ...built, rollout, again, end])).toMatchObject({
      state: 'failed',
      waitForDeployerMs: 500,
      rolloutMs: 4400,
    });
  });

  test('of one that nobody took: no times; of one that is open: nothing', () => {
    const end: DeploymentEvent = { type: 'ended', at: 2000, state: 'superseded' };
    expect(timingsOf('hello', 'b1', [accepted, end])).toEqual({
      kind: 'push',
      state: 'superseded',
      phases: [],
    });
    expect(timingsOf('hello', 'b1', [accepted, build, ...built, rollout])).toBeUndefined();
    expect(timingsOf('hello', 'b1', [])).toBeUndefined();
  });
});

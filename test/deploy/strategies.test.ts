import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hosts } from '../../deploy/hosts.js';
import { placeInstances } from '../../deploy/placement.js';
import { Answers, isWorse } from '../../deploy/strategies/answers.js';
import { canaries } from '../../deploy/strategies/canary.js';
import { changeTo } from '../../deploy/strategies/change.js';
import { batchesOf } from '../../deploy/strategies/rolling.js';
import { refuseOnSwarms } from '../../deploy/strategies/strategy.js';
import { SwarmTarget } from '../../deploy/swarm/target.js';
import type { Container } from '../../deploy/targets/container.js';
import { Engine } from '../../deploy/targets/engine.js';
import { isContainerOf, type ReleaseWithOutcome } from '../../src/model/release.js';
import { parseStrategy } from '../../src/model/strategy.js';

const container = (
  deployment: string,
  number: number,
  state: Container['state'] = 'running',
  process = 'web',
): Container => ({
  host: 'local',
  id: `${deployment}-${process}-${number}`,
  name: `${deployment}.${process}.${number}`,
  app: 'hello',
  release: Number(deployment.slice(1)),
  deployment,
  instance: { process, number },
  state,
});
const release = (
  number: number,
  scale: number,
  outcome?: ReleaseWithOutcome['outcome'],
): ReleaseWithOutcome =>
  ({
    number,
    deploymentId: `d${number}`,
    processes: [{ type: 'web', scale }],
    ...(outcome === undefined ? {} : { outcome }),
  }) as unknown as ReleaseWithOutcome;
const names = (containers: readonly Container[]): string[] => containers.map(({ id }) => id);
const live = { state: 'live', at: '' } as const;

describe('a change', () => {
  it('adopts what the release says, by instance, and starts the rest', () => {
    const next = release(2, 3, { ...live, containersOf: ['d1'], adopted: { 'web.1': 'd1' } });
    const there = [container('d1', 1), container('d1', 2), container('d2', 3), container('d0', 1)];
    const change = changeTo(there, next, release(1, 2, live));
    expect(names(change.adopted)).toEqual(['d1-web-1']);
    expect(change.fresh.map(({ number }) => number)).toEqual([2, 3]);
    expect(names(change.started)).toEqual(['d2-web-3']);
    expect(names(change.old)).toEqual(['d1-web-2', 'd0-web-1']);
    expect(names(change.serving)).toEqual(['d1-web-2']);
  });

  it('prefers what was started in the place of an adopted one, and throws away what has stopped', () => {
    const next = release(2, 2, { ...live, containersOf: ['d1'], adopted: { 'web.1': 'd1' } });
    const there = [container('d1', 1), container('d2', 1), container('d2', 2, 'exited')];
    const change = changeTo(there, next, release(1, 1, live));
    expect(names(change.started)).toEqual(['d2-web-1']);
    expect(names(change.adopted)).toEqual([]);
    expect(names(change.useless)).toEqual(['d2-web-2', 'd1-web-1']);
  });

  it('reads the outcomes of earlier versions, which adopted all or nothing', () => {
    const next = release(2, 1, { ...live, containersOf: ['d1'] });
    expect(names(changeTo([container('d1', 1)], next, undefined).adopted)).toEqual(['d1-web-1']);
  });
});

describe('a container', () => {
  const wanted = release(2, 2, { ...live, containersOf: ['d1'], adopted: { 'web.1': 'd1' } });

  it('is of the release that started it, or of the live one that adopted just this instance', () => {
    expect(isContainerOf(container('d2', 9), wanted)).toBe(true);
    expect(isContainerOf(container('d1', 1), wanted)).toBe(true);
    expect(isContainerOf(container('d1', 2), wanted)).toBe(false);
    expect(isContainerOf(container('d0', 1), wanted)).toBe(false);
    expect(isContainerOf(container('d1', 1, 'running', 'constructor'), wanted)).toBe(false);
  });

  it('of a Swarm that has no task just now is of who adopted its process type', () => {
    expect(isContainerOf(container('d1', 0), wanted)).toBe(true);
    expect(isContainerOf(container('d1', 0, 'created', 'worker'), wanted)).toBe(false);
  });
});

describe('a Swarm', () => {
  const registry = { host: '127.0.0.1:5000', insecure: true, username: '', password: '' };
  const engine = new Engine('unix:///nowhere');
  const prod = new SwarmTarget({ host: 'prod', engine, platform: 'p', registry } as never);
  const hosts: Hosts = {
    list: async () => [{ name: 'prod', target: prod }],
    get: async () => ({ name: 'prod', target: prod }),
  };

  it.each(['rolling', 'recreate'])('refuses %s, on the new hosts and on the old ones', async (name) => {
    const next = { ...release(2, 1), strategy: parseStrategy(name) };
    const refused = { code: 'conflict', message: `prod is a Swarm, where no ${name} rollout is possible` };
    const before = { ...release(1, 1, live), hosts: ['prod'] };
    const there = refuseOnSwarms({ hosts }, { ...next, hosts: ['prod'] }, { releases: [] });
    await expect(there).rejects.toMatchObject(refused);
    const fromThere = refuseOnSwarms({ hosts }, next, { releases: [before], live: 1 });
    await expect(fromThere).rejects.toMatchObject(refused);
    await refuseOnSwarms({ hosts }, next, { releases: [] });
  });

  it.each(['blue-green', 'canary'])('takes %s', async (name) => {
    const next = { ...release(2, 1), hosts: ['prod'], strategy: parseStrategy(name) };
    await expect(refuseOnSwarms({ hosts }, next, { releases: [] })).resolves.toBeUndefined();
  });
});

describe('batches', () => {
  const fresh = placeInstances({
    processes: [
      { type: 'web', scale: 3 },
      { type: 'worker', scale: 1 },
    ],
  });

  it('put each new instance in the place of the old one of its name', () => {
    const serving = [container('d1', 2), container('d1', 1), container('d1', 9)];
    const batches = batchesOf({ fresh, serving }, { size: 2 });
    expect(
      batches.map((batch) => [
        batch.fresh.map(({ process, number }) => `${process}.${number}`),
        names(batch.old),
      ]),
    ).toEqual([
      [
        ['web.1', 'web.2'],
        ['d1-web-2', 'd1-web-1'],
      ],
      [['web.3', 'worker.1'], ['d1-web-9']],
    ]);
  });

  it('are one when there is nothing to start, and take all that is old', () => {
    const serving = [container('d1', 1)];
    expect(batchesOf({ fresh: [], serving }, { percent: 50 })).toEqual([{ fresh: [], old: serving }]);
  });

  it('hold everything exactly once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 100 }), (scale, percent) => {
        const wanted = placeInstances({ processes: [{ type: 'web', scale }] });
        const serving = [1, 2, 3].map((number) => container('d1', number));
        const batches = batchesOf({ fresh: wanted, serving }, { percent });
        expect(batches.flatMap((batch) => batch.fresh)).toEqual(wanted);
        expect(names(batches.flatMap((batch) => batch.old)).sort()).toEqual(names(serving));
      }),
    );
  });
});

describe('a canary', () => {
  it('is the share of the web instances, one at least, and none of the others', () => {
    const fresh = placeInstances({
      processes: [
        { type: 'worker', scale: 3 },
        { type: 'web', scale: 20 },
      ],
    });
    expect(canaries(fresh, 10).map(({ process, number }) => `${process}.${number}`)).toEqual([
      'web.1',
      'web.2',
    ]);
    expect(canaries(fresh, 1)).toHaveLength(1);
    expect(canaries([], 10)).toEqual([]);
  });

  it('is worse with more errors than the old release and the margin, of enough answers', () => {
    const of = (errors: number, answers: number): { errors: number; answers: number } => ({
      errors,
      answers,
    });
    expect(isWorse(of(19, 19), of(0, 100), 5)).toBe(false);
    expect(isWorse(of(1, 20), of(0, 100), 5)).toBe(false);
    expect(isWorse(of(2, 20), of(0, 100), 5)).toBe(true);
    expect(isWorse(of(2, 20), of(6, 100), 5)).toBe(false);
    expect(isWorse(of(2, 20), of(0, 0), 5)).toBe(true);
  });

  it('is counted over a reload of the edge, which begins to count anew', () => {
    const answers = new Answers(new Set(['v2']));
    const look = (old: number, now: number, errors: number): void =>
      answers.add(
        new Map([
          ['v1', { answers: old, errors: 0 }],
          ['v2', { answers: now, errors }],
        ]),
      );
    look(1000, 4, 1);
    look(1010, 6, 2);
    look(3, 2, 1);
    expect(answers.canary).toEqual({ answers: 8, errors: 3 });
    expect(answers.stable).toEqual({ answers: 13, errors: 0 });
    expect(answers.words).toBe('3 errors in 8 answers, the old release 0 errors in 13 answers');
  });
});

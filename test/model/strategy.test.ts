import { describe, expect, test } from 'vitest';
import {
  batchSize,
  checkStrategy,
  describeStrategy,
  parseStrategy,
  type Strategy,
  strategyFor,
} from '../../src/model/strategy.js';

describe('a strategy', () => {
  test.each<[string, Strategy]>([
    ['blue-green', { name: 'blue-green' }],
    ['blue-green,bake=10m', { name: 'blue-green', bakeMs: 600_000 }],
    ['recreate', { name: 'recreate' }],
    ['rolling', { name: 'rolling', batch: { percent: 25 } }],
    ['rolling, batch=2', { name: 'rolling', batch: { size: 2 } }],
    ['rolling,batch=50%', { name: 'rolling', batch: { percent: 50 } }],
    ['canary', { name: 'canary', percent: 10, bakeMs: 600_000, marginPercent: 5 }],
    ['canary,percent=5%,bake=90s,margin=1', { name: 'canary', percent: 5, bakeMs: 90_000, marginPercent: 1 }],
  ])('is read from %s, and reads the same when it was written', (text, strategy) => {
    expect(parseStrategy(text)).toEqual(strategy);
    expect(parseStrategy(describeStrategy(strategy))).toEqual(strategy);
  });

  test('is written with the longest unit that fits', () => {
    expect(describeStrategy(parseStrategy('canary,bake=120m'))).toBe('canary,percent=10,bake=2h,margin=5');
    expect(describeStrategy(parseStrategy('canary,bake=90s'))).toContain('bake=90s');
  });

  test.each([
    ['', '"" is not a strategy'],
    ['yolo', '"yolo" is not a strategy: use blue-green'],
    ['constructor', 'is not a strategy'],
    ['rolling,batch=0', 'batch=0 must be a number of containers'],
    ['rolling,batch=0%', 'batch=0% must be a whole number from 1 to 100'],
    ['rolling,batch=1,batch=2', 'batch is said twice'],
    ['rolling,bake=1m', 'rolling has no option "bake"'],
    ['recreate,batch', '"batch" must be NAME=VALUE'],
    ['canary,percent=51', 'percent=51 must be a whole number from 1 to 50'],
    ['canary,bake=25h', 'bake=25h must be a time'],
    ['canary,bake=10', 'bake=10 must be a time'],
  ])('%j is refused', (text, why) => {
    expect(() => checkStrategy(text)).toThrow(
      expect.objectContaining({ code: 'bad_request', message: expect.stringContaining(why) }),
    );
  });

  test('of a change is what its kind allows', () => {
    const [rolling, recreate, canary] = ['rolling', 'recreate', 'canary'].map(parseStrategy);
    expect(strategyFor('deploy', canary, [])).toEqual(canary);
    expect(strategyFor('config', canary, [])).toEqual(canary);
    expect(strategyFor('scale', canary, [])).toBeUndefined();
    expect(strategyFor('rollback', canary, [])).toBeUndefined();
    expect(strategyFor('rollback', rolling, [])).toBeUndefined();
    expect(strategyFor('restart', rolling, [])).toEqual(rolling);
    expect(strategyFor('rollback', recreate, [])).toEqual(recreate);
    expect(strategyFor('deploy', { name: 'blue-green' }, [])).toBeUndefined();
    const bake = parseStrategy('blue-green,bake=1m');
    expect(strategyFor('deploy', bake, [])).toEqual(bake);
    expect(strategyFor('stop', bake, [])).toBeUndefined();
  });

  test('stops what writes a volume before others write it, unless something else was said', () => {
    const writer = { type: 'web', scale: 1, mounts: [{ volume: 'data', path: '/data' }] };
    const reader = { ...writer, mounts: [{ volume: 'data', path: '/data', readOnly: true as const }] };
    expect(strategyFor('deploy', undefined, [writer])).toEqual({ name: 'recreate' });
    expect(strategyFor('rollback', undefined, [reader, writer])).toEqual({ name: 'recreate' });
    expect(strategyFor('deploy', undefined, [reader, { ...writer, scale: 0 }])).toBeUndefined();
    expect(strategyFor('deploy', { name: 'blue-green' }, [writer])).toBeUndefined();
  });

  test('has batches of a number, or of a share and at least one', () => {
    expect(batchSize({ size: 3 }, 2)).toBe(3);
    expect([1, 4, 5].map((all) => batchSize({ percent: 25 }, all))).toEqual([1, 1, 2]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostsOf, placeInstances } from '../../deploy/placement.js';

const name = (release: Parameters<typeof placeInstances>[0]): string[] =>
  placeInstances(release).map(({ process, number, host }) => `${process}.${number} on ${host}`);

describe('a placement', () => {
  it('deals the instances out over the hosts, and the next type goes on where the last one ended', () => {
    const processes = [
      { type: 'web', scale: 4 },
      { type: 'worker', scale: 1 },
      { type: 'clock', scale: 1 },
    ];
    expect(name({ processes, hosts: ['a', 'b', 'c'] })).toEqual([
      'web.1 on a',
      'web.2 on b',
      'web.3 on c',
      'web.4 on a',
      'worker.1 on b',
      'clock.1 on c',
    ]);
  });

  it('is the local engine for a release from before there were hosts', () => {
    expect(name({ processes: [{ type: 'web', scale: 1 }] })).toEqual(['web.1 on local']);
    expect(hostsOf({ processes: [{ type: 'web', scale: 1 }] })).toEqual(['local']);
  });

  it('needs only the hosts that get an instance', () => {
    const hosts = ['a', 'b', 'c'];
    expect(hostsOf({ processes: [{ type: 'web', scale: 2 }], hosts })).toEqual(['a', 'b']);
    expect(hostsOf({ processes: [{ type: 'web', scale: 0 }], hosts })).toEqual([]);
  });

  it('is even, whole and always the same', () => {
    const processes = fc
      .array(fc.integer({ min: 0, max: 7 }), { maxLength: 4 })
      .map((scales) => scales.map((scale, index) => ({ type: `t${index}`, scale })));
    const hosts = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
    fc.assert(
      fc.property(processes, hosts, (types, names) => {
        const placed = placeInstances({ processes: types, hosts: names });
        expect(placeInstances({ processes: types, hosts: [...names] })).toEqual(placed);
        expect(placed.length).toBe(types.reduce((sum, { scale }) => sum + scale, 0));
        const counts = names.map((host) => placed.filter((one) => one.host === host).length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

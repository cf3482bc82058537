import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { declaredBy, type Formation, formed, isStopped, NO_FORMATION } from '../../src/model/process.js';
import { lastGoodBefore, needsReleasePhase, type ReleaseWithOutcome } from '../../src/model/release.js';
import {
  describeResources,
  formatMemory,
  parseCpus,
  parseMemory,
  parseProcesses,
} from '../../src/model/resources.js';
import { releaseDraft } from '../support/release-draft.js';

const stopped = { at: '2026-01-01T00:00:00.000Z', by: 'alice' };

describe('the processes of a release', () => {
  it('are one web and none of the others, until somebody says otherwise', () => {
    expect(formed([{ type: 'web' }, { type: 'worker', command: ['w'] }], NO_FORMATION)).toEqual([
      { type: 'web', scale: 1 },
      { type: 'worker', command: ['w'], scale: 0 },
    ]);
  });

  it('are as many as people have set, else as the commit says', () => {
    const declared = [
      { type: 'web', quantity: 2, resources: { memoryBytes: 1e9, cpus: 1 } },
      { type: 'worker', quantity: 3 },
    ];
    const formation: Formation = {
      scale: { web: 5, gone: 9 },
      resources: { web: { cpus: 0.5, memoryBytes: null, processes: 9 } },
    };
    expect(formed(declared, formation)).toEqual([
      { type: 'web', scale: 5, resources: { cpus: 0.5, processes: 9 } },
      { type: 'worker', scale: 3 },
    ]);
  });

  it('of a type called like what every object has are no surprise', () => {
    expect(formed([{ type: 'constructor' }, { type: 'toString' }], NO_FORMATION)).toEqual([
      { type: 'constructor', scale: 0 },
      { type: 'toString', scale: 0 },
    ]);
  });

  it('of a stopped app are none, and remember how many there were', () => {
    const declared = [{ type: 'web' }, { type: 'worker', quantity: 2 }];
    const processes = formed(declared, { ...NO_FORMATION, stopped });
    expect(processes).toEqual([
      { type: 'web', scale: 0, whenStarted: 1 },
      { type: 'worker', scale: 0, whenStarted: 2 },
    ]);
    expect([isStopped({ processes }), isStopped({ processes: formed(declared, NO_FORMATION) })]).toEqual([
      true,
      false,
    ]);
    expect(formed(declaredBy(processes), NO_FORMATION)).toEqual(formed(declared, NO_FORMATION));
  });

  it('formed anew of what they are, are the same, stopped or not', () => {
    const types = fc.constantFrom('web', 'worker', 'clock');
    const resources = fc.record(
      { memoryBytes: fc.integer({ min: 1 }), cpus: fc.integer({ min: 1 }) },
      { requiredKeys: [] },
    );
    const checks = fc.array(fc.record({ log: fc.string() }), { minLength: 1 });
    const declared = fc.uniqueArray(
      fc.record({ type: types, quantity: fc.nat(9), resources, checks }, { requiredKeys: ['type'] }),
      { selector: ({ type }) => type },
    );
    const scale = fc.dictionary(types, fc.nat(9));
    fc.assert(
      fc.property(declared, scale, fc.boolean(), (said, set, isHalted) => {
        const formation = { scale: set, resources: {}, ...(isHalted ? { stopped } : {}) };
        const processes = formed(said, formation);
        expect(formed(declaredBy(processes), formation)).toEqual(processes);
      }),
    );
  });
});

describe('limits', () => {
  it('are read as people write them, and written so', () => {
    expect(['512m', '512MB', '1.5g', '2GiB', '8388608', '6144k'].map(parseMemory)).toEqual([
      536870912, 536870912, 1610612736, 2147483648, 8388608, 6291456,
    ]);
    expect([parseCpus('0.5'), parseCpus(2), parseProcesses('200')]).toEqual([0.5, 2, 200]);
    expect([536870912, 1610612736, 2147483648, 8388609].map(formatMemory)).toEqual([
      '512m',
      '1536m',
      '2g',
      '8388609b',
    ]);
    expect(describeResources({ memoryBytes: 536870912, cpus: null, processes: 5 })).toBe(
      'memory 512m, cpus none, processes 5',
    );
    expect(describeResources()).toBe('');
  });

  it.each(['', '5m', '-1g', '1e9', '512x', 'NaN', '9999999g', '0x10m'])('%j is no memory', (text) => {
    expect(() => parseMemory(text)).toThrow('memory must be a size');
  });

  it.each(['', '0', '-1', '1e3', '0.001', 'two', '.5', '99999'])('%j is no cpus', (text) => {
    expect(() => parseCpus(text)).toThrow('cpus must be a number');
  });

  it.each(['', '0', '1.5', '-3', '99999999'])('%j is no count of processes', (text) => {
    expect(() => parseProcesses(text)).toThrow('processes must be a whole number');
  });
});

function release(number: number, more: Partial<ReleaseWithOutcome> = {}): ReleaseWithOutcome {
  const draft = releaseDraft('shop', { source: `c${number}`, deploymentId: `b${number}` });
  const at = '2026-01-01T00:00:00.000Z';
  return { ...draft, number, createdAt: at, createdBy: 'alice', outcome: { state: 'live', at }, ...more };
}

describe('the last good release', () => {
  it('is none that somebody has called bad', () => {
    const bad = { reason: 'loses orders', at: '', by: 'bob' };
    expect(lastGoodBefore([release(1), release(2, { bad }), release(3)], 3)?.number).toBe(1);
    expect(lastGoodBefore([release(1, { bad }), release(3)], 3)).toBeUndefined();
  });
});

describe('the release phase', () => {
  const releasePhase = ['migrate'];
  const { outcome: _none, ...open } = release(2, { releasePhase, source: 'c2' });

  it('is due for each push that has one', () => {
    expect(needsReleasePhase(open, [release(1)])).toBe(true);
    expect(needsReleasePhase(release(2), [release(1)])).toBe(false);
    const same = { ...open, source: 'c1' };
    expect(needsReleasePhase(same, [release(1, { releasePhase })])).toBe(true);
  });

  it('is not due again for what was live, as after a rollback or a change of config', () => {
    const of = { ...open, source: 'c1' };
    for (const kind of ['rollback', 'config', 'scale'] as const)
      expect(needsReleasePhase({ ...of, kind }, [release(1, { releasePhase })])).toBe(false);
  });

  it('is due for what overtook the push that it was made of', () => {
    const { outcome: _open, ...pushed } = release(2, { releasePhase });
    const config = { ...release(3, { kind: 'config', releasePhase, source: 'c2' }) };
    expect(needsReleasePhase(config, [release(1), pushed, config])).toBe(true);
    const other = release(2, { releasePhase, image: { repository: 'apps/shop', digest: 'sha256:other' } });
    expect(needsReleasePhase(config, [release(1), other, config])).toBe(true);
  });
});

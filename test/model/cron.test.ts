import { describe, expect, it } from 'vitest';
import { cronNameOf, isCronName } from '../../src/model/cron.js';
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import { describeDiff, diffReleases } from '../../src/model/release-diff.js';
import { dueBetween, heldSince, nextDue, scheduleFault, timeZoneFault } from '../../src/model/schedule.js';

const at = (text: string): number => Date.parse(text);
const iso = (times: readonly number[]): string[] => times.map((ms) => new Date(ms).toISOString());

describe('a schedule', () => {
  it('is due at its minutes, after the first time and up to the second', () => {
    const entry = { schedule: '*/5 * * * *' };
    expect(iso(dueBetween(entry, at('2026-11-30T06:05:00Z'), at('2026-11-30T06:15:00Z')))).toEqual([
      '2026-11-30T06:10:00.000Z',
      '2026-11-30T06:15:00.000Z',
    ]);
    expect(dueBetween(entry, at('2026-11-30T06:05:00Z'), at('2026-11-30T06:09:59Z'))).toEqual([]);
  });

  it.each([
    ['@daily', '2026-12-01T00:00:00.000Z'],
    ['@hourly', '2026-11-30T07:00:00.000Z'],
    ['0 3 * * MON', '2026-12-07T03:00:00.000Z'],
    ['0 0 1 * 2', '2026-12-01T00:00:00.000Z'],
  ])('%s is next at %s', (schedule, next) => {
    expect(iso([nextDue({ schedule }, at('2026-11-30T06:05:00Z')) ?? 0])).toEqual([next]);
  });

  it('of a time zone follows its clock, once also in the night that has an hour twice', () => {
    const entry = { schedule: '30 2 * * *', timeZone: 'Europe/Berlin' };
    expect(iso(dueBetween(entry, at('2026-10-23T12:00:00Z'), at('2026-10-26T12:00:00Z')))).toEqual([
      '2026-10-24T00:30:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
    // The hour that is left out in spring.
    expect(dueBetween(entry, at('2026-03-28T12:00:00Z'), at('2026-03-29T12:00:00Z'))).toHaveLength(1);
  });

  it.each([
    ['* * *', 'must have five fields'],
    ['* * * * * *', 'must have five fields'],
    ['@fortnightly', 'must have five fields'],
    ['61 * * * *', 'is not understood'],
    ['a b c d e', 'is not understood'],
    ['0 0 30 2 *', 'never comes'],
  ])('%s is refused', (schedule, fault) => {
    expect(scheduleFault(schedule)).toContain(fault);
  });

  it('knows time zones', () => {
    expect(timeZoneFault('Europe/Berlin')).toBeUndefined();
    expect(timeZoneFault('Mars/Olympus')).toBe('"Mars/Olympus" is no time zone such as "Europe/Berlin"');
  });
});

describe('an entry', () => {
  it('gets a name of its command', () => {
    expect(cronNameOf('node tasks.js', new Set())).toBe('node-tasks-js');
    expect(cronNameOf('node tasks.js', new Set(['node-tasks-js']))).toBe('node-tasks-js-2');
    expect(cronNameOf('./ -- 7', new Set())).toBe('cron');
    for (const command of [`bin/${'x'.repeat(100)}`, '"$A" && b', '12 a'])
      expect(isCronName(cronNameOf(command, new Set()))).toBe(true);
  });

  const nightly = { name: 'nightly', schedule: '0 3 * * *', command: ['a'] };
  const release = (
    number: number,
    cron: readonly (typeof nightly)[],
    more: Partial<ReleaseWithOutcome> = {},
  ): ReleaseWithOutcome => ({
    number,
    kind: 'deploy',
    image: { repository: 'apps/a', digest: 'sha256:0' },
    source: '',
    config: {},
    processes: [{ type: 'web', scale: 1 }],
    cron,
    deploymentId: '',
    createdAt: '',
    createdBy: '',
    description: '',
    outcome: { state: 'live', at: `2026-01-0${number}T00:00:00Z` },
    ...more,
  });

  it('holds since the first live release that had it so', () => {
    const other = { ...nightly, schedule: '0 4 * * *' };
    const failed = { outcome: { state: 'failed', at: '' } } as const;
    const releases = [
      release(1, [nightly]),
      release(2, [other]),
      release(3, [nightly]),
      release(4, [], failed),
      release(5, [{ ...nightly, command: ['b'] }]),
      release(6, [nightly]),
    ];
    expect(heldSince(releases, 5, nightly)).toBe(at('2026-01-03T00:00:00Z'));
    expect(heldSince(releases, 2, nightly)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is new, gone or changed in the difference of two releases', () => {
    const weekly = { ...nightly, name: 'weekly', schedule: '@weekly', timeZone: 'Europe/Berlin' };
    const diff = (from: typeof cron, to: typeof cron): string[] =>
      describeDiff(
        diffReleases(release(1, from), release(2, to), { added: [], removed: [], changed: [] }, undefined),
      );
    const cron = [nightly];
    expect(diff(cron, [weekly])).toEqual([
      '- cron     nightly: 0 3 * * *: a',
      '+ cron     weekly: @weekly (Europe/Berlin): a',
    ]);
    expect(diff(cron, [{ ...nightly, command: ['b'] }])).toEqual([
      '~ cron     nightly: 0 3 * * *: a → nightly: 0 3 * * *: b',
    ]);
    expect(diff(cron, [{ ...nightly }])).toEqual(['v1 and v2 are the same']);
  });

  it('does not hold while its app is stopped', () => {
    const stopped = { processes: [{ type: 'web', scale: 0, whenStarted: 1 }] };
    const releases = [release(1, [nightly]), release(2, [nightly], stopped), release(3, [nightly])];
    expect(heldSince(releases, 3, nightly)).toBe(at('2026-01-03T00:00:00Z'));
  });
});

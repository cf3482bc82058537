import { describe, expect, test } from 'vitest';
import { activeFreeze, checkFreeze, type Freeze, refuseFrozen } from '../../src/model/freeze.js';

const freeze = (week: string, timeZone = 'UTC'): Freeze => ({
  week,
  timeZone,
  reason: 'the weekend',
  at: '',
  by: 'bob',
});
const until = (time: string, ...freezes: Freeze[]): string | undefined =>
  activeFreeze(freezes, Date.parse(time))?.until;

describe('a freeze', () => {
  const weekend = freeze('Fri 16:00-Mon 08:00');

  // 2026-11-27 is a Friday.
  test('holds from its first minute to before its last, over the end of the week', () => {
    expect(until('2026-11-27T15:59:59Z', weekend)).toBeUndefined();
    expect(until('2026-11-27T16:00:00Z', weekend)).toBe('2026-11-30T08:00:00.000Z');
    expect(until('2026-11-29T23:30:30Z', weekend)).toBe('2026-11-30T08:00:00.000Z');
    expect(until('2026-11-30T07:59:59Z', weekend)).toBe('2026-11-30T08:00:00.000Z');
    expect(until('2026-11-30T08:00:00Z', weekend)).toBeUndefined();
  });

  test('is by the clock of its time zone, also over a change to or from summer time', () => {
    const berlin = freeze('Fri 16:00-Mon 08:00', 'Europe/Berlin');
    expect(until('2026-11-27T14:59:00Z', berlin)).toBeUndefined();
    expect(until('2026-11-27T15:00:00Z', berlin)).toBe('2026-11-30T07:00:00.000Z');
    expect(until('2026-10-23T15:00:00Z', berlin)).toBe('2026-10-26T07:00:00.000Z');
    expect(until('2026-03-27T16:00:00Z', berlin)).toBe('2026-03-30T06:00:00.000Z');
  });

  test('of several is the one that ends last', () => {
    const nights = freeze('Sat 00:00-Sat 06:00');
    expect(until('2026-11-28T01:00:00Z', nights, weekend)).toBe('2026-11-30T08:00:00.000Z');
  });

  test('is refused when it is not a time of the week, or in no time zone', () => {
    expect(checkFreeze('Fri 16:00 - Mon 08:00', 'Europe/Berlin').timeZone).toBe('Europe/Berlin');
    for (const week of ['', 'Fri 16:00', 'Fri 24:00-Mon 08:00', 'Fre 16:00-Mon 08:00', 'Mon 08:00-Mon 08:00'])
      expect(() => checkFreeze(week, 'UTC'), week).toThrow(/is not a time of the week/);
    expect(() => checkFreeze('Fri 16:00-Mon 08:00', 'Mars/Olympus')).toThrow(/is not a time zone/);
  });

  test('says its reason and its end', () => {
    expect(() => refuseFrozen('hello', undefined)).not.toThrow();
    expect(() => refuseFrozen('hello', activeFreeze([weekend], Date.parse('2026-11-28T00:00:00Z')))).toThrow(
      'hello is frozen until 2026-11-30T08:00:00.000Z by bob: the weekend',
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../src/dockerfile/duration.js';

describe('a duration', () => {
  it.each([
    ['0', 0, '0s'],
    ['0s', 0, '0s'],
    ['1ns', 1, '1ns'],
    ['1500ns', 1500, '1.5µs'],
    ['1.5ms', 1_500_000, '1.5ms'],
    ['30s', 30e9, '30s'],
    ['90s', 90e9, '1m30s'],
    ['1h', 3600e9, '1h0m0s'],
    ['1h15m30.918s', 4530.918e9, '1h15m30.918s'],
    ['.5s', 5e8, '500ms'],
    ['1.s', 1e9, '1s'],
    ['+5s', 5e9, '5s'],
    ['-1.5h', -5400e9, '-1h30m0s'],
    ['1us1µs1μs', 3000, '3µs'],
  ])('%s is %d ns, shown as %s', (text, nanoseconds, shown) => {
    expect(parseDuration(text)).toBe(nanoseconds);
    expect(formatDuration(nanoseconds)).toBe(shown);
  });

  it.each(['', '5', '.s', 's', '1x', '1s2', ' 1s', '1 s', '--1s', '99999999h', `${'9'.repeat(100)}s`])(
    '%j is none',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  it('is read back from what is shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (nanoseconds) => {
        expect(parseDuration(formatDuration(nanoseconds))).toBe(nanoseconds);
      }),
    );
  });
});

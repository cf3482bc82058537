import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkAppName, checkConfigName, isAppName } from '../../src/model/app.js';
import { lastGoodBefore, parseReleaseNumber, type ReleaseWithOutcome } from '../../src/model/release.js';

describe('app names', () => {
  it.each(['a', 'hello', 'my-app-2', 'a'.repeat(40)])('%s is one', (name) => {
    expect(checkAppName(name)).toBe(name);
  });

  it.each([
    '',
    '-a',
    'a-',
    'a--b',
    'A',
    '1a',
    'a.b',
    'a/b',
    '..',
    'a b',
    'a\n',
    'a'.repeat(41),
    'é',
    'api',
    'localhost',
  ])('%j is none', (name) => {
    expect(() => checkAppName(name)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
  });

  it('are always a DNS label that no program takes for an option or a path', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab0-._/+ \n'), maxLength: 50 }), (name) => {
        fc.pre(isAppName(name));
        expect(name).toMatch(/^[a-z]([a-z0-9-]*[a-z0-9])?$/);
        expect(name.length).toBeLessThanOrEqual(63);
      }),
    );
  });
});

describe("config vars' names", () => {
  it.each(['FOO', '_x', 'a1'])('%s is one', (name) => expect(checkConfigName(name)).toBe(name));
  it.each(['', '1A', 'A-B', 'A B', 'A=B', '__proto__', 'a'.repeat(129)])('%j is none', (name) => {
    expect(() => checkConfigName(name)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
  });
});

describe('release numbers', () => {
  it.each([
    ['v12', 12],
    ['12', 12],
    ['v1', 1],
  ])('%s is %i', (text, number) => expect(parseReleaseNumber(text)).toBe(number));
  it.each(['', 'v', 'v0', '012', 'v-1', '1.5', 'latest', 'v99999999999'])('%j is none', (text) => {
    expect(parseReleaseNumber(text)).toBeUndefined();
  });
});

describe('where a rollback without a number goes', () => {
  const release = (number: number, state?: 'live' | 'failed'): ReleaseWithOutcome =>
    ({ number, ...(state === undefined ? {} : { outcome: { state, at: '' } }) }) as ReleaseWithOutcome;

  it('is the newest release before the live one that was live itself', () => {
    const releases = [
      release(1, 'live'),
      release(2, 'live'),
      release(3, 'failed'),
      release(4, 'live'),
      release(5),
    ];
    expect(lastGoodBefore(releases, 4)?.number).toBe(2);
    expect(lastGoodBefore(releases, 2)?.number).toBe(1);
    expect(lastGoodBefore(releases, 1)).toBeUndefined();
  });
});

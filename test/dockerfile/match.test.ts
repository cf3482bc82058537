import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchPath } from '../../src/dockerfile/match.js';
import { problem } from './support.js';

describe('a COPY wildcard', () => {
  it.each([
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*', '', true],
    ['*c', 'abc', true],
    ['a*', 'a', true],
    ['a*', 'abc', true],
    ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzy', false],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[e-g]', 'abc', false],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a?b', 'a☺b', true],
    ['a[^a]b', 'a☺b', true],
    ['a???b', 'a☺b', false],
    ['a?b', 'a/b', false],
    ['a*b', 'a/b', false],
    ['[\\]a]', ']', true],
    ['[\\-x]', '-', true],
    ['[x\\-]', 'z', false],
    ['*x', 'xxx', true],
    ['**', 'a', true],
    ['**', 'a/b', false],
    ['src/**/x', 'src/a/x', true],
    ['src/**/x', 'src/a/b/x', false],
    ['package*.json', 'package-lock.json', true],
    ['package*.json', 'package.json', true],
    ['[z-a]', 'm', false],
  ])('%j and %j: %j', (pattern, path, expected) => expect(matchPath(pattern, path)).toBe(expected));

  it.each(['[', '[^', '[^bc', 'a[', '[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '\\'])(
    '%j is refused',
    (pattern) => {
      expect(problem(() => matchPath(pattern, 'a'))).toContain('not a pattern');
    },
  );

  it('answers for any pattern and path, or refuses the pattern', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (pattern, path) => {
        try {
          expect(typeof matchPath(pattern, path)).toBe('boolean');
        } catch (error) {
          expect(problem(() => matchPath(pattern, path))).toContain('not a pattern');
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });

  it.each([
    ['a*'.repeat(100), 'b', false],
    ['*a'.repeat(2000), '', true],
    ['?*'.repeat(1000), 'a', true],
    ['*'.repeat(30_000), 'a', true],
    ['[a-z]*'.repeat(500), '?', true],
  ])('takes no longer for many stars', (pattern, end, expected) => {
    expect(matchPath(`${pattern}${end}`, 'a'.repeat(4000))).toBe(expected);
  });
});

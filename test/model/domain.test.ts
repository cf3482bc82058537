import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDomain, isCovered, isWithin, wildcardOf } from '../../src/model/domain.js';

describe('a domain', () => {
  it('is kept in lower case and in ASCII', () => {
    expect(
      [
        'Example.COM',
        'www.example.com.',
        '*.Example.com',
        'bücher.example',
        '*.Bücher.example',
        'a-b.c',
        '1.example.com',
      ].map(checkDomain),
    ).toEqual([
      'example.com',
      'www.example.com',
      '*.example.com',
      'xn--bcher-kva.example',
      '*.xn--bcher-kva.example',
      'a-b.c',
      '1.example.com',
    ]);
  });

  it.each([
    '',
    '.',
    'localhost',
    '*',
    '*.com',
    '**.example.com',
    'a.*.example.com',
    'w*.example.com',
    '*.*.example.com',
    'example..com',
    '.example.com',
    'example.com..',
    '-a.example.com',
    'a-.example.com',
    'a_b.example.com',
    'a b.example.com',
    'example.com\n',
    'example.com\0',
    'x.example.com; del map domains.map y',
    'a.example.com #1',
    'http://example.com',
    'example.com:443',
    'example.com/path',
    'user@example.com',
    '127.0.0.1',
    '[::1]',
    '2130706433',
    'xn--a.example.com',
    `${'a'.repeat(64)}.example.com`,
    `${'a.'.repeat(127)}com`,
    '__proto__',
    '--help.example.com',
    'ex%61mple.com',
    'a\u202eb.example.com',
  ])('is not %j', (text) => {
    expect(() => checkDomain(text)).toThrowError(/is not a domain: /);
  });

  it('is stable, and never holds what a table or a command line of the edge would obey', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        let name: string;
        try {
          name = checkDomain(`${text}.example`);
        } catch {
          return;
        }
        expect(name).toMatch(/^(\*\.)?[a-z0-9.-]+$/);
        expect(checkDomain(name)).toBe(name);
      }),
    );
  });

  it('is covered by its own name and by the wildcard one label above', () => {
    expect(wildcardOf('a.b.test')).toBe('*.b.test');
    expect(isCovered('a.b.test', ['*.b.test'])).toBe(true);
    expect(isCovered('*.b.test', ['*.b.test'])).toBe(true);
    expect(isCovered('b.test', ['*.b.test'])).toBe(false);
    expect(isCovered('a.a.b.test', ['*.b.test'])).toBe(false);
    expect(isWithin('*.apps.test', 'apps.test')).toBe(true);
    expect(isWithin('x.apps.test', 'apps.test')).toBe(true);
    expect(isWithin('xapps.test', 'apps.test')).toBe(false);
  });
});

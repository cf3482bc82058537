/** What is said about a failed build. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { excerpt, explained } from '../../src/local-build/failure.js';

describe('the excerpt', () => {
  const text = Buffer.from('FROM scratch\nRUN <<E\na\nb\nE\nENV A=\u001b[31mb\n');
  const of = (where: string | undefined): string[] => excerpt(where, { name: 'df', text }, DEFAULT_LIMITS);

  test('marks all lines of the instruction, and shows no escapes', () => {
    expect(of('df:2').slice(2, -1)).toEqual([
      '   1 |     FROM scratch',
      '   2 | >>> RUN <<E',
      '   3 | >>> a',
      '   4 | >>> b',
      '   5 | >>> E',
      '   6 |     ENV A=b',
    ]);
  });

  test.each([undefined, 'other:2', 'df', 'df:0', 'df:7'])('%s: none', (where) => {
    expect(of(where)).toEqual([]);
  });
});

test('what only root can do is said so, where it is not root', () => {
  const denied = new SlipwayError('internal', 'chown x: Operation not permitted');
  expect(explained(denied, false)).toMatchObject({
    code: 'unavailable',
    hint: expect.stringContaining('sudo'),
  });
  expect(explained(denied, true)).toBe(denied);
  const other = new SlipwayError('internal', 'x');
  expect(explained(other, false)).toBe(other);
});

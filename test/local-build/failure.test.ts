/** What is said about a failed build. */
import { expect, test } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { explained } from '../../src/local-build/failure.js';
import { failureLines } from '../../src/local-build/report.js';

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

test('a message of several lines keeps them: what each of several places said', () => {
  const error = new SlipwayError('registry_unavailable', 'no place has it:\n  a/b: gone\n  c/d: silent', {
    where: 'Dockerfile:1',
    hint: 'check the mirrors\nand the network',
  });
  expect(failureLines({ error, dockerfile: undefined, output: [] })).toEqual([
    'ERROR: Dockerfile:1: no place has it:',
    '  a/b: gone',
    '  c/d: silent',
    'check the mirrors',
    'and the network',
  ]);
});

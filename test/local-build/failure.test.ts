/** What is said about a failed build. */
import { expect, test } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { explained } from '../../src/local-build/failure.js';

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

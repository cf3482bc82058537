/** Who asks too often is told when to ask again, and nobody else is. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, Platform, type Who } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start({ limits: { requestsPerMinute: 5, strangersPerMinute: 3 } });
});
afterAll(() => platform.stop());

const ask = (as: Who, path = '/v1/whoami'): Promise<Answer> => platform.call('GET', path, { as });
const statuses = async (as: Who, times: number): Promise<number[]> => {
  const all: number[] = [];
  for (let i = 0; i < times; i += 1) all.push((await ask(as)).status);
  return all;
};

test('without a valid token an address has few, and those with one at the same address have theirs', async () => {
  expect(await statuses('wrong', 2)).toEqual([401, 401]);
  // Public pages count as well.
  expect((await ask('nobody', '/v1/openapi.json')).status).toBe(200);
  const refused = await ask('nobody');
  expect([refused.status, refused.body.code]).toEqual([429, 'too_many_requests']);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(refused.body.hint).toContain('SLIPWAY_LIMIT_STRANGERS_PER_MINUTE');
  expect((await ask('alice')).status).toBe(200);
});

test('each person has a number of their own', async () => {
  expect(await statuses('admin', 6)).toEqual([200, 200, 200, 200, 200, 429]);
  expect((await ask('admin')).body.hint).toContain('SLIPWAY_LIMIT_REQUESTS_PER_MINUTE');
  expect((await ask('reader')).status).toBe(200);
});

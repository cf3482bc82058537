/** The same request twice: carried out once, also over a restart of the web process. */
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IdempotencyKeys } from '../../src/api/idempotency.js';
import { temporaryDirectory } from '../support/directories.js';
import { type Answer, Platform, type Who } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'shop']) {
    await platform.createApp(app);
    await platform.live(app, 'FROM one');
    await platform.live(app, 'FROM two');
  }
});
afterAll(() => platform.stop());

const restart = (key: string, app = 'hello', as: Who = 'admin'): Promise<Answer> =>
  platform.call('POST', `/v1/apps/${app}/restart`, { as, headers: { 'idempotency-key': key } });
const builds = async (): Promise<number> => (await platform.store.list('hello')).length;

describe('a request with a key', () => {
  test('is carried out once, one after the other and at the same time', async () => {
    const before = await builds();
    const first = await restart('k-1');
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([202, undefined]);
    const again = await restart('k-1');
    expect([again.status, again.body, again.headers['idempotency-replayed']]).toEqual([
      202,
      first.body,
      'true',
    ]);
    const many = await Promise.all(Array.from({ length: 5 }, () => restart('k-2')));
    expect(new Set(many.map(({ body }) => body.build.id)).size).toBe(1);
    expect(await builds()).toBe(before + 2);
  });

  test('without one is carried out each time', async () => {
    const before = await builds();
    for (let i = 0; i < 2; i += 1) await platform.call('POST', '/v1/apps/hello/restart');
    expect(await builds()).toBe(before + 2);
  });

  test('that is another request is refused, and another person has keys of his own', async () => {
    await restart('k-3');
    const other = await restart('k-3', 'shop');
    expect([other.status, other.body.code]).toEqual([422, 'key_reused']);
    const rollback = await platform.call('POST', '/v1/apps/hello/rollback', {
      body: { release: 'v1' },
      headers: { 'idempotency-key': 'k-3' },
    });
    expect(rollback.status).toBe(422);
    const before = await builds();
    const alice = await restart('k-3', 'hello', 'alice');
    expect([alice.status, alice.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect(await builds()).toBe(before + 1);
  });

  test('that was refused may be asked for again', async () => {
    const ask = (): Promise<Answer> =>
      platform.call('POST', '/v1/apps/hello/rollback', {
        body: { release: 'v99' },
        headers: { 'idempotency-key': 'k-4' },
      });
    expect([(await ask()).status, (await ask()).headers['idempotency-replayed']]).toEqual([404, undefined]);
  });

  test('that is no key is refused', async () => {
    for (const key of ['', 'a b', 'ü', 'x'.repeat(201)]) {
      const answer = await restart(key);
      expect([key, answer.status, answer.body.code]).toEqual([key, 400, 'bad_request']);
    }
  });
});

describe('keys', () => {
  const asked = { key: 'k', who: 'alice', method: 'POST', url: '/x', body: { a: 1 } };
  const done = async (): Promise<{ status: number; body: unknown }> => ({ status: 202, body: { id: 'b1' } });
  const never = (): Promise<never> => Promise.reject(new Error('done twice'));

  test('hold over a restart, for a day, and are then swept away', async () => {
    const directory = await temporaryDirectory();
    let now = Date.now();
    const clock = { now: () => now };
    await new IdempotencyKeys(directory, clock).once(asked, done);
    const after = new IdempotencyKeys(directory, clock);
    expect(await after.once(asked, never)).toEqual({ status: 202, body: { id: 'b1' }, isAgain: true });
    now += 25 * 60 * 60_000;
    expect(await after.once({ ...asked, key: 'other' }, done)).toMatchObject({ isAgain: false });
    expect(await readdir(directory)).toHaveLength(1);
    expect(await after.once(asked, done)).toMatchObject({ isAgain: false });
  });

  test('of what was cut off in the middle say so, and do it no second time', async () => {
    const directory = await temporaryDirectory();
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    void new IdempotencyKeys(directory).once(asked, () => {
      begin();
      return new Promise(() => undefined);
    });
    await begun;
    await expect(new IdempotencyKeys(directory).once(asked, never)).rejects.toMatchObject({
      code: 'conflict',
      hint: expect.stringContaining('slipway builds'),
    });
  });
});

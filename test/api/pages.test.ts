/** Lists in pages: every item once, whatever comes and goes meanwhile. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Platform, type Who } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'shop', 'a', 'b', 'c']) await platform.createApp(app);
  for (let i = 1; i <= 5; i += 1) await platform.live('hello', `FROM image:${i}`);
});
afterAll(() => platform.stop());

/** All items, page by page; `between` is what happens after each. */
async function pages(
  path: string,
  name: string,
  { as = 'admin', between }: { as?: Who; between?: () => Promise<unknown> } = {},
): Promise<{ sizes: number[]; items: Record<string, unknown>[] }> {
  const sizes: number[] = [];
  const items: Record<string, unknown>[] = [];
  for (let cursor = ''; ; ) {
    const { status, body } = await platform.call('GET', `${path}?limit=2${cursor}`, { as });
    expect(status).toBe(200);
    sizes.push(body[name].length);
    items.push(...body[name]);
    if (body.next === undefined) return { sizes, items };
    cursor = `&cursor=${encodeURIComponent(body.next)}`;
    await between?.();
  }
}

test('releases and builds come newest first, and those that come meanwhile are no part of it', async () => {
  const releases = await pages('/v1/apps/hello/releases', 'releases', {
    between: () => platform.ready('hello', `FROM more:${Math.random()}`),
  });
  expect(releases.sizes).toEqual([2, 2, 1]);
  expect(releases.items.map(({ number }) => number)).toEqual([5, 4, 3, 2, 1]);
  const all = (await platform.call('GET', '/v1/apps/hello/builds')).body.builds;
  const builds = await pages('/v1/apps/hello/builds', 'builds');
  expect(builds.items.map(({ id }) => id)).toEqual(all.map(({ id }: { id: string }) => id));
  expect(builds.sizes).toEqual([2, 2, 2, 1]);
});

test('apps come by name; one that is destroyed meanwhile hides no other', async () => {
  const seen = await pages('/v1/apps', 'apps', {
    between: async () => {
      if (await platform.ledger.appExists('b')) await platform.ledger.destroyApp('b', 'admin');
    },
  });
  expect(seen.items.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'hello', 'shop']);
  const mine = await pages('/v1/apps', 'apps', { as: 'alice' });
  expect([mine.sizes, mine.items.map(({ name }) => name)]).toEqual([[2], ['hello', 'shop']]);
});

test('a cursor that is none is refused', async () => {
  for (const [path, cursor] of [
    ['/v1/apps/hello/releases', 'x'],
    ['/v1/apps/hello/builds', '..'],
    ['/v1/apps', ''],
    ['/v1/apps', 'x'.repeat(101)],
  ]) {
    const answer = await platform.call('GET', `${path}?cursor=${cursor}`);
    expect([path, cursor, answer.status, answer.body.code]).toEqual([path, cursor, 400, 'bad_request']);
  }
});

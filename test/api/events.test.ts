/** Events over the API: each sees those of what they may see. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Terminal } from '../cli/support/terminal.js';
import { until } from '../support/until.js';
import { Platform } from './support/platform.js';

let platform: Platform;
let viewer: string;

beforeAll(async () => {
  platform = await Platform.start();
  const { people, tokens } = platform.platform;
  for (const app of ['hello', 'secret']) await platform.createApp(app);
  await people.addUser('vera', { administrator: false, mayCreateApps: false }, 'op');
  await people.setRole('hello', 'vera', 'viewer', 'op');
  await people.setRole('secret', 'vera', 'viewer', 'op');
  await people.setRole('secret', 'vera', undefined, 'op');
  await platform.call('PATCH', '/v1/apps/hello/config', { body: { KEY: 'hunter2' } });
  await platform.call('PUT', '/v1/apps/secret/lock', { body: { reason: 'not yet' } });
  const wish = { name: 'vera', ofUser: true, apps: '*', admin: false, mayCreateApps: false } as const;
  viewer = (await tokens.create({ ...wish, who: 'op' })).token;
});
afterAll(() => platform.stop());

interface Event {
  readonly id: string;
  readonly who: string;
  readonly app?: string;
  readonly did: string;
  readonly changes: unknown;
}

async function events(path: string, token?: string): Promise<{ events: Event[]; next?: string }> {
  const answer = await platform.call('GET', path, {
    as: token === undefined ? 'admin' : 'nobody',
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.body;
}

describe('events', () => {
  test('of an administrator are of all apps and of the platform, with who it was', async () => {
    const all = (await events('/v1/events?limit=100')).events;
    expect(new Set(all.map(({ app }) => app))).toEqual(new Set(['hello', 'secret', undefined]));
    expect(all.find(({ did }) => did === 'lock secret: not yet')).toMatchObject({
      who: 'admin',
      app: 'secret',
    });
    expect(all.find(({ did }) => did === 'user: add vera')).toMatchObject({ who: 'op' });
    expect(JSON.stringify(all)).not.toMatch(/hunter2|"hash"/);
  });

  test('of a viewer are of their apps, and of nothing else', async () => {
    const seen = (await events('/v1/events', viewer)).events;
    // In one second the order is that of the ledgers.
    expect(seen.map(({ did }) => did).sort()).toEqual([
      'access: vera is viewer of hello',
      'config: set KEY',
      'create hello',
    ]);
    expect(new Set(seen.map(({ app }) => app))).toEqual(new Set(['hello']));
    expect((await events('/v1/apps/hello/events', viewer)).events).toEqual(seen);
  });

  test('come in pages, and go on from one that is known', async () => {
    const all = (await events('/v1/events?limit=100')).events;
    const paged: Event[] = [];
    for (let path = '/v1/events?limit=2'; ; ) {
      const page = await events(path);
      paged.push(...page.events);
      if (page.next === undefined) break;
      path = `/v1/events?limit=2&cursor=${encodeURIComponent(page.next)}`;
    }
    expect(paged).toEqual(all);
    const oldest = all.at(-1)!;
    const since = (await events(`/v1/events?after=${oldest.id}`)).events;
    expect(since.map(({ id }) => id)).toEqual(expect.arrayContaining(all.slice(0, -1).map(({ id }) => id)));
  });

  test('that cannot be meant are refused', async () => {
    for (const query of [
      'cursor=x',
      'after=x',
      'limit=0',
      'limit=101',
      `cursor=${'1.hello.'}${'0'.repeat(40)}&after=1`,
    ]) {
      const answer = await platform.call('GET', `/v1/events?${query}`);
      expect([query, answer.status, answer.body.code]).toEqual([query, 400, 'bad_request']);
    }
  });

  test('are read at a terminal, the newest last, each value with what it was', async () => {
    const terminal = await Terminal.at(await platform.url(), platform.token('admin'));
    // Within a second the ledgers are in no order.
    const second = (): number => Math.floor(Date.now() / 1000);
    const before = second();
    await until(() => second() > before);
    await platform.call('DELETE', '/v1/apps/secret/lock');
    const { out, code } = await terminal.run(['events', '-a', 'secret', '-n', '1']);
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(
        /^\S+ \S+Z {2}secret {2}unlock secret \(admin\)\n(.*\n)*? {4}lock\.reason: not yet → nothing\n$/,
      ),
    ]);
    const followed = new AbortController();
    const following = terminal.run(['events', '-f', '-n', '1', '-a', 'hello'], { signal: followed.signal });
    await platform.call('PUT', '/v1/apps/hello/lock', { body: { reason: 'now' } });
    await until(() => terminal.shown.includes('lock hello: now (admin)'));
    followed.abort();
    expect((await following).code).toBe(0);
  });
});

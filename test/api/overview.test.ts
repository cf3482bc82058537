/** What the page's first view asks: all apps at a glance, what is under way, and config vars one by one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { json } from './support/deployer.js';
import { Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'secret', 'shop']) await platform.createApp(app);
  await platform.live('hello', 'FROM one');
  await platform.live('secret', 'FROM one');
});
afterAll(() => platform.stop());

describe('the overview', () => {
  test('says of each app what serves, what happened last and how much runs', async () => {
    platform.deployer.script = (_request, response) => json(response, 200, { running: { hello: 1 } });
    const { id } = await platform.building('shop');
    const { status, body } = await platform.call('GET', '/v1/overview', { as: 'alice' });
    expect(status).toBe(200);
    expect(body.apps).toMatchObject([
      {
        name: 'hello',
        url: 'http://hello.localhost:8080',
        release: { version: 'v1', by: 'alice' },
        latest: { kind: 'push', state: 'live', who: 'alice' },
        wanted: 1,
        running: 1,
      },
      { name: 'shop', latest: { id, state: 'building' }, wanted: 0, running: 0 },
    ]);
    expect(body.apps[1].release).toBeUndefined();
  });

  test('shows nobody an app that is not theirs', async () => {
    const { body } = await platform.call('GET', '/v1/overview', { as: 'reader' });
    expect(body.apps.map(({ name }: { name: string }) => name)).toEqual(['hello']);
  });

  test('goes without numbers when the deployer is silent, or does not know', async () => {
    for (const answer of [
      [503, { code: 'unavailable', message: 'no' }],
      [200, { running: null }],
    ] as [number, unknown][]) {
      platform.deployer.script = (_request, response) => json(response, ...answer);
      const { status, body } = await platform.call('GET', '/v1/overview', { as: 'reader' });
      expect([status, body.apps[0].name, body.apps[0].running]).toEqual([200, 'hello', undefined]);
    }
  });

  test('names a lock, maintenance and a stop', async () => {
    await platform.ledger.setLock('hello', 'it is Friday', 'alice');
    const { body } = await platform.call('GET', '/v1/overview', { as: 'reader' });
    expect(body.apps[0].lock).toBe('it is Friday');
    await platform.ledger.setLock('hello', undefined, 'alice');
  });
});

describe('the queue', () => {
  test('has what has not ended, of the apps that one may use', async () => {
    const { id } = await platform.push('secret');
    const all = await platform.call('GET', '/v1/queue');
    expect(all.body.builds.map(({ app, state }: { app: string; state: string }) => [app, state])).toEqual([
      ['shop', 'building'],
      ['secret', 'accepted'],
    ]);
    const own = await platform.call('GET', '/v1/queue', { as: 'alice' });
    expect(JSON.stringify(own.body)).not.toContain(id);
  });
});

describe('config vars', () => {
  test('are named without their values, and one is shown to who asks for it', async () => {
    await platform.ledger.setConfig('hello', { TOKEN: 'hunter2', A: 'b' }, 'alice');
    const names = await platform.call('GET', '/v1/apps/hello/vars', { as: 'reader' });
    expect(names.body).toEqual({ vars: ['A', 'TOKEN'] });
    expect(names.text).not.toContain('hunter2');
    const one = await platform.call('GET', '/v1/apps/hello/vars/TOKEN', { as: 'reader' });
    expect(one.body).toEqual({ name: 'TOKEN', value: 'hunter2' });
  });

  test.each(['NONE', '__proto__', 'toString', 'a'.repeat(150)])(
    'that are not there are not found: %s',
    async (name) => {
      const { status, body } = await platform.call('GET', `/v1/apps/hello/vars/${name}`);
      expect([status, body.code]).toEqual([404, 'not_found']);
    },
  );
});

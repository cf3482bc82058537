/** Which repository an app comes from, over the API. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, Platform, type Who } from './support/platform.js';

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'shop', 'secret', 'backend']) await platform.createApp(app);
});
afterAll(() => platform.stop());

const put = (app: string, body: object, as: Who = 'admin'): Promise<Answer> =>
  platform.call('PUT', `/v1/apps/${app}/source`, { body, as });

describe('the source of an app', () => {
  test('is its own repository, a directory of it, or of that of another app, which then lists it', async () => {
    expect((await platform.call('GET', '/v1/apps/backend/source')).body).toEqual({ watch: [], members: [] });
    const set = await put('backend', {
      repo: 'shop',
      path: './services/api/',
      watch: ['libs/ui/', 'libs/ui'],
    });
    expect([set.status, set.body]).toEqual([
      200,
      { repo: 'shop', path: 'services/api', watch: ['libs/ui'], members: [] },
    ]);
    expect((await platform.call('GET', '/v1/apps/shop/source')).body.members).toEqual(['backend']);
    await put('backend', { path: 'services/api' });
    expect((await platform.call('GET', '/v1/apps/shop/source')).body.members).toEqual([]);
    expect((await platform.call('DELETE', '/v1/apps/backend/source')).body).toEqual({
      watch: [],
      members: [],
    });
  });

  test('is no path that leads elsewhere', async () => {
    for (const path of [
      '..',
      'a/../b',
      '.git',
      'a//b',
      '',
      '/',
      '-x',
      'a:b',
      'a\nb',
      'a\\b',
      'x'.repeat(301),
    ])
      expect([path, (await put('backend', { path })).body.code]).toEqual([path, 'bad_request']);
  });

  test('is the repository of an app that one may push to, and of none that comes from another', async () => {
    expect((await put('hello', { repo: 'secret' }, 'alice')).body.code).toBe('not_found');
    expect((await put('hello', { repo: 'absent' }, 'alice')).body.code).toBe('not_found');
    expect((await put('hello', { repo: 'hello' }, 'alice')).body.code).toBe('bad_request');
    expect((await put('hello', { repo: 'shop' }, 'alice')).status).toBe(200);
    expect((await put('backend', { repo: 'hello' })).body).toMatchObject({
      code: 'conflict',
      message: 'hello comes from the repository of shop itself',
    });
    expect((await put('shop', { repo: 'secret' })).body).toMatchObject({
      code: 'conflict',
      message: 'hello come from shop',
    });
  });
});

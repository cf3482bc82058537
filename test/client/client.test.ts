/** The client package against the real API. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SlipwayClient } from '../../client/index.js';
import { projectRoot } from '../../src/root.js';
import { Platform } from '../api/support/platform.js';

let platform: Platform;
let slipway: SlipwayClient;

beforeAll(async () => {
  platform = await Platform.start();
  slipway = new SlipwayClient({ url: await platform.url(), token: platform.token('admin') });
  await platform.createApp('hello');
  await platform.live('hello', 'FROM one');
  await platform.live('hello', 'FROM two');
});
afterAll(() => platform.stop());

describe('a call', () => {
  test('takes parameters, a query and a body, and answers with what the route is described to', async () => {
    const params = { app: 'hello' };
    const { releases, next } = await slipway.call('GET /v1/apps/{app}/releases', {
      params,
      query: { limit: 1 },
    });
    expect([releases.map(({ version }) => version), next]).toEqual([['v2'], 'v2']);
    const build = await slipway.call('POST /v1/apps/{app}/rollback', { params, body: { release: 'v1' } });
    expect([build.kind, build.state]).toEqual(['rollback', 'ready']);
    expect((await slipway.call('GET /v1/whoami')).name).toBe('admin');
    expect(
      await slipway.call('GET /v1/apps/{app}/builds/{id}/output', { params: { ...params, id: build.id } }),
    ).toContain('Rolling hello back');
  });

  test('with a key is carried out once', async () => {
    const params = { app: 'hello' };
    const idempotencyKey = 'a-key';
    const [one, two] = [
      await slipway.call('POST /v1/apps/{app}/restart', { params, idempotencyKey }),
      await slipway.call('POST /v1/apps/{app}/restart', { params, idempotencyKey }),
    ];
    expect(one).toEqual(two);
  });

  test('that is refused throws what the platform says', async () => {
    const asked = slipway.call('GET /v1/apps/{app}', { params: { app: 'a/../b' } });
    await expect(asked).rejects.toMatchObject({
      name: 'SlipwayProblem',
      status: 404,
      code: 'not_found',
      message: 'there is no app "a/../b" that you may use',
      hint: 'see: slipway apps:list',
    });
    const stranger = new SlipwayClient({ url: await platform.url(), token: undefined });
    await expect(stranger.call('GET /v1/whoami')).rejects.toMatchObject({
      status: 401,
      code: 'unauthorized',
    });
  });
});

describe('following a build', () => {
  test('goes on at the exact byte after every cut, until the build ends', async () => {
    const { id, claim } = await platform.building('hello', 'FROM three');
    const chunks: Uint8Array[] = [];
    const following = slipway.follow('hello', id, (data) => void chunks.push(data));
    const text = (): string => Buffer.concat(chunks).toString('utf8');
    for (const line of ['äöü one', 'two 💣', 'three']) {
      await platform.log('hello', id, (log) => log.headline(line));
      await expect.poll(text).toContain(line);
      platform.server.server.closeAllConnections();
    }
    await platform.store.end('hello', id, { state: 'failed', claim, reason: 'x' });
    expect(await following).toMatchObject({ id, state: 'failed' });
    expect(text()).toBe(await readFile(platform.store.logPath('hello', id), 'utf8'));
  });

  test('of one that is not there, or that nobody wants any more, ends', async () => {
    await expect(slipway.follow('hello', 'b1k5xw3f9aq7m2c', () => undefined)).rejects.toMatchObject({
      status: 404,
    });
    const { id } = await platform.building('hello', 'FROM four');
    const stop = new AbortController();
    const following = slipway.follow('hello', id, () => undefined, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(following).rejects.toThrow('enough');
  });
});

test('the package has no dependencies', async () => {
  const own = JSON.parse(await readFile(join(projectRoot(), 'client', 'package.json'), 'utf8'));
  expect([own.dependencies, own.peerDependencies]).toEqual([undefined, undefined]);
});

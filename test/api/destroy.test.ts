/** Destroying an app: what was under way ends, and a new app of that name sees nothing of its predecessor. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { until } from '../support/until.js';
import { follow } from './support/events.js';
import { type Answer, Platform, type Who } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

const destroy = (app: string, confirm: string = app, as: Who = 'admin'): Promise<Answer> =>
  platform.call('DELETE', `/v1/apps/${app}?confirm=${confirm}`, { as });

test('needs the name as a confirmation, and a token that may', async () => {
  await platform.createApp('hello');
  for (const confirm of ['', 'yes', 'HELLO', 'shop', 'hello&confirm=hello']) {
    const answer = await destroy('hello', confirm);
    expect([confirm, answer.status, answer.body]).toEqual([
      confirm,
      400,
      {
        code: 'bad_request',
        message: 'destroying hello needs its name as a confirmation',
        hint: 'slipway apps:destroy -a hello --confirm hello',
      },
    ]);
  }
  const reader = await destroy('hello', 'hello', 'reader');
  expect([reader.status, reader.body.message]).toEqual([403, 'this needs the role admin for hello']);
  expect(await platform.ledger.appExists('hello')).toBe(true);
});

test('the app is gone for everybody, and the deployer is told', async () => {
  await platform.createApp('shop');
  await platform.live('shop');
  const answer = await destroy('shop', 'shop', 'alice');
  expect([answer.status, answer.body]).toEqual([200, { name: 'shop', destroyed: true, volumesLeft: [] }]);
  expect((await platform.call('GET', '/v1/apps/shop')).status).toBe(404);
  expect((await platform.call('GET', '/v1/apps/shop/builds')).status).toBe(404);
  expect((await destroy('shop')).status).toBe(404);
  expect(await platform.rollouts()).toContain('shop');
});

test('a new app of the same name has no builds, releases, config or source of the old one', async () => {
  await platform.createApp('phoenix');
  await platform.call('PATCH', '/v1/apps/phoenix/config', { body: { SECRET: 'old' } });
  const { id, release } = await platform.live('phoenix');
  await platform.log('phoenix', id, (log) => log.headline('the old log'));
  await destroy('phoenix');
  await platform.createApp('phoenix');

  expect((await platform.call('GET', '/v1/apps/phoenix')).body.release).toBeUndefined();
  expect((await platform.call('GET', '/v1/apps/phoenix/builds')).body).toEqual({ builds: [] });
  expect((await platform.call('GET', '/v1/apps/phoenix/releases')).body).toEqual({ releases: [] });
  expect((await platform.call('GET', '/v1/apps/phoenix/config')).body).toEqual({ config: {} });
  for (const path of ['', '/output', '/output/stream'])
    expect((await platform.call('GET', `/v1/apps/phoenix/builds/${id}${path}`)).status).toBe(404);
  const source = platform.git.run(['cat-file', '-e', release.source], {
    gitDir: platform.repositories.path('phoenix'),
  });
  await expect(source).rejects.toThrow();
});

test('everything open ends as cancelled, whoever works on it, and releases that were pending with it', async () => {
  await platform.createApp('busy');
  await platform.live('busy', 'FROM a');
  const rolling = await platform.ready('busy', 'FROM b');
  const held = await platform.store.claim('busy', rolling.id, 'rollout', 'a deployer');
  const waiting = await platform.ready('busy', 'FROM c');
  const building = await platform.building('busy', 'FROM d');
  const pushed = await platform.push('busy', 'FROM e');
  const url = `${await platform.url()}/v1/apps/busy/builds/${building.id}/output/stream`;
  const follower = await follow(url, { authorization: `Bearer ${platform.token('admin')}` });
  await until(async () => (await held?.isCurrent()) === true);

  await destroy('busy');
  expect(await platform.store.open()).toEqual([]);
  expect(await held?.isCurrent()).toBe(false);
  expect(await follower.ended).toMatchObject({
    state: 'cancelled',
    reason: 'busy was destroyed by admin',
    code: 'cancelled',
  });

  // The history is kept aside until the janitor takes it away.
  const records = join(platform.paths.deployments, '.trash');
  const aside = (await readdir(records)).find((name) => name.startsWith('busy-'));
  expect(await readdir(join(records, aside!))).toEqual(
    expect.arrayContaining([rolling.id, waiting.id, building.id, pushed.id]),
  );
  const trash = join(platform.paths.appRepositories, '.trash');
  const repository = (await readdir(trash)).find((name) => name.startsWith('busy-'));
  const outcomes = await platform.git.text(['ls-tree', '--name-only', 'refs/slipway/ledger', 'outcomes/'], {
    gitDir: join(trash, repository!),
  });
  expect(outcomes.split('\n')).toEqual(['outcomes/1.json', 'outcomes/2.json', 'outcomes/3.json']);
});

test('a worker that comes late to a destroyed app can write nothing', async () => {
  await platform.createApp('late');
  const { id, claim } = await platform.building('late');
  await destroy('late');
  await platform.createApp('late');
  await expect(
    platform.store.append('late', id, { type: 'release', at: 1, claim, number: 1 }),
  ).rejects.toMatchObject({ code: 'not_found' });
  expect(await platform.store.claim('late', id, 'build', 'a builder')).toBeUndefined();
  expect(await platform.store.open('late')).toEqual([]);
});

test('waits for a config change that is being written, and takes its records along', async () => {
  await platform.createApp('between');
  await platform.live('between');
  const create = platform.store.create.bind(platform.store);
  let destroying: Promise<Answer> | undefined;
  platform.store.create = async (...args) => {
    destroying = destroy('between');
    // Long enough for a destroy that does not wait to be through.
    await Promise.race([destroying, new Promise((resolve) => setTimeout(resolve, 500))]);
    return create(...args);
  };
  const changed = await platform.call('PATCH', '/v1/apps/between/config', { body: { A: 'x' } });
  platform.store.create = create;
  expect([changed.status, (await destroying)?.status]).toEqual([202, 200]);
  expect(await platform.store.list('between')).toEqual([]);
  expect(await platform.store.open('between')).toEqual([]);
});

test('rollbacks and config changes at the same moment leave nothing open', async () => {
  for (let round = 0; round < 4; round += 1) {
    await platform.createApp('moment');
    await platform.live('moment', 'FROM a');
    await platform.live('moment', 'FROM b');
    const answers = await Promise.all([
      platform.call('PATCH', '/v1/apps/moment/config', { body: { A: `${round}` } }),
      platform.call('POST', '/v1/apps/moment/rollback'),
      destroy('moment'),
      platform.call('PATCH', '/v1/apps/moment/config', { body: { B: 'x' } }),
      platform.call('POST', '/v1/apps/moment/rollback'),
      destroy('moment'),
    ]);
    for (const { status } of answers) expect(status).toBeOneOf([200, 202, 404]);
    expect(await platform.store.open('moment')).toEqual([]);
    expect(await platform.store.list('moment')).toEqual([]);
    // Another process sees the same.
    const fresh = new Ledger(platform.paths, platform.git, await Vault.open(platform.paths.secretKey));
    expect(await fresh.appExists('moment')).toBe(false);
  }
});

/** Review apps over the API: whoever may use their app may use them, and destroying one takes its branch along. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Platform } from './support/platform.js';

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'secret']) {
    await platform.createApp(app);
    const review = { of: app, branch: 'review/x' };
    await platform.ledger.createApp(`${app}-review-x`, { deployBranch: 'main', review }, 'ada');
  }
  // Only called like one.
  await platform.createApp('hello-review-y');
});
afterAll(() => platform.stop());

test('rights are those of the app that it is of, by what the ledger says and not by its name', async () => {
  const see = async (app: string): Promise<number> =>
    (await platform.call('GET', `/v1/apps/${app}`, { as: 'reader' })).status;
  expect(await see('hello-review-x')).toBe(200);
  for (const app of ['secret-review-x', 'hello-review-y', 'hello-review-absent'])
    expect(await see(app)).toBe(404);
  const listed = await platform.call('GET', '/v1/apps', { as: 'reader' });
  expect(listed.body.apps).toMatchObject([
    { name: 'hello' },
    { name: 'hello-review-x', review: { of: 'hello', branch: 'review/x' } },
  ]);
  const destroy = '/v1/apps/hello-review-x?confirm=hello-review-x';
  expect((await platform.call('DELETE', destroy, { as: 'reader' })).body.code).toBe('forbidden');
});

test('destroying one removes its branch as well, so that the same commit can be pushed there again', async () => {
  const commit = await platform.commit('hello', 'FROM x\n');
  await platform.repositories.moveBranch('hello', 'review/x', undefined, commit);
  const path = '/v1/apps/hello-review-x?confirm=hello-review-x';
  const { status, body } = await platform.call('DELETE', path, { as: 'alice' });
  expect([status, body]).toEqual([200, { name: 'hello-review-x', destroyed: true, volumesLeft: [] }]);
  expect(await platform.ledger.appExists('hello-review-x')).toBe(false);
  expect(await platform.repositories.branch('hello', 'review/x')).toBeUndefined();
  expect(await platform.ledger.appExists('hello')).toBe(true);
});

test('an app takes its review apps along: who makes one of its name gets none of them, nor the config that they have', async () => {
  await platform.createApp('heir');
  const review = { of: 'heir', branch: 'review/x' };
  await platform.ledger.createApp('heir-review-x', { deployBranch: 'main', review }, 'ada');
  await platform.ledger.setConfig('heir-review-x', { SECRET: 'old' }, 'ada');
  await platform.createApp('heir-review-y');
  expect((await platform.call('DELETE', '/v1/apps/heir?confirm=heir')).status).toBe(200);
  await platform.createApp('heir');
  expect((await platform.call('GET', '/v1/apps/heir-review-x/config')).status).toBe(404);
  // Only called like one.
  expect(await platform.ledger.appExists('heir-review-y')).toBe(true);
});

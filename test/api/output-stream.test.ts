/** Following a build's log: every byte once, from any offset, however often the connection is cut. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BuildLog } from '../../src/logs/log-writer.js';
import { until } from '../support/until.js';
import { type Follower, follow } from './support/events.js';
import { Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start({ times: { pingMs: 50, stallMs: 300 } });
  await platform.createApp('hello');
});
afterAll(() => platform.stop());

async function watch(id: string, query = '', headers: Record<string, string> = {}): Promise<Follower> {
  return follow(`${await platform.url()}/v1/apps/hello/builds/${id}/output/stream${query}`, {
    authorization: `Bearer ${platform.token('reader')}`,
    ...headers,
  });
}

const logFile = (id: string): Promise<string> => readFile(platform.store.logPath('hello', id), 'utf8');

test('shows what was written and what comes, and ends with the build', async () => {
  const { id, claim } = await platform.building('hello', 'FROM a');
  await platform.log('hello', id, (log) => log.headline('Building'));
  const follower = await watch(id);
  expect([follower.status, follower.headers]).toEqual([
    200,
    expect.objectContaining({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    }),
  ]);
  await until(() => follower.text() === '-----> Building\n');
  await platform.log('hello', id, (log) => log.body('step 1'));
  await until(() => follower.text() === '-----> Building\n       step 1\n');
  await platform.log('hello', id, (log) => log.problem('it failed'));
  await platform.store.end('hello', id, { state: 'failed', reason: 'it failed', code: 'step_failed', claim });
  expect(await follower.ended).toMatchObject({
    id,
    state: 'failed',
    reason: 'it failed',
    code: 'step_failed',
  });
  expect(follower.text()).toBe(await logFile(id));
});

test('is answered at once, also when nothing is written for a long time', async () => {
  const patient = await Platform.start({ times: { pingMs: 600_000 } });
  await patient.createApp('hello');
  const { id, claim } = await patient.building('hello');
  const url = `${await patient.url()}/v1/apps/hello/builds/${id}/output/stream`;
  const follower = await follow(url, { authorization: `Bearer ${patient.token('reader')}` });
  expect(follower.status).toBe(200);
  await patient.store.end('hello', id, { state: 'failed', claim });
  expect(await follower.ended).toMatchObject({ id });
  await patient.stop();
});

test('a build that has ended is shown whole, with the ids that a browser resumes by', async () => {
  const { id, claim } = await platform.building('hello', 'FROM b');
  await platform.log('hello', id, (log) => log.headline('Grüße'));
  await platform.store.end('hello', id, { state: 'failed', claim });
  const follower = await watch('current');
  expect(await follower.ended).toMatchObject({ id });
  const size = Buffer.byteLength('-----> Grüße\n');
  expect(follower.raw()).toMatch(
    new RegExp(`^id: ${size}\nevent: log\ndata: [A-Za-z0-9+/=]+\n\nevent: end\ndata: {.*}\n\n$`),
  );
});

test('resumes at the exact byte after each cut, while a writer appends', async () => {
  const { id, claim } = await platform.building('hello', 'FROM c');
  const log = await BuildLog.open(platform.store.logPath('hello', id), platform.config.limits);
  let cuts = 0;
  const writing = (async () => {
    for (let at = 0; cuts < 8; at += 1) {
      await log.raw(`line ${at} ü €\n`);
      if (at % 20 !== 0) continue;
      await log.flush();
      // Others have a turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await log.close();
    await platform.store.end('hello', id, { state: 'failed', claim });
  })();
  let seen = Buffer.alloc(0);
  for (let end: unknown; end === undefined; cuts += 1) {
    const follower = await (cuts % 2 === 0
      ? watch(id, '?offset=0', { 'last-event-id': String(seen.length) })
      : watch(id, `?offset=${seen.length}`));
    if (cuts < 8) {
      await until(() => follower.text().length > 500);
      follower.leave();
    }
    end = await follower.ended;
    seen = Buffer.concat([seen, follower.bytes()]);
  }
  await writing;
  expect(seen.toString('utf8')).toBe(await logFile(id));
});

test('an offset inside a character or beyond the end is taken as it is', async () => {
  const { id, claim } = await platform.building('hello', 'FROM d');
  await platform.log('hello', id, (log) => log.headline('€uro'));
  const inside = await watch(id, '?offset=8');
  const beyond = await watch(id, '?offset=1000000');
  const last = await watch(id, '', { 'last-event-id': '14' });
  await until(() => inside.raw().includes('event: log'));
  await platform.store.end('hello', id, { state: 'failed', claim });
  expect([await inside.ended, await beyond.ended, await last.ended]).toMatchObject([{ id }, { id }, { id }]);
  expect(Buffer.from(inside.raw().match(/data: (\S+)/)?.[1] ?? '', 'base64')).toEqual(
    Buffer.from('-----> €uro\n').subarray(8),
  );
  expect([beyond.text(), last.text()]).toEqual(['', '']);
});

test('an empty Last-Event-ID leaves the offset as asked for', async () => {
  const { id, claim } = await platform.building('hello', 'FROM e');
  await platform.log('hello', id, (log) => log.headline('x'));
  await platform.store.end('hello', id, { state: 'failed', claim });
  const follower = await watch(id, '?offset=7', { 'last-event-id': '' });
  await follower.ended;
  expect(follower.text()).toBe('x\n');
  const wrong = await watch(id, '?offset=7', { 'last-event-id': '-1' });
  expect(wrong.status).toBe(400);
});

test('a hundred followers all see the same, and nothing of them is left', async () => {
  const { id, claim } = await platform.building('hello', 'FROM f');
  const followers = await Promise.all(Array.from({ length: 100 }, () => watch(id)));
  await platform.log('hello', id, async (log) => {
    for (let at = 0; at < 500; at += 1) await log.body(`line ${at}`);
  });
  await platform.store.end('hello', id, { state: 'failed', claim });
  const ends = await Promise.all(followers.map(({ ended }) => ended));
  const text = await logFile(id);
  expect(ends.every((end) => end?.id === id)).toBe(true);
  expect(followers.every((follower) => follower.text() === text)).toBe(true);
  await until(() => connections() === 0);
});

test('a sign of life comes while nothing is written', async () => {
  const { id, claim } = await platform.building('hello', 'FROM g');
  const follower = await watch(id);
  await until(() => follower.raw().split(': \n\n').length > 3);
  await platform.store.end('hello', id, { state: 'failed', claim });
  expect(await follower.ended).toMatchObject({ id });
  expect(follower.text()).toBe('');
});

test('a follower that goes away is let go at once; the build is not disturbed', async () => {
  const { id, claim } = await platform.building('hello', 'FROM h');
  const followers = await Promise.all([watch(id), watch(id)]);
  await until(() => connections() === 2);
  for (const follower of followers) follower.leave();
  await until(() => connections() === 0);
  await platform.store.end('hello', id, { state: 'failed', claim });
  expect((await platform.store.get('hello', id))?.state).toBe('failed');
});

test('a follower that takes nothing is let go, and the others are not kept waiting', async () => {
  const { id, claim } = await platform.building('hello', 'FROM i');
  const stuck = await watch(id);
  stuck.pause();
  const other = await watch(id);
  const chunk = `${'x'.repeat(900)}\n`.repeat(1000);
  await platform.log('hello', id, async (log) => {
    for (let at = 0; at < 20; at += 1) await log.raw(chunk);
  });
  await until(async () => other.text().length === (await logFile(id)).length);
  // Its build goes on, so only the stall can have ended it.
  await until(() => connections() === 1);
  await platform.store.end('hello', id, { state: 'failed', claim });
  expect(await other.ended).toMatchObject({ id });
});

test('a build that is being rolled out goes on to be followed', async () => {
  const { id } = await platform.ready('hello', 'FROM j');
  const follower = await watch(id);
  await platform.log('hello', id, (log) => log.headline('Rolling out'));
  await platform.finish('hello', id, 'live');
  expect(await follower.ended).toMatchObject({ state: 'live' });
  expect(follower.text()).toContain('Rolling out');
});

test('HEAD does not wait for the end of the build', async () => {
  const { id, claim } = await platform.building('hello', 'FROM k');
  const answer = await platform.call('HEAD', `/v1/apps/hello/builds/${id}/output/stream`);
  expect(answer.status).toBe(404);
  await platform.store.end('hello', id, { state: 'failed', claim });
});

/** Streams that the server has open. */
function connections(): number {
  return (
    process as unknown as { _getActiveHandles(): { constructor: { name: string }; server?: unknown }[] }
  )
    ._getActiveHandles()
    .filter((handle) => handle.constructor.name === 'Socket' && handle.server === platform.server.server)
    .length;
}

/** Cron entries and their runs: from the ledger and the records, and from the deployer what runs now. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { CronEntry } from '../../src/model/cron.js';
import { CronRuns, dueRunId } from '../../src/records/cron-runs.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile } from '../support/repository.js';
import { json } from './support/deployer.js';
import { Platform } from './support/platform.js';

const DUE = Date.parse('2026-01-30T03:00:00Z');
const nightly: CronEntry = { name: 'nightly', schedule: '0 3 * * *', command: ['node', 'tasks.js'] };

let platform: Platform;
let runs: CronRuns;

beforeAll(async () => {
  platform = await Platform.start();
  runs = new CronRuns(platform.home);
  await platform.createApp('hello');
  const source = await commitFile(platform.repositories.path('hello'), 'Dockerfile', 'FROM scratch\n');
  const cron = [
    nightly,
    { ...nightly, name: 'other', timeZone: 'Europe/Berlin', overlaps: true, timeoutMs: 5000 },
  ];
  const draft = releaseDraft('hello', { source, deploymentId: 'b1' }, { cron });
  await platform.ledger.appendRelease('hello', draft, 'alice');
  await platform.ledger.recordOutcome('hello', 1, { state: 'live', at: new Date(0).toISOString() });
  for (const day of [0, 1]) {
    const id = dueRunId(DUE + day * 86_400_000);
    await runs.claim('hello', 'nightly', id, { by: 'slipway-1-1', at: DUE });
    const run = (await runs.get('hello', 'nightly', id))!;
    await runs.place(run, { host: 'local', release: 1, at: DUE });
    const end = { outcome: 'failed', exitCode: 3, at: DUE + 1000 } as const;
    if (day === 0) await runs.end(run, end, 'one\ntwo\nthree\n');
  }
});
beforeEach(() => void platform.deployer.asked.splice(0));
afterAll(() => platform.stop());

test('lists entries with their next and last run', async () => {
  const { body } = await platform.call('GET', '/v1/apps/hello/cron', { as: 'reader' });
  expect(body.stopped).toBe(false);
  const [first, second] = body.entries;
  expect(first).toMatchObject({
    name: 'nightly',
    schedule: '0 3 * * *',
    timeZone: 'UTC',
    command: ['node', 'tasks.js'],
    timeoutMs: 3_600_000,
    overlaps: false,
    next: expect.stringMatching(/T03:00:00\.000Z$/),
    last: { run: '20260131T030000Z', outcome: 'running', due: '2026-01-31T03:00:00.000Z', host: 'local' },
  });
  expect(second).toMatchObject({ timeZone: 'Europe/Berlin', overlaps: true, timeoutMs: 5000 });
  expect(second.last).toBeUndefined();
});

test('lists runs, the newest first', async () => {
  const { body } = await platform.call('GET', '/v1/apps/hello/cron/nightly/runs');
  expect(body.runs).toEqual([
    expect.objectContaining({ run: '20260131T030000Z', outcome: 'running' }),
    expect.objectContaining({
      run: '20260130T030000Z',
      outcome: 'failed',
      exitCode: 3,
      endedAt: '2026-01-30T03:00:01.000Z',
    }),
  ]);
});

test('reads the log of a run that has ended from the records, and asks the deployer for one that runs', async () => {
  const path = '/v1/apps/hello/cron/nightly/runs';
  expect((await platform.call('GET', `${path}/20260130T030000Z/logs?lines=2`)).text).toBe('two\nthree\n');
  expect(platform.deployer.asked).toEqual([]);
  platform.deployer.script = (_request, response) => response.end('up\n');
  expect((await platform.call('GET', `${path}/last/logs`)).text).toBe('up\n');
  expect(platform.deployer.asked).toEqual([
    '/apps/hello/runs/cron.nightly.20260131T030000Z/logs?lines=100&follow=0',
  ]);
  for (const [run, said] of [
    ['20990101T000000Z', 'nightly of hello has no run "20990101T000000Z"'],
    ['..%2Fx', 'nightly of hello has no run "../x"'],
  ])
    expect((await platform.call('GET', `${path}/${run}/logs`)).body).toMatchObject({
      code: 'not_found',
      message: said,
    });
  expect((await platform.call('GET', '/v1/apps/hello/cron/other/runs/last/logs')).body.message).toBe(
    'other of hello has not run yet',
  );
});

test('asks the deployer to run one now', async () => {
  const started = { entry: 'nightly', run: '20260130T030000123Z', name: 'cron.nightly.x', host: 'local' };
  platform.deployer.script = (_request, response) => json(response, 200, started);
  const answer = await platform.call('POST', '/v1/apps/hello/cron/nightly/runs', { as: 'reader' });
  expect([answer.status, answer.body]).toEqual([201, started]);
  expect(platform.deployer.asked).toEqual(['/apps/hello/cron/nightly/runs']);
  const unknown = await platform.call('POST', '/v1/apps/hello/cron/..%2F..%2Fx/runs');
  expect(unknown.body).toMatchObject({ code: 'not_found', hint: 'see: slipway cron -a hello' });
});

test('of a stopped app nothing comes next', async () => {
  const stopped = { at: '', by: 'alice' };
  await platform.ledger.changeFormation('hello', (now) => ({ ...now, stopped }), 'stop', 'alice');
  const { body } = await platform.call('GET', '/v1/apps/hello/cron');
  expect([body.stopped, body.entries[0].next]).toEqual([true, undefined]);
});

/** What cron and its runs look like on the terminal. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CronRuns } from '../../src/records/cron-runs.js';
import { json } from '../api/support/deployer.js';
import { Platform } from '../api/support/platform.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile } from '../support/repository.js';
import { Terminal } from './support/terminal.js';

let platform: Platform;
let terminal: Terminal;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('reader'));
});
afterAll(() => platform.stop());

test('an app without entries says where they are written', async () => {
  const { code, out } = await terminal.run(['cron', '-a', 'hello']);
  expect([code, out]).toEqual([
    0,
    'the live release of hello has no cron entries; they are a field of app.json\n',
  ]);
});

test('cron, cron:runs, cron:run and cron:logs show what there is', async () => {
  const source = await commitFile(platform.repositories.path('hello'), 'Dockerfile', 'FROM scratch\n');
  const cron = [{ name: 'nightly', schedule: '0 3 1 1 *', command: ['node', 'tasks.js'] }];
  const draft = releaseDraft('hello', { source, deploymentId: 'b1' }, { cron });
  await platform.ledger.appendRelease('hello', draft, 'alice');
  await platform.ledger.recordOutcome('hello', 1, { state: 'live', at: new Date(0).toISOString() });
  const runs = new CronRuns(platform.home);
  const at = Date.parse('2026-01-01T03:00:00Z');
  await runs.claim('hello', 'nightly', '20260101T030000Z', { by: 'slipway-1-1', at });
  const run = (await runs.get('hello', 'nightly', '20260101T030000Z'))!;
  await runs.place(run, { host: 'local', release: 1, at });
  await runs.end(run, { outcome: 'failed', exitCode: 3, at: at + 1000 }, 'no\n');

  const list = await terminal.run(['cron', '-a', 'hello']);
  expect(list.out.split('\n')).toEqual([
    expect.stringMatching(/^NAME {5}SCHEDULE {3}NEXT {18}LAST {30}COMMAND$/),
    expect.stringMatching(
      /^nightly {2}0 3 1 1 \* {2}\d{4}-01-01 03:00:00Z {2}2026-01-01 03:00:00Z: failed \(3\) {2}node tasks\.js$/,
    ),
    '',
  ]);
  expect((await terminal.run(['cron:runs', 'nightly', '-a', 'hello'])).out).toContain(
    '20260101T030000Z  failed (3)  clock  v1       local  2026-01-01 03:00:00Z  2026-01-01 03:00:01Z',
  );
  expect((await terminal.run(['cron:logs', 'nightly', '-a', 'hello'])).out).toBe('no\n');
  platform.deployer.script = (_request, response) =>
    json(response, 200, { entry: 'nightly', run: '20260102T030000123Z', name: 'cron.nightly.x', host: 'b' });
  const { code, out, err } = await terminal.run(['cron:run', 'nightly', '-a', 'hello']);
  expect([code, out]).toEqual([0, '20260102T030000123Z\n']);
  expect(err).toContain('runs on b; see: slipway cron:logs nightly -t -a hello');
});

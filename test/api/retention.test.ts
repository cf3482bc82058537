/** Retention over the API and by the command line, with a real registry; the deployer's part is scripted. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RegistryClient } from '../../src/registry/client.js';
import { Terminal } from '../cli/support/terminal.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { json } from './support/deployer.js';
import { Platform } from './support/platform.js';

let registry: TestRegistry;
let platform: Platform;
let client: RegistryClient;
let terminal: Terminal;

beforeAll(async () => {
  registry = await startRegistry();
  platform = await Platform.start({ registry: registry.host });
  client = new RegistryClient({ pushAllowed: [registry.host] });
});
beforeEach(async () => {
  terminal = await Terminal.at(await platform.url(), platform.token('admin'));
  platform.deployer.script = (_request, response) => json(response, 200, { hosts: [] });
});
afterAll(async () => {
  client.close();
  await platform.stop();
  await registry.stop();
});

async function live(app: string, count: number): Promise<void> {
  await platform.createApp(app);
  for (let number = 1; number <= count; number += 1) await platform.live(app, `FROM ${number}`);
}

describe('retention', () => {
  test('shows what is kept and what goes, and lets nothing go by looking', async () => {
    await live('shown', 12);
    await platform.call('PUT', '/v1/apps/shown/releases/v1/pin');
    const { status, body } = await platform.call('GET', '/v1/apps/shown/retention');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      app: 'shown',
      keep: 10,
      isOwn: false,
      going: [2],
      keepRecordsMs: 30 * 86_400_000,
    });
    expect(body.kept[0]).toEqual({ number: 12, as: 'live' });
    expect(body.kept.at(-1)).toEqual({ number: 1, as: 'pinned' });
    expect((await platform.ledger.read('shown')).releases.some(({ gone }) => gone)).toBe(false);
    const { out } = await terminal.run(['retention', '-a', 'shown']);
    expect(out.split('\n').slice(0, 4)).toEqual([
      "keeps     the newest 10 good releases (the platform's number), what runs, and what is pinned",
      'logs      of kept releases; of everything else for 30 days',
      'kept      v12 (live), v11, v10, v9, v8, v7, v6, v5, v4, v3, v1 (pinned)',
      'goes      v2',
    ]);
  });

  test('is chosen per app, and by no number that makes no sense', async () => {
    await live('chosen', 3);
    expect((await terminal.run(['retention:set', '--keep', '2', '-a', 'chosen'])).out).toContain(
      'keeps     the newest 2 good releases, what runs',
    );
    expect((await platform.ledger.read('chosen')).keep).toBe(2);
    for (const keep of [0, -1, 1.5, '3', 10_001, undefined]) {
      const answer = await platform.call('PATCH', '/v1/apps/chosen/retention', { body: { keep } });
      expect([keep, answer.status, answer.body.code]).toEqual([keep, 400, 'bad_request']);
    }
    for (const argv of [['--keep', '0'], ['--keep', '2', '--default'], []])
      expect((await terminal.run(['retention:set', ...argv, '-a', 'chosen'])).code).toBe(2);
    await terminal.run(['retention:set', '--default', '-a', 'chosen']);
    expect((await platform.ledger.read('chosen')).keep).toBeUndefined();
  });

  test('lets releases go, after which there is no rollback to them, and says why', async () => {
    await live('letgo', 4);
    await platform.ledger.setKeep('letgo', 2, 'alice');
    const swept = await platform.call('POST', '/v1/apps/letgo/retention/run');
    expect([swept.status, swept.body.going]).toEqual([200, [1, 2]]);
    const { body } = await platform.call('GET', '/v1/apps/letgo/releases/v1');
    expect(body).toMatchObject({ state: 'was live', gone: true });
    const { out } = await terminal.run(['releases', '-a', 'letgo']);
    expect(out).toMatch(/v1 +was live, gone /);
    const back = await terminal.run(['rollback', 'v1', '-a', 'letgo']);
    expect([back.code, back.err]).toEqual([
      1,
      expect.stringMatching(
        /v1 of letgo is older than the releases that are kept[\s\S]*slipway retention -a letgo/,
      ),
    ]);
    expect(await platform.store.open('letgo')).toEqual([]);
    const pinned = await terminal.run(['releases:pin', 'v2', '-a', 'letgo']);
    expect([pinned.code, pinned.err]).toEqual([1, expect.stringContaining('its image was let go')]);
  });

  test('rollback without a number goes to the last good release or nowhere', async () => {
    await live('default', 3);
    await platform.ledger.setKeep('default', 1, 'alice');
    await platform.ledger.letGo('default', 1);
    const answer = await platform.call('POST', '/v1/apps/default/rollback', { body: {} });
    expect([answer.status, answer.body.code]).toEqual([409, 'release_unusable']);
  });

  test('a release is pinned and unpinned', async () => {
    await live('pins', 2);
    expect((await terminal.run(['releases:pin', 'v1', '-a', 'pins'])).out).toBe(
      'v1 of pins is pinned: it is kept, however old it gets\n',
    );
    expect((await terminal.run(['releases', '-a', 'pins'])).out).toMatch(/v1 +was live, pinned /);
    expect((await platform.call('GET', '/v1/apps/pins/releases/v1')).body.pinnedBy).toBe('admin');
    expect((await terminal.run(['releases:unpin', 'v1', '-a', 'pins'])).out).toBe(
      'v1 of pins is not pinned\n',
    );
    expect((await platform.call('PUT', '/v1/apps/pins/releases/v9/pin')).status).toBe(404);
    expect((await platform.call('PUT', '/v1/apps/pins/releases/x/pin')).status).toBe(400);
  });

  test('removing is for admins', async () => {
    await platform.createApp('hello');
    for (const path of ['/v1/apps/hello/retention/run', '/v1/retention/hosts']) {
      const answer = await platform.call('POST', path, { as: 'alice', body: {} });
      expect([path, answer.status, answer.body.code]).toEqual([path, 403, 'forbidden']);
    }
    expect((await platform.call('GET', '/v1/apps/hello/retention', { as: 'alice' })).status).toBe(200);
  });
});

describe('retention:run', () => {
  const HOSTS = {
    hosts: [
      { host: 'a', images: 2, bytes: 3_400_000, apps: [{ app: 'swept', images: 2, bytes: 3_400_000 }] },
      { host: 'b', images: 0, bytes: 0, apps: [], silent: 'no route to it' },
    ],
  };

  test('shows bytes per place and app, first what would go, and names the host that does not answer', async () => {
    await live('swept', 3);
    await platform.ledger.setKeep('swept', 1, 'alice');
    platform.deployer.script = (_request, response) => json(response, 200, HOSTS);
    platform.deployer.asked.length = 0;
    const dry = await terminal.run(['retention:run', '--dry-run', '-a', 'swept']);
    expect([dry.code, dry.out.split('\n')]).toEqual([
      0,
      [
        expect.stringMatching(/^PLACE +APP +WHAT +BYTES$/),
        expect.stringMatching(/^host a +swept +2 images +3\.4 MB$/),
        'would remove 3.4 MB',
        '',
      ],
    ]);
    expect(dry.err).toBe(' !     b was not swept: no route to it\n');
    expect((await platform.ledger.read('swept')).releases.some(({ gone }) => gone)).toBe(false);
    const done = await terminal.run(['retention:run', '-a', 'swept', '--json']);
    expect(done.json).toMatchObject({
      dryRun: false,
      bytes: 3_400_000,
      apps: [{ app: 'swept', going: [1, 2] }],
    });
    expect(platform.deployer.asked).toEqual([
      '/image-sweeps?dry-run=1&app=swept',
      '/image-sweeps?dry-run=0&app=swept',
    ]);
  });

  test('goes over all apps', async () => {
    const { json: result } = await terminal.run(['retention:run', '--json']);
    const names = (await platform.ledger.listApps()).sort();
    expect(result.apps.map(({ app }: { app: string }) => app)).toEqual(names);
  });

  test('says that there is nothing to do', async () => {
    expect((await terminal.run(['retention:run'])).out).toBe('there is nothing that is not kept\n');
  });
});

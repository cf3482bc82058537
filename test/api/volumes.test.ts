/** Volumes over the API, and the releases that their mounts make. What is in them is the deployer's, see test/deploy/volumes.test.ts. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { changeVolumes, withVolume } from '../../src/ledger/volume-settings.js';
import type { ReleaseProcess, ReleaseWithOutcome } from '../../src/model/release.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

const call = (method: string, app: string, path: string, body?: unknown): Promise<Answer> =>
  platform.call(method, `/v1/apps/${app}/${path}`, body === undefined ? {} : { body });
const create = (app: string, name: string, host?: string): Promise<Answer> =>
  call('POST', app, 'volumes', host === undefined ? { name } : { name, host });
const mount = (app: string, name: string, ...mounts: string[]): Promise<Answer> =>
  call('POST', app, `volumes/${name}/mount`, { mounts });
const unmount = (app: string, name: string, ...mounts: string[]): Promise<Answer> =>
  call('POST', app, `volumes/${name}/unmount`, { mounts });

async function newest(app: string): Promise<ReleaseWithOutcome> {
  return (await platform.ledger.read(app)).releases.at(-1) ?? expect.unreachable();
}

const PLAIN: ReleaseProcess[] = [
  { type: 'web', scale: 1 },
  { type: 'worker', command: ['w'], scale: 0 },
];

/** An app whose live release has these processes. */
async function deployed(app: string, processes = PLAIN): Promise<void> {
  await platform.createApp(app);
  const { id, claim } = await platform.building(app, `FROM ${Math.random()}`);
  const { push } = (await platform.store.get(app, id))!;
  const draft = {
    kind: 'deploy' as const,
    image: { repository: `apps/${app}`, digest: `sha256:${push!.newOid.padEnd(64, '0')}` },
    source: push!.newOid,
    config: {},
    processes,
    deploymentId: id,
    description: 'deploy',
  };
  const { number } = await platform.ledger.appendRelease(app, draft, 'alice');
  await platform.store.append(app, id, { type: 'release', at: Date.now(), claim, number });
  await platform.finish(app, id, 'live');
}

const goLive = (app: string, { body }: Answer): Promise<void> => platform.finish(app, body.build.id, 'live');

describe('a mount', () => {
  test('becomes a release, holds for those to come, and is taken back by a rollback', async () => {
    await deployed('mounted');
    expect(await create('mounted', 'data')).toMatchObject({
      status: 201,
      body: { volumes: [{ name: 'data', host: 'local', mounts: [] }] },
    });
    const first = await mount('mounted', 'data', 'web:/data', 'worker:/data:ro');
    expect([first.status, first.body.build]).toEqual([
      202,
      expect.objectContaining({ kind: 'volumes', release: 2 }),
    ]);
    expect(await newest('mounted')).toMatchObject({
      description: 'mount data web:/data worker:/data:ro',
      processes: [
        { type: 'web', scale: 1, mounts: [{ volume: 'data', path: '/data' }] },
        { type: 'worker', mounts: [{ volume: 'data', path: '/data', readOnly: true }] },
      ],
    });
    await goLive('mounted', first);
    const scaled = await call('PATCH', 'mounted', 'formation/scale', { scale: { web: 2 } });
    expect((await newest('mounted')).processes[0]).toMatchObject({
      scale: 2,
      mounts: [{ volume: 'data', path: '/data' }],
    });
    await goLive('mounted', scaled);
    expect((await call('GET', 'mounted', 'volumes')).body.volumes[0].mounts).toEqual([
      'web:/data',
      'worker:/data:ro',
    ]);

    const back = await call('POST', 'mounted', 'rollback', { release: 1 });
    expect(back.status).toBe(202);
    expect((await newest('mounted')).processes[0]).not.toHaveProperty('mounts');
    await platform.finish('mounted', back.body.id, 'live');
    const forth = await call('POST', 'mounted', 'rollback', { release: 2 });
    expect((await newest('mounted')).processes[0]).toHaveProperty('mounts');
    await platform.finish('mounted', forth.body.id, 'live');
  });

  test('of what is not there, or cannot be, is refused with what to do', async () => {
    await deployed('refused');
    expect(await mount('refused', 'data', 'web:/data')).toMatchObject({ status: 404 });
    await create('refused', 'data');
    expect(await create('refused', 'data')).toMatchObject({ status: 409 });
    expect(await create('refused', 'No.Name')).toMatchObject({ status: 400 });
    expect(await mount('refused', 'data', 'web')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('TYPE:/path') },
    });
    expect(await mount('refused', 'data')).toMatchObject({ status: 400 });
    expect(await mount('refused', 'data', 'nobody:/data')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('"nobody"') },
    });
    expect(await unmount('refused', 'data')).toMatchObject({
      status: 400,
      body: { message: 'data is not mounted' },
    });
    expect((await platform.ledger.read('refused')).releases).toHaveLength(1);
  });

  test('that the commit declares makes its volume, and can be taken away by hand', async () => {
    const mounts = [{ volume: 'photos', path: '/photos' }];
    await deployed('declared', [{ type: 'web', scale: 1, mounts }]);
    expect((await call('GET', 'declared', 'volumes')).body.volumes).toMatchObject([
      { name: 'photos', host: 'local', mounts: ['web:/photos'] },
    ]);
    const answer = await unmount('declared', 'photos');
    expect((await newest('declared')).processes).toEqual([{ type: 'web', scale: 1 }]);
    await goLive('declared', answer);
  });
});

describe('a volume', () => {
  test('is removed only when nothing has it', async () => {
    await deployed('rid');
    await create('rid', 'data');
    await goLive('rid', await mount('rid', 'data', 'web:/data'));
    expect(await call('DELETE', 'rid', 'volumes/data')).toMatchObject({
      status: 409,
      body: { message: 'data is mounted at web:/data' },
    });
    const { content } = (await platform.ledger.read('rid')).volumes.volumes.data!;
    const unmounted = await unmount('rid', 'data', 'web:/data');
    // The live release has it until the next one is.
    expect(await call('DELETE', 'rid', 'volumes/data')).toMatchObject({ status: 409 });
    await goLive('rid', unmounted);
    expect(await call('DELETE', 'rid', 'volumes/data')).toMatchObject({ status: 200 });
    expect((await platform.ledger.read('rid')).volumes).toEqual({ volumes: {}, removed: [content] });
    expect(await call('DELETE', 'rid', 'volumes/data')).toMatchObject({ status: 404 });
  });

  test('holds its app on its host', async () => {
    const record = { address: 'ssh://deploy@10.0.0.5:22', labels: {} };
    await platform.platform.hosts.add({ ...record, name: 'alpha' }, 'alice');
    await platform.platform.hosts.add(
      { ...record, name: 'swarm', address: 'swarm+ssh://deploy@10.0.0.6:22' },
      'alice',
    );
    await deployed('settled');
    await create('settled', 'data');
    await goLive('settled', await mount('settled', 'data', 'web:/data'));
    expect(await call('PUT', 'settled', 'placement', { placement: { hosts: ['alpha'] } })).toMatchObject({
      status: 409,
      body: {
        message: 'the volume data is on local, and the app is to run on alpha',
        hint: expect.stringContaining('volumes:backup'),
      },
    });
    expect((await platform.ledger.read('settled')).placement).toBeUndefined();
    expect(await create('settled', 'far', 'alpha')).toMatchObject({ status: 201 });
    expect(await mount('settled', 'far', 'web:/far')).toMatchObject({ status: 409 });
    expect(await create('settled', 'swarmed', 'swarm')).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('is a Swarm') },
    });
    expect(await create('settled', 'nowhere', 'beta')).toMatchObject({ status: 409 });
    expect(await platform.call('DELETE', '/v1/hosts/alpha')).toMatchObject({
      status: 409,
      body: { message: 'alpha has the volume far of settled' },
    });
  });

  test('gets its other content by exchange, and the one before back in the same way', async () => {
    await deployed('exchanged');
    await create('exchanged', 'data');
    await goLive('exchanged', await mount('exchanged', 'data', 'web:/data'));
    expect(await call('POST', 'exchanged', 'volumes/data/exchange')).toMatchObject({
      status: 409,
      body: { message: 'data has no other content' },
    });
    const { content } = (await platform.ledger.read('exchanged')).volumes.volumes.data!;
    await changeVolumes(platform.ledger, 'exchanged', 'alice', 'restore data', (now) =>
      withVolume(now, 'exchanged', 'data', (volume) => ({
        ...volume,
        other: { content: 'ab12ab12ab12', is: 'restored', at: 'now', by: 'alice' },
      })),
    );
    const answer = await call('POST', 'exchanged', 'volumes/data/exchange');
    expect(answer).toMatchObject({ status: 202, body: { build: { kind: 'volumes' } } });
    expect((await platform.ledger.read('exchanged')).volumes.volumes.data).toMatchObject({
      content: 'ab12ab12ab12',
      other: { content, is: 'replaced' },
    });
    await goLive('exchanged', answer);
    await goLive('exchanged', await call('POST', 'exchanged', 'volumes/data/exchange'));
    expect((await platform.ledger.read('exchanged')).volumes.volumes.data).toMatchObject({ content });
  });

  test('stays when its app is destroyed, and goes with it when that is said', async () => {
    for (const [app, query] of [
      ['leaves', ''],
      ['takes', '&volumes=remove'],
    ] as const) {
      await deployed(app);
      await create(app, 'data');
      const { content } = (await platform.ledger.read(app)).volumes.volumes.data!;
      const { body } = await platform.call('DELETE', `/v1/apps/${app}?confirm=${app}${query}`);
      const [state] = await platform.ledger.listDestroyed(app);
      const left = [{ name: 'data', host: 'local', content }];
      expect([body.volumesLeft, state?.volumes.removed]).toEqual(query === '' ? [left, []] : [[], [content]]);
    }
  });

  test('is copied by the deployer, for those who may use the app', async () => {
    await deployed('copied');
    await create('copied', 'data');
    const asked = await platform.call('GET', '/v1/apps/copied/volumes/data/copy');
    expect(asked).toMatchObject({ status: 400, body: { code: 'bad_request' } });
    platform.deployer.asked.splice(0);
    await platform.call('GET', '/v1/apps/copied/volumes/data/backups');
    expect(platform.deployer.asked).toEqual(['/apps/copied/volumes/data/backups']);
  });
});

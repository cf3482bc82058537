/** Scale, limits, stop, start, restart and placement over the API, and the releases that they make. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestScale } from '../../src/formation-changes.js';
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import type { ChangeTools } from '../../src/next-release.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

const call = (method: string, app: string, path: string, body?: unknown): Promise<Answer> =>
  platform.call(method, `/v1/apps/${app}/${path}`, body === undefined ? {} : { body });
const scale = (app: string, wanted: Record<string, number>): Promise<Answer> =>
  call('PATCH', app, 'formation/scale', { scale: wanted });

function changeTools(): ChangeTools {
  const { store, ledger, queues, config } = platform;
  return { store, ledger, hostBook: platform.platform.hosts, queues, limits: config.limits };
}

async function newest(app: string): Promise<ReleaseWithOutcome> {
  return (await platform.ledger.read(app)).releases.at(-1) ?? expect.unreachable();
}

/** An app whose live release has a web and a worker. */
async function deployed(app: string): Promise<void> {
  await platform.createApp(app);
  await deploy(app);
}

async function deploy(app: string, processes = WEB_AND_WORKER): Promise<void> {
  const { id, claim } = await platform.building(app, `FROM ${Math.random()}`);
  const { push } = (await platform.store.get(app, id))!;
  const draft = {
    kind: 'deploy' as const,
    image: { repository: `apps/${app}`, digest: `sha256:${push!.newOid.padEnd(64, '0')}` },
    source: push!.newOid,
    config: {},
    processes,
    releasePhase: ['migrate'],
    deploymentId: id,
    description: 'deploy',
  };
  const { number } = await platform.ledger.appendRelease(app, draft, 'alice');
  await platform.store.append(app, id, { type: 'release', at: Date.now(), claim, number });
  await platform.finish(app, id, 'live');
}
const WEB_AND_WORKER = [
  { type: 'web', scale: 1 },
  { type: 'worker', command: ['w'], scale: 0 },
];

async function goLive(app: string, { body }: Answer): Promise<void> {
  await platform.finish(app, body.build.id, 'live');
}

describe('a scale', () => {
  test('becomes a release with the rest as it was, and is written down for those to come', async () => {
    await deployed('scaled');
    const before = await newest('scaled');
    const answer = await scale('scaled', { web: 3, worker: 2 });
    expect([answer.status, answer.body.build]).toEqual([
      202,
      expect.objectContaining({ kind: 'scale', state: 'ready', release: 2 }),
    ]);
    const { image, source, config, releasePhase } = before;
    expect(await newest('scaled')).toMatchObject({
      kind: 'scale',
      description: 'scale web=3 worker=2',
      image,
      source,
      config,
      releasePhase,
      processes: [
        { type: 'web', scale: 3 },
        { type: 'worker', command: ['w'], scale: 2 },
      ],
    });
    expect((await platform.ledger.read('scaled')).formation).toEqual({
      scale: { web: 3, worker: 2 },
      resources: {},
    });
    expect(await platform.rollouts()).toContain('scaled');
    const log = await platform.call('GET', `/v1/apps/scaled/builds/${answer.body.build.id}/output`);
    expect(log.text).toBe('-----> Scale of scaled: web=3 worker=2\n');
    await goLive('scaled', answer);
    const same = await scale('scaled', { web: 3 });
    expect([same.status, same.body]).toEqual([
      200,
      {
        stored: true,
        formation: {
          release: 'v2',
          processes: [
            { type: 'web', scale: 3 },
            { type: 'worker', command: ['w'], scale: 2 },
          ],
        },
      },
    ]);
  });

  test('of the release that is on its way is not of the code that serves', async () => {
    await deployed('racing');
    const { release } = await platform.ready('racing', 'FROM newer');
    await scale('racing', { web: 2 });
    expect(await newest('racing')).toMatchObject({ number: 3, image: release.image, source: release.source });
  });

  test('of a release that comes at this very moment is not of the code before it', async () => {
    await deployed('rushed');
    let rivals = 2;
    const pushes = async (): Promise<[]> => {
      if (rivals > 0) await platform.ready('rushed', `FROM newer${rivals--}`);
      return [];
    };
    const tools = { ...changeTools(), hostBook: { list: pushes } };
    const scaled = await requestScale(tools, 'rushed', { web: 2 }, 'admin');
    const { releases } = await platform.ledger.read('rushed');
    expect(releases.map(({ kind }) => kind).slice(-2)).toEqual(['deploy', 'scale']);
    expect(scaled).toMatchObject({ state: 'ready', release: releases.length });
    const { image, source } = releases.at(-2)!;
    expect(releases.at(-1)).toMatchObject({ image, source, processes: [{ type: 'web', scale: 2 }] });
  });

  test('before the first deploy waits for it, whatever the type', async () => {
    await platform.createApp('early');
    const answer = await scale('early', { web: 2, clock: 1 });
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        stored: true,
        formation: {
          processes: [
            { type: 'web', scale: 2 },
            { type: 'clock', scale: 1 },
          ],
        },
      },
    ]);
  });

  test('beyond what an app may have is refused, and written down nowhere', async () => {
    await deployed('large');
    const tools = { ...changeTools(), limits: { ...platform.config.limits, appContainers: 5 } };
    const before = await platform.ledger.read('large');
    await expect(requestScale(tools, 'large', { web: 6 }, 'admin')).rejects.toMatchObject({
      code: 'too_large',
      message: 'large would have 6 containers, and an app has at most 5',
    });
    expect(await platform.ledger.read('large')).toEqual(before);
    expect(await requestScale(tools, 'large', { web: 5 }, 'admin')).toMatchObject({ state: 'ready' });
  });

  test.each([
    [{ scale: { wroker: 2 } }, 'refused has no process type "wroker"'],
    [{ scale: { web: 101 } }, 'web=101 is not a scale'],
    [{ scale: { web: -1 } }, 'web=-1 is not a scale'],
    [{ scale: { web: 1.5 } }, 'web=1.5 is not a scale'],
    [{ scale: { release: 1 } }, '"release" is not a process type'],
    [{ scale: { 'a b': 1 } }, '"a b" is not a process type'],
    [{ scale: {} }, 'no process type is named'],
    [{ scale: { web: '2' } }, 'scale.web: '],
    [{}, 'scale: '],
  ])('that cannot be is refused: %j', async (body, message) => {
    if (!(await platform.ledger.appExists('refused'))) await deployed('refused');
    const answer = await call('PATCH', 'refused', 'formation/scale', body);
    expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(message)]);
    expect((await newest('refused')).number).toBe(1);
    expect((await platform.ledger.read('refused')).formation.scale).toEqual({});
  });
});

describe('limits', () => {
  const limit = (app: string, types: string[], limits: object): Promise<Answer> =>
    call('PATCH', app, 'formation/resources', { types, limits });

  test('become a release; one alone is changed or taken away', async () => {
    await deployed('limited');
    await goLive('limited', await limit('limited', ['web', 'worker'], { memory: '512m', cpus: '0.5' }));
    await goLive('limited', await limit('limited', ['web'], { memory: null, processes: 200 }));
    const { processes, description } = await newest('limited');
    expect(description).toBe('limit web: memory none, processes 200');
    expect(processes.map(({ type, resources }) => [type, resources])).toEqual([
      ['web', { cpus: 0.5, processes: 200 }],
      ['worker', { cpus: 0.5, memoryBytes: 512 * 1024 * 1024 }],
    ]);
  });

  test('that cannot be are refused by their name', async () => {
    await deployed('unlimited');
    for (const [types, limits, message] of [
      [['web'], { memory: '1m' }, 'limits.memory: memory must be a size'],
      [['web'], { cpus: 'two' }, 'limits.cpus: cpus must be a number'],
      [['web'], { disk: 1 }, 'Unrecognized key: "disk"'],
      [['web'], {}, 'no process type or no limit is named'],
      [['db'], { cpus: 1 }, 'has no process type "db"'],
    ] as const) {
      const answer = await limit('unlimited', [...types], limits);
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(message)]);
    }
  });
});

describe('a stopped app', () => {
  test('has no containers until it is started, with the scale it had or got meanwhile', async () => {
    await deployed('halted');
    await goLive('halted', await scale('halted', { web: 2 }));
    const stop = await call('POST', 'halted', 'stop');
    expect(await newest('halted')).toMatchObject({
      kind: 'stop',
      processes: [
        { type: 'web', scale: 0, whenStarted: 2 },
        { type: 'worker', scale: 0, whenStarted: 0 },
      ],
    });
    await goLive('halted', stop);
    expect((await call('POST', 'halted', 'stop')).status).toBe(200);
    const scaled = await scale('halted', { worker: 4 });
    expect([scaled.status, scaled.body.formation.stopped]).toEqual([
      200,
      expect.objectContaining({ by: 'admin' }),
    ]);
    const restart = await call('POST', 'halted', 'restart');
    expect([restart.status, restart.body]).toEqual([
      409,
      { code: 'conflict', message: 'halted is stopped', hint: 'slipway ps:start -a halted' },
    ]);
    const start = await call('POST', 'halted', 'start');
    expect(start.status).toBe(202);
    expect((await newest('halted')).processes).toEqual([
      { type: 'web', scale: 2 },
      { type: 'worker', command: ['w'], scale: 4 },
    ]);
    expect((await platform.ledger.read('halted')).formation.stopped).toBeUndefined();
  });

  test('stays so when it is rolled back, and a rollback over the stop starts nothing twice', async () => {
    await deployed('restful');
    await deploy('restful');
    await goLive('restful', await call('POST', 'restful', 'stop'));
    const back = await platform.call('POST', '/v1/apps/restful/rollback', { body: { release: 'v1' } });
    expect((await newest('restful')).processes[0]).toEqual({ type: 'web', scale: 0, whenStarted: 1 });
    const log = await platform.call('GET', `/v1/apps/restful/builds/${back.body.id}/output`);
    expect(log.text).toContain('restful is stopped; to start it: slipway ps:start -a restful');
    await platform.finish('restful', back.body.id, 'live');
    await goLive('restful', await call('POST', 'restful', 'start'));
    await platform.call('POST', '/v1/apps/restful/rollback', { body: { release: 'v3' } });
    expect((await newest('restful')).processes[0]).toEqual({ type: 'web', scale: 1 });
  });

  test('needs no host, nor does one that is scaled to nothing', async () => {
    for (const app of ['homeless', 'emptied']) await deployed(app);
    const { hosts } = platform.platform;
    await hosts.cordon('local', 'disk', 'admin');
    try {
      await goLive('homeless', await call('POST', 'homeless', 'stop'));
      expect(await newest('homeless')).toMatchObject({
        kind: 'stop',
        processes: [{ scale: 0 }, { scale: 0 }],
      });
      const start = await call('POST', 'homeless', 'start');
      expect([start.status, start.body.code]).toEqual([409, 'no_host']);
      await goLive('emptied', await scale('emptied', { web: 0 }));
      const more = await scale('emptied', { web: 1 });
      expect([more.status, more.body.code]).toEqual([409, 'no_host']);
    } finally {
      await hosts.uncordon('local', 'admin');
    }
    expect((await call('POST', 'homeless', 'start')).status).toBe(202);
  });

  test('cannot be, nor be restarted, before the first deploy', async () => {
    await platform.createApp('nothing');
    for (const verb of ['stop', 'start', 'restart'])
      expect((await call('POST', 'nothing', verb)).body).toMatchObject({
        code: 'no_release',
        message: 'nothing has no release that runs',
      });
  });
});

describe('a restart', () => {
  test('is a release of what is there', async () => {
    await deployed('again');
    const before = await newest('again');
    expect((await call('POST', 'again', 'restart')).body.build).toMatchObject({
      kind: 'restart',
      state: 'ready',
    });
    const { image, source, config, processes } = before;
    expect(await newest('again')).toMatchObject({ kind: 'restart', image, source, config, processes });
  });
});

describe('a restart of one process type', () => {
  test('says so in its release; a type that there is not is refused', async () => {
    await deployed('partly');
    const restart = (types: unknown) => platform.call('POST', '/v1/apps/partly/restart', { body: { types } });
    expect((await restart(['web', 'web'])).body.build).toMatchObject({ kind: 'restart' });
    expect(await newest('partly')).toMatchObject({ restarts: ['web'], description: 'restart web' });
    for (const types of [['nope'], ['--all'], 'web', [1]])
      expect((await restart(types)).status, String(types)).toBe(400);
  });
});

describe('a strategy', () => {
  const put = (strategy: unknown) => platform.call('PUT', '/v1/apps/bold/strategy', { body: { strategy } });

  test('is of the releases from then on, as far as their kind allows, until it is unset', async () => {
    await deployed('bold');
    const shown = await platform.call('GET', '/v1/apps/bold/strategy');
    expect(shown.body).toEqual({ strategy: 'blue-green', from: 'default' });
    expect((await put('rolling, batch=2')).body).toEqual({ strategy: 'rolling,batch=2', from: 'set' });
    await call('POST', 'bold', 'restart');
    expect(await newest('bold')).toMatchObject({ strategy: { name: 'rolling', batch: { size: 2 } } });
    await put('canary');
    await call('POST', 'bold', 'restart');
    expect(await newest('bold')).not.toHaveProperty('strategy');
    expect((await put(null)).body).toEqual({ strategy: 'blue-green', from: 'default' });
    for (const wrong of ['yolo', 'rolling,batch=0', 7, undefined])
      expect((await put(wrong)).status, String(wrong)).toBe(400);
  });

  test('of an app that writes a volume is recreate where nothing else was said', async () => {
    await platform.createApp('kept');
    const mounts = [{ volume: 'data', path: '/data' }];
    await platform.live('kept', 'FROM a', [{ type: 'web', scale: 1, mounts }]);
    const shown = await platform.call('GET', '/v1/apps/kept/strategy');
    expect(shown.body).toEqual({ strategy: 'recreate', from: 'default' });
    await call('POST', 'kept', 'restart');
    expect(await newest('kept')).toMatchObject({ strategy: { name: 'recreate' } });
  });
});

describe('where an app runs', () => {
  test('is decided anew for each release; a change of it makes one', async () => {
    await deployed('placed');
    const { hosts } = platform.platform;
    for (const name of ['alpha', 'beta'])
      await hosts.add({ name, address: `tcp://${name}.test:2376`, labels: {} }, 'admin');
    const place = (placement: unknown) =>
      platform.call('PUT', '/v1/apps/placed/placement', { body: { placement } });
    const moved = await place({ hosts: ['beta', 'alpha'] });
    expect([moved.status, moved.body.build.kind]).toEqual([202, 'placement']);
    expect(await newest('placed')).toMatchObject({
      kind: 'placement',
      hosts: ['alpha', 'beta'],
      description: 'place on alpha, beta',
    });
    await goLive('placed', moved);
    expect((await place({ hosts: ['alpha', 'beta'] })).body).toMatchObject({ live: ['alpha', 'beta'] });
    await hosts.cordon('beta', 'disk', 'admin');
    await goLive('placed', await scale('placed', { web: 2 }));
    expect((await newest('placed')).hosts).toEqual(['alpha']);
    await hosts.cordon('alpha', undefined, 'admin');
    const nowhere = await scale('placed', { web: 3 });
    expect([nowhere.status, nowhere.body.code]).toEqual([409, 'no_host']);
    expect((await place({ hosts: ['gone'] })).body.code).toBe('no_host');
    expect((await platform.ledger.read('placed')).placement).toEqual({ hosts: ['alpha', 'beta'] });
    expect((await place(null)).status).toBe(202);
    expect((await newest('placed')).hosts).toBeUndefined();
  });
});

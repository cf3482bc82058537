/** Releases over the API, and which of them a rollback takes. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

async function app(name: string): Promise<string> {
  await platform.createApp(name);
  return name;
}

const rollback = (name: string, body: unknown = {}): Promise<Answer> =>
  platform.call('POST', `/v1/apps/${name}/rollback`, { as: 'admin', body });

const releases = async (name: string): Promise<{ version: string; state: string }[]> =>
  (await platform.call('GET', `/v1/apps/${name}/releases`)).body.releases;

const states = async (name: string): Promise<string[]> =>
  (await releases(name)).map(({ version, state }) => `${version} ${state}`);

describe('releases', () => {
  test('are listed newest first with how they ended, and show the names of their config only', async () => {
    await app('listed');
    await platform.call('PATCH', '/v1/apps/listed/config', { body: { SECRET: 'hunter2', A: 'x' } });
    const { release } = await platform.live('listed', 'FROM a');
    const second = await platform.ready('listed', 'FROM b');
    await platform.finish('listed', second.id, 'failed', 'web did not answer', 'unhealthy');
    const { body, text } = await platform.call('GET', '/v1/apps/listed/releases');
    expect(body.releases).toEqual([
      expect.objectContaining({ version: 'v2', number: 2, state: 'failed', reason: 'web did not answer' }),
      {
        version: 'v1',
        number: 1,
        kind: 'deploy',
        state: 'live',
        description: `deploy ${release.source.slice(0, 7)}`,
        image: release.image,
        commit: release.source,
        config: ['A', 'SECRET'],
        processes: [{ type: 'web', scale: 1 }],
        hosts: ['local'],
        strategy: 'blue-green',
        build: release.deploymentId,
        createdAt: expect.any(String),
        createdBy: 'alice',
        endedAt: expect.any(String),
      },
    ]);
    expect(text).not.toMatch(/hunter2|v1\.[0-9a-f]{8}\./);
  });

  test('one is shown by `v1` or `1`; what is none is refused, what is not there not found', async () => {
    await app('shown');
    await platform.live('shown');
    for (const name of ['v1', '1'])
      expect((await platform.call('GET', `/v1/apps/shown/releases/${name}`)).body.version).toBe('v1');
    const absent = await platform.call('GET', '/v1/apps/shown/releases/v2');
    expect([absent.status, absent.body]).toEqual([
      404,
      { code: 'no_release', message: 'shown has no release v2', hint: 'see: slipway releases -a shown' },
    ]);
    for (const name of ['v0', 'v-1', 'v1.5', 'V1', 'v01', 'latest', 'v1e3', 'v9999999999']) {
      const answer = await platform.call('GET', `/v1/apps/shown/releases/${name}`);
      expect([name, answer.status, answer.body]).toEqual([
        name,
        400,
        { code: 'bad_request', message: `"${name}" is not a release`, hint: 'write it as v12' },
      ]);
    }
  });
});

describe('rollback', () => {
  test('without a number goes to the last release before the live one that was live, over failed ones', async () => {
    await app('default');
    const first = await platform.live('default', 'FROM a');
    await platform.live('default', 'FROM b');
    for (const state of ['failed', 'cancelled', 'superseded'] as const)
      await platform.finish('default', (await platform.ready('default', `FROM ${state}`)).id, state);
    await platform.live('default', 'FROM c');
    const { status, body } = await rollback('default');
    expect([status, body]).toEqual([
      202,
      expect.objectContaining({ kind: 'rollback', state: 'ready', release: 7, who: 'admin' }),
    ]);
    const [made] = await releases('default');
    expect(made).toMatchObject({
      version: 'v7',
      state: 'pending',
      kind: 'rollback',
      rollbackOf: 2,
      description: 'rollback to v2',
      createdBy: 'admin',
    });
    expect(await platform.rollouts()).toContain('default');
    expect(await readFile(platform.store.logPath('default', body.id), 'utf8')).toBe(
      '-----> Rolling default back to v2\n',
    );
    await platform.finish('default', body.id, 'live');
    expect(await states('default')).toEqual([
      'v7 live',
      'v6 was live',
      'v5 superseded',
      'v4 cancelled',
      'v3 failed',
      'v2 was live',
      'v1 was live',
    ]);
    const named = await rollback('default', { release: 'v1' });
    expect((await releases('default'))[0]).toMatchObject({
      image: first.release.image,
      build: named.body.id,
    });
  });

  test('takes the image, the source and the config of that release, by string or number', async () => {
    await app('content');
    await platform.call('PATCH', '/v1/apps/content/config', { body: { COLOUR: 'red' } });
    const { release } = await platform.live('content', 'FROM a');
    await platform.live('content', 'FROM b');
    const changed = await platform.call('PATCH', '/v1/apps/content/config', {
      body: { COLOUR: 'blue', LATER: 'x' },
    });
    await platform.finish('content', changed.body.build.id, 'live');
    for (const named of ['v1', '1', 1]) {
      const { body } = await rollback('content', { release: named });
      const made = (await platform.ledger.read('content')).releases.at(-1)!;
      expect(made).toMatchObject({
        kind: 'rollback',
        rollbackOf: 1,
        image: release.image,
        source: release.source,
        config: release.config,
        deploymentId: body.id,
      });
      const log = await readFile(platform.store.logPath('content', body.id), 'utf8');
      expect(log).toContain("with the config vars of v1; the next deploy gets today's: COLOUR, LATER\n");
      expect(log).not.toMatch(/red|blue/);
    }
    // The three waited for the same thing: the newest won.
    expect(await states('content')).toEqual([
      'v6 pending',
      'v5 superseded',
      'v4 superseded',
      'v3 live',
      'v2 was live',
      'v1 was live',
    ]);
  });

  test('is refused with the reason and the way on when there is nothing to roll back to', async () => {
    await app('refused');
    const none = await rollback('refused');
    expect([none.status, none.body]).toEqual([
      404,
      {
        code: 'no_release',
        message: 'refused has no live release to roll back from',
        hint: 'push to deploy first',
      },
    ]);
    const failed = await platform.ready('refused', 'FROM bad');
    await platform.finish('refused', failed.id, 'failed');
    expect((await rollback('refused', { release: 'v1' })).body.message).toBe(
      'refused has no live release to roll back from',
    );
    await platform.live('refused', 'FROM good');
    await platform.ready('refused', 'FROM waiting');

    const cases: [unknown, number, string][] = [
      [{}, 404, 'refused has no earlier good release than v2'],
      [{ release: 'v9' }, 404, 'refused has no release v9'],
      [{ release: 'v2' }, 409, 'v2 is the live release of refused'],
      [{ release: 'v1' }, 409, 'v1 of refused never went live (failed)'],
      [{ release: 'v3' }, 409, 'v3 of refused never went live (not finished)'],
      [{ release: 'v0' }, 400, '"v0" is not a release'],
      [{ release: 1.5 }, 400, '"1.5" is not a release'],
      [{ release: 1e300 }, 400, '"1e+300" is not a release'],
      [{ release: '' }, 400, '"" is not a release'],
    ];
    for (const [body, status, message] of cases) {
      const answer = await rollback('refused', body);
      expect([body, answer.status, answer.body.message]).toEqual([body, status, message]);
      expect(answer.body.hint).toMatch(/slipway releases -a refused|v12/);
    }
    expect((await platform.store.list('refused')).filter(({ kind }) => kind === 'rollback')).toEqual([]);
  });

  test('ends older pushes that are not built yet: they would bring back what is rolled back', async () => {
    await app('incident');
    await platform.live('incident', 'FROM a');
    await platform.live('incident', 'FROM b');
    const building = await platform.building('incident', 'FROM c');
    const waiting = await platform.push('incident', 'FROM d');
    const { body } = await rollback('incident');
    for (const id of [building.id, waiting.id])
      expect((await platform.call('GET', `/v1/apps/incident/builds/${id}`)).body).toMatchObject({
        state: 'superseded',
        reason: `superseded by rollback ${body.id}`,
        code: 'superseded',
      });
    // The builder that still works on it can do nothing any more.
    const late = await platform.store.end('incident', building.id, {
      state: 'failed',
      claim: building.claim,
    });
    expect(late.state).toBe('superseded');
    const newer = await platform.push('incident', 'FROM e');
    expect((await platform.store.get('incident', newer.id))?.state).toBe('accepted');
  });

  test('waits behind a rollout that is under way, and supersedes one that waits', async () => {
    await app('queued');
    await platform.live('queued', 'FROM a');
    await platform.live('queued', 'FROM b');
    const rolling = await platform.ready('queued', 'FROM c');
    await platform.store.claim('queued', rolling.id, 'rollout', 'a deployer');
    const waiting = await platform.ready('queued', 'FROM d');
    await rollback('queued');
    expect(await states('queued')).toEqual([
      'v5 pending',
      'v4 superseded',
      'v3 pending',
      'v2 live',
      'v1 was live',
    ]);
    expect((await platform.store.get('queued', waiting.id))?.state).toBe('superseded');
    expect((await platform.store.get('queued', rolling.id))?.state).toBe('releasing');
  });

  test('does not need today’s config to be readable', async () => {
    await app('unreadable');
    await platform.live('unreadable', 'FROM a');
    await platform.live('unreadable', 'FROM b');
    await platform.call('PATCH', '/v1/apps/unreadable/config', { body: { A: 'x' } });
    const reveal = platform.ledger.revealConfig;
    platform.ledger.revealConfig = () => {
      throw new Error('sealed with another key');
    };
    const { status } = await rollback('unreadable', { release: 'v1' });
    platform.ledger.revealConfig = reveal;
    expect(status).toBe(202);
  });

  test('goes on when Redis is gone: the reconciler finds it', async () => {
    await app('redisless');
    await platform.live('redisless', 'FROM a');
    await platform.live('redisless', 'FROM b');
    const enqueue = platform.queues.enqueueRollout;
    platform.queues.enqueueRollout = async () => false;
    const { status, body } = await rollback('redisless');
    platform.queues.enqueueRollout = enqueue;
    expect([status, body.state]).toEqual([202, 'ready']);
    expect((await platform.store.open('redisless')).map(({ id }) => id)).toEqual([body.id]);
  });

  test('leaves nothing open when its release cannot be written', async () => {
    await app('broken');
    await platform.live('broken', 'FROM a');
    await platform.live('broken', 'FROM b');
    const append = platform.ledger.appendRelease;
    platform.ledger.appendRelease = () =>
      Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    const { status, body } = await rollback('broken');
    platform.ledger.appendRelease = append;
    expect([status, body.code]).toEqual([507, 'disk_full']);
    expect(await platform.store.open('broken')).toEqual([]);
    expect((await platform.store.list('broken'))[0]).toMatchObject({
      kind: 'rollback',
      state: 'failed',
      reason: 'the disk is full',
      code: 'disk_full',
    });
  });

  test.each(['before', 'after'])(
    'cancelled in the moment %s its release is written, it makes no rollout and closes its release',
    async (moment) => {
      const name = await app(`moment-${moment}`);
      await platform.live(name, 'FROM a');
      await platform.live(name, 'FROM b');
      const jobs = await platform.rollouts();
      const waiting = await platform.ready(name, 'FROM c');
      const append = platform.ledger.appendRelease.bind(platform.ledger);
      platform.ledger.appendRelease = async (of, draft, who) => {
        const cancel = (): Promise<Answer> =>
          platform.call('POST', `/v1/apps/${of}/builds/${draft.deploymentId}/cancel`);
        if (moment === 'before') await cancel();
        const made = await append(of, draft, who);
        if (moment === 'after') await cancel();
        return made;
      };
      const { body } = await rollback(name);
      platform.ledger.appendRelease = append;
      expect(body).toMatchObject({ state: 'cancelled' });
      expect((await releases(name))[0]).toMatchObject({ version: 'v4', state: 'cancelled' });
      // What it would have superseded goes on.
      expect((await platform.store.get(name, waiting.id))?.state).toBe('ready');
      expect(await platform.rollouts()).toEqual(jobs);
    },
  );

  test('of many at once the newest stands', async () => {
    await app('many');
    for (const from of ['a', 'b', 'c']) await platform.live('many', `FROM ${from}`);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => rollback('many', { release: (at % 2) + 1 })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(202));
    const open = await platform.store.open('many');
    expect(open).toHaveLength(1);
    const newest = answers.map(({ body }) => body).sort((a, b) => b.release - a.release)[0];
    expect(open[0]).toMatchObject({ id: newest.id, release: newest.release });
    expect((await states('many')).filter((line) => line.endsWith('pending'))).toHaveLength(1);
  });
});

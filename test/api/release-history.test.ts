/** Differences between releases, marks, and rollbacks of only the code or only the config. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import { git } from '../support/repository.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

const get = (path: string): Promise<Answer> => platform.call('GET', `/v1/apps/${path}`);
const rollback = (app: string, body: object = {}): Promise<Answer> =>
  platform.call('POST', `/v1/apps/${app}/rollback`, { body });

async function setConfig(app: string, changes: object): Promise<void> {
  const { body } = await platform.call('PATCH', `/v1/apps/${app}/config`, { body: changes });
  if (body.build !== undefined) await platform.finish(app, body.build.id, 'live');
}

async function setScale(app: string, scale: object): Promise<void> {
  const { body } = await platform.call('PATCH', `/v1/apps/${app}/formation/scale`, { body: { scale } });
  await platform.finish(app, body.build.id, 'live');
}

async function newest(app: string): Promise<ReleaseWithOutcome> {
  return (await platform.ledger.read(app)).releases.at(-1) ?? expect.unreachable();
}

const reveal = (app: string, { config }: ReleaseWithOutcome): Record<string, string> =>
  platform.ledger.revealConfig(app, config);

describe('the difference between two releases', () => {
  test('names what has changed, and no value', async () => {
    await platform.createApp('differs');
    await platform.live('differs', 'FROM a');
    await setConfig('differs', { KEPT: 'same', GONE: 'hunter2', OTHER: 'one' });
    await setConfig('differs', { KEPT: 'same', GONE: null, OTHER: 'hunter3', NEW: 'hunter4' });
    await setScale('differs', { web: 3 });
    const { status, body, text } = await get('differs/releases/v4/diff?from=v2');
    expect([status, body]).toEqual([
      200,
      {
        from: 'v2',
        to: 'v4',
        config: { added: ['NEW'], removed: ['GONE'], changed: ['OTHER'] },
        processes: [{ type: 'web', from: { type: 'web', scale: 1 }, to: { type: 'web', scale: 3 } }],
      },
    ]);
    expect(text).not.toMatch(/hunter|v1\.[0-9a-f]{8}\./);
    expect((await get('differs/releases/4/diff')).body).toMatchObject({
      from: 'v3',
      config: { added: [], removed: [], changed: [] },
    });
  });

  test('has the subjects of the commits between, those that are new and those that are taken back', async () => {
    await platform.createApp('commits');
    const first = await platform.live('commits', 'FROM a');
    const second = await platform.live('commits', 'FROM b');
    const [from, to] = [first.release.source, second.release.source];
    expect((await get('commits/releases/v2/diff')).body).toMatchObject({
      commit: { from, to },
      image: { from: first.release.image.digest, to: second.release.image.digest },
      commits: {
        added: [{ commit: to, subject: 'a change' }],
        removed: [{ commit: from, subject: 'a change' }],
        more: false,
      },
    });
  });

  test('lists only so many commits, and none that the repository has lost', async () => {
    await platform.createApp('many');
    const gitDir = platform.repositories.path('many');
    const first = await platform.live('many', 'FROM a');
    const env = {
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a',
    };
    let tip = first.release.source;
    for (let n = 1; n <= 52; n += 1)
      tip = await git.text(['commit-tree', `${tip}^{tree}`, '-p', tip, '-m', `change ${n}`], { gitDir, env });
    const { id } = await platform.store.create('many', { kind: 'config', who: 'alice' });
    const { number: _n, createdAt: _at, createdBy: _by, ...draft } = first.release;
    await platform.ledger.appendRelease(
      'many',
      { ...draft, kind: 'config', source: tip, deploymentId: id },
      'alice',
    );
    const { commits } = (await get('many/releases/v2/diff')).body;
    expect([commits.added.length, commits.added[0].subject, commits.removed, commits.more]).toEqual([
      50,
      'change 52',
      [],
      true,
    ]);
    const lost = { ...draft, kind: 'config' as const, source: 'f'.repeat(40), deploymentId: 'b9' };
    await platform.ledger.appendRelease('many', lost, 'alice');
    const { body } = await get('many/releases/v3/diff');
    expect([body.commit.to, body.commits]).toEqual(['f'.repeat(40), undefined]);
  });

  test('is refused for what is no release, and for the first one', async () => {
    await platform.createApp('none');
    await platform.live('none');
    expect((await get('none/releases/v1/diff')).body).toMatchObject({
      code: 'no_release',
      message: 'v1 of none is the first release',
    });
    expect((await get('none/releases/v1/diff?from=v7')).body.message).toBe('none has no release v7');
    expect((await get('none/releases/v1/diff?from=-1')).status).toBe(400);
    expect((await get('none/releases/v1/diff?from=v1')).body).toMatchObject({
      from: 'v1',
      to: 'v1',
      processes: [],
    });
  });
});

describe('a mark', () => {
  const mark = (app: string, release: string, reason: string): Promise<Answer> =>
    platform.call('PUT', `/v1/apps/${app}/releases/${release}/bad`, { body: { reason } });

  test('keeps rollback away from a release until it is taken back', async () => {
    await platform.createApp('marked');
    for (const content of ['FROM a', 'FROM b', 'FROM c']) await platform.live('marked', content);
    const { status, body } = await mark('marked', 'v2', 'loses\norders');
    expect([status, body.bad]).toEqual([
      200,
      { reason: 'loses orders', by: 'admin', at: expect.any(String) },
    ]);
    const named = await rollback('marked', { release: 'v2' });
    expect([named.status, named.body]).toEqual([
      409,
      {
        code: 'release_unusable',
        message: 'v2 of marked is marked bad by admin: loses orders',
        hint: 'choose another one, or all the same: slipway rollback v2 --force -a marked',
      },
    ]);
    const byItself = await rollback('marked');
    expect(await newest('marked')).toMatchObject({ rollbackOf: 1 });
    await platform.finish('marked', byItself.body.id, 'live');
    const forced = await rollback('marked', { release: 'v2', force: true });
    expect(await newest('marked')).toMatchObject({ rollbackOf: 2 });
    await platform.finish('marked', forced.body.id, 'live');
    const log = await git.text(['log', '--format=%s', 'refs/slipway/ledger'], {
      gitDir: platform.repositories.path('marked'),
    });
    expect(log).toContain('v2: bad: loses orders by admin\n');
    const good = await platform.call('DELETE', '/v1/apps/marked/releases/v2/bad');
    expect([good.status, good.body.bad]).toEqual([200, undefined]);
    expect((await rollback('marked', { release: 'v2' })).status).toBe(202);
  });

  test('needs a reason and a release', async () => {
    await platform.createApp('unmarked');
    await platform.live('unmarked');
    expect((await mark('unmarked', 'v1', ' ')).body.message).toContain('reason: must say why');
    expect((await mark('unmarked', 'v1', 'x'.repeat(501))).status).toBe(400);
    expect((await mark('unmarked', 'v4', 'bad')).status).toBe(404);
    expect((await platform.call('DELETE', '/v1/apps/unmarked/releases/v1/bad')).status).toBe(200);
    const forbidden = await platform.call('PUT', '/v1/apps/unmarked/releases/v1/bad', {
      as: 'reader',
      body: { reason: 'x' },
    });
    expect(forbidden.status).toBe(404);
  });
});

describe('a freeze', () => {
  const freeze = (body: object): Promise<Answer> =>
    platform.call('POST', '/v1/apps/frozen/freezes', { body });

  test('is added, replaced, shown, and removed with the others', async () => {
    await platform.createApp('frozen');
    const week = 'Fri 16:00-Mon 08:00';
    await freeze({ week, timeZone: 'Europe/Berlin', reason: 'nobody is here' });
    await freeze({ week, timeZone: 'Europe/Berlin', reason: 'the weekend' });
    const { status, body } = await freeze({ week: 'Sat 00:00-Sat 01:00', reason: 'backups' });
    expect([status, body.freezes]).toEqual([
      200,
      [
        { week, timeZone: 'Europe/Berlin', reason: 'the weekend', by: 'admin', at: expect.any(String) },
        expect.objectContaining({ timeZone: 'UTC', reason: 'backups' }),
      ],
    ]);
    for (const wrong of [
      { week },
      { week, reason: ' ' },
      { week: 'always', reason: 'x' },
      { week, reason: 'x', timeZone: 'Mars' },
    ])
      expect((await freeze(wrong)).status, JSON.stringify(wrong)).toBe(400);
    const gone = await platform.call('DELETE', '/v1/apps/frozen/freezes');
    expect(gone.body).not.toHaveProperty('freezes');
  });
});

describe('a locked app', () => {
  const lock = (app: string, body: object): Promise<Answer> =>
    platform.call('PUT', `/v1/apps/${app}/lock`, { body });

  test('is not changed until it is unlocked, but for a rollback with force', async () => {
    await platform.createApp('locked');
    for (const content of ['FROM a', 'FROM b']) await platform.live('locked', content);
    const locked = await lock('locked', { reason: 'sale' });
    expect([locked.status, locked.body.lock]).toEqual([
      200,
      { reason: 'sale', by: 'admin', at: expect.any(String) },
    ]);
    const before = await platform.ledger.read('locked');
    for (const [method, path, body] of [
      ['POST', 'rollback', {}],
      ['PATCH', 'config', { A: 'b' }],
      ['PATCH', 'formation/scale', { scale: { web: 2 } }],
      ['PATCH', 'formation/resources', { types: ['web'], limits: { cpus: 1 } }],
      ['POST', 'stop', {}],
      ['POST', 'restart', {}],
      ['PATCH', 'domains', { add: ['www.example.com'] }],
      ['DELETE', 'domains', undefined],
      ['POST', 'certs', { certificate: 'a', key: 'b' }],
      ['PATCH', 'certs', { automatic: true }],
      ['DELETE', 'certs/abc', undefined],
      ['DELETE', '?confirm=locked', undefined],
    ] as const) {
      const url = `/v1/apps/locked${path.startsWith('?') ? '' : '/'}${path}`;
      const answer = await platform.call(method, url, { body });
      expect([path, answer.status, answer.body]).toEqual([
        path,
        423,
        {
          code: 'locked',
          message: 'locked is locked by admin: sale',
          hint: `what runs stays as it is until: slipway apps:unlock -a locked${path === 'rollback' ? '; a rollback goes on with --force' : ''}`,
        },
      ]);
    }
    expect(await platform.ledger.read('locked')).toEqual(before);
    expect((await rollback('locked', { force: true })).status).toBe(202);
    const unlocked = await platform.call('DELETE', '/v1/apps/locked/lock');
    expect([unlocked.status, unlocked.body.lock]).toEqual([200, undefined]);
    const { status } = await platform.call('PATCH', '/v1/apps/locked/config', { body: { A: 'b' } });
    expect(status).toBe(202);
    const log = await git.text(['log', '--format=%s', 'refs/slipway/ledger'], {
      gitDir: platform.repositories.path('locked'),
    });
    expect(log).toMatch(/^unlock locked by admin$[\s\S]*^lock locked: sale by admin$/m);
  });

  test('needs a reason', async () => {
    expect((await lock('locked', { reason: '' })).body.message).toContain('reason: must say why');
  });
});

describe('a rollback', () => {
  /** v1: image a, LEVEL=one, web=1. Live: image b, LEVEL=two, web=4. */
  async function changed(app: string): Promise<{ old: ReleaseWithOutcome; now: ReleaseWithOutcome }> {
    await platform.createApp(app);
    await setConfig(app, { LEVEL: 'one' });
    const { release: old } = await platform.live(app, 'FROM a');
    await setConfig(app, { LEVEL: 'two' });
    await setScale(app, { web: 4 });
    await platform.live(app, 'FROM b');
    await setScale(app, { web: 4 }).catch(() => undefined);
    return { old, now: await newest(app) };
  }

  test('brings image, config and scale back, and says what the next deploy will have', async () => {
    const { old } = await changed('whole');
    const { body } = await rollback('whole', { release: 'v1' });
    const made = await newest('whole');
    expect(made).toMatchObject({ image: old.image, processes: [{ type: 'web', scale: 1 }] });
    expect(reveal('whole', made)).toEqual({ LEVEL: 'one' });
    expect((await get(`whole/builds/${body.id}/output`)).text).toBe(
      [
        '-----> Rolling whole back to v1',
        "       with the config vars of v1; the next deploy gets today's: LEVEL",
        "       with the scale and limits of v1; the next deploy gets today's: web",
        '',
      ].join('\n'),
    );
  });

  test('of only the code has the config and scale of today', async () => {
    const { old } = await changed('code');
    const { body } = await rollback('code', { release: 'v1', only: 'code' });
    const made = await newest('code');
    expect(made).toMatchObject({
      image: old.image,
      source: old.source,
      processes: [{ type: 'web', scale: 4 }],
      description: 'rollback to the code of v1',
    });
    expect(reveal('code', made)).toEqual({ LEVEL: 'two' });
    expect((await get(`code/builds/${body.id}/output`)).text).toBe(
      '-----> Rolling code back to the code of v1\n',
    );
  });

  test('brings the checks back that its code had', async () => {
    await platform.createApp('checks');
    const web = { type: 'web', scale: 1 };
    await platform.live('checks', 'FROM a', [{ ...web, checks: [{ path: '/one' }] }]);
    await platform.live('checks', 'FROM b', [{ ...web, checks: [{ log: 'two' }, { uptime: 3 }] }]);
    await setScale('checks', { web: 2 });
    expect((await newest('checks')).processes).toEqual([
      { type: 'web', scale: 2, checks: [{ log: 'two' }, { uptime: 3 }] },
    ]);
    await rollback('checks', { release: 'v1', only: 'code' });
    expect((await newest('checks')).processes).toEqual([
      { type: 'web', scale: 2, checks: [{ path: '/one' }] },
    ]);
    await rollback('checks', { release: 'v1' });
    expect((await newest('checks')).processes).toEqual([{ ...web, checks: [{ path: '/one' }] }]);
  });

  test('of only the code goes past releases that have the same code, and of only the config past the same config', async () => {
    await changed('past');
    await setConfig('past', { LEVEL: 'three' });
    await setScale('past', { web: 5 });
    await rollback('past', { only: 'code' });
    expect((await newest('past')).description).toBe('rollback to the code of v3');
    await rollback('past', { only: 'config' });
    expect((await newest('past')).description).toBe('rollback to the config of v5');
  });

  test('of only the code goes back to what ran by the clock, though the image is the same', async () => {
    await platform.createApp('clock');
    const cron = [{ name: 'nightly', schedule: '0 3 * * *', command: ['tidy'] }];
    const { release } = await platform.live('clock', 'FROM a');
    const { id, claim } = await platform.building('clock', 'FROM a');
    const { number } = await platform.ledger.appendRelease(
      'clock',
      { ...release, cron, deploymentId: id },
      'alice',
    );
    await platform.store.append('clock', id, { type: 'release', at: Date.now(), claim, number });
    await platform.finish('clock', id, 'live');
    await rollback('clock', { only: 'code' });
    expect((await newest('clock')).description).toBe('rollback to the code of v1');
    expect((await newest('clock')).cron).toBeUndefined();
  });

  test('of only the config has the code and scale of today, and leaves pushes alone', async () => {
    const { now } = await changed('vars');
    const waiting = await platform.push('vars', 'FROM c');
    await rollback('vars', { release: 'v1', only: 'config' });
    const made = await newest('vars');
    expect(made).toMatchObject({ image: now.image, source: now.source, processes: now.processes });
    expect(reveal('vars', made)).toEqual({ LEVEL: 'one' });
    expect((await platform.store.get('vars', waiting.id))?.state).toBe('accepted');
  });

  test('of neither the one nor the other is refused', async () => {
    const { status, body } = await rollback('vars', { only: 'scale' });
    expect([status, body.message]).toEqual([
      400,
      'the request is not valid: only: must be "code" or "config"',
    ]);
  });
});

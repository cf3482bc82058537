/** Config vars over the API: what may be in them, and what a change rolls out. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

const change = (app: string, body: unknown): Promise<Answer> =>
  platform.call('PATCH', `/v1/apps/${app}/config`, { body });

const config = async (app: string): Promise<Record<string, string>> =>
  (await platform.call('GET', `/v1/apps/${app}/config`)).body.config;

/** The config of the newest release in plain text. */
async function released(app: string): Promise<Record<string, string>> {
  const { releases } = await platform.ledger.read(app);
  return platform.ledger.revealConfig(app, releases.at(-1)?.config ?? {});
}

describe('values', () => {
  beforeAll(() => platform.createApp('values'));

  test('are kept byte for byte, whatever they hold', async () => {
    const values = {
      LINES: 'one\ntwo\r\n\tthree\n',
      EQUALS: 'a=b=c==',
      EMPTY: '',
      QUOTES: `'"\`$HOME $(id) \\ %s`,
      UNICODE: 'grüße 🚀 \u2028',
      BLANK: ' x ',
      DASH: '--help',
      _: 'x',
      constructor: 'x',
      toString: 'y',
      hasOwnProperty: 'z',
      lower_case1: 'x',
      LARGE: 'x'.repeat(64 * 1024),
    };
    expect((await change('values', values)).status).toBe(200);
    expect(await config('values')).toEqual(values);
    const document = await platform.git.text(['show', 'refs/slipway/ledger:config.json'], {
      gitDir: platform.repositories.path('values'),
    });
    expect(document).not.toContain('three');
    await change('values', Object.fromEntries(Object.keys(values).map((name) => [name, null])));
    expect(await config('values')).toEqual({});
  });

  test('any text without NUL comes back as it was', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 200 }).filter((value) => !value.includes('\0'));
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        await change('values', { ANY: value });
        // A lone surrogate is no text: JSON and UTF-8 make U+FFFD of it.
        expect((await config('values')).ANY).toBe(Buffer.from(value).toString());
      }),
      { numRuns: 15 },
    );
    await change('values', { ANY: null });
  });

  test('that no environment can hold are refused, and none of the request is kept', async () => {
    const wrong: [Record<string, unknown>, number, string, string][] = [
      [{ GOOD: 'x', BAD: 'a\0b' }, 400, 'bad_request', 'the value of BAD holds a NUL'],
      [
        { GOOD: 'x', BAD: 'x'.repeat(65 * 1024) },
        413,
        'too_large',
        'the value of BAD is longer than 65536 bytes',
      ],
      [{ GOOD: 'x', '1BAD': 'x' }, 400, 'invalid_name', '"1BAD" is not a config var'],
      [{ GOOD: 'x', 'A=B': 'x' }, 400, 'invalid_name', '"A=B" is not a config var'],
      [{ GOOD: 'x', 'A B': 'x' }, 400, 'invalid_name', '"A B" is not a config var'],
      [{ GOOD: 'x', '': 'x' }, 400, 'invalid_name', '"" is not a config var'],
      [{ GOOD: 'x', 'A\n': 'x' }, 400, 'invalid_name', '"A\\n" is not a config var'],
      [{ GOOD: 'x', É: 'x' }, 400, 'invalid_name', '"É" is not a config var'],
      [{ GOOD: 'x', ['A'.repeat(129)]: 'x' }, 400, 'invalid_name', 'is not a config var'],
      [{ GOOD: 'x', 'A.B': null }, 400, 'invalid_name', '"A.B" is not a config var'],
      [{ GOOD: 'x', BAD: 5 }, 400, 'bad_request', 'BAD: must be a string, or null'],
      [{ GOOD: 'x', BAD: ['y'] }, 400, 'bad_request', 'BAD: must be a string, or null'],
      [{}, 400, 'bad_request', 'no config var is named'],
    ];
    for (const [body, status, code, message] of wrong) {
      const answer = await change('values', body);
      expect([Object.keys(body).at(-1), answer.status, answer.body.code]).toEqual([
        Object.keys(body).at(-1),
        status,
        code,
      ]);
      expect(answer.body.message).toContain(message);
    }
    const proto = await change('values', '{"GOOD":"x","__proto__":"y"}');
    expect([proto.status, proto.body.code]).toEqual([400, 'bad_request']);
    expect(await config('values')).toEqual({});
  });
});

describe('a change', () => {
  test('before the first deploy is kept for it', async () => {
    await platform.createApp('first');
    const answer = await change('first', { A: '1' });
    expect([answer.status, answer.body]).toEqual([200, { stored: true, live: false }]);
    expect(await platform.store.list('first')).toEqual([]);
    await platform.live('first');
    expect(await released('first')).toEqual({ A: '1' });
  });

  test('makes a release of what is live, with all vars of today', async () => {
    await platform.createApp('live');
    await change('live', { A: '1', B: '2' });
    const { release } = await platform.live('live');
    const answer = await change('live', { B: null, C: '3', D: '4' });
    expect([answer.status, answer.body.build]).toEqual([
      202,
      expect.objectContaining({ kind: 'config', state: 'ready', release: 2 }),
    ]);
    const made = (await platform.ledger.read('live')).releases.at(-1)!;
    expect(made).toMatchObject({
      kind: 'config',
      image: release.image,
      source: release.source,
      description: 'set C, D; unset B',
    });
    expect(await released('live')).toEqual({ A: '1', C: '3', D: '4' });
    expect(await platform.rollouts()).toContain('live');
    const log = await readFile(platform.store.logPath('live', answer.body.build.id), 'utf8');
    expect(log).toBe('-----> Config of live: set C, D; unset B\n');
  });

  test('that changes nothing rolls nothing out; one whose rollout failed is tried again', async () => {
    await platform.createApp('same');
    await change('same', { A: '1' });
    await platform.live('same');
    for (const body of [{ A: '1' }, { ABSENT: null }]) {
      const answer = await change('same', body);
      expect([answer.status, answer.body]).toEqual([200, { stored: true, live: true }]);
    }
    const failed = await change('same', { A: '2' });
    await platform.finish('same', failed.body.build.id, 'failed', 'unhealthy');
    const again = await change('same', { A: '2' });
    expect([again.status, again.body.build?.release]).toEqual([202, 3]);
  });

  test('of many vars is described in a line', async () => {
    await platform.createApp('lots');
    await platform.live('lots');
    const vars = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`VAR_${at}`, 'x']));
    await change('lots', vars);
    expect((await platform.ledger.read('lots')).releases.at(-1)?.description).toBe(
      'set VAR_0, VAR_1, VAR_2, VAR_3, VAR_4 and 295 more',
    );
  });

  test('is made of the release that is on its way, so that it does not take its code back', async () => {
    await platform.createApp('onway');
    const old = await platform.live('onway', 'FROM old');
    const rolling = await platform.ready('onway', 'FROM new');
    const claim = await platform.store.claim('onway', rolling.id, 'rollout', 'a deployer');
    await change('onway', { A: '1' });
    expect((await platform.ledger.read('onway')).releases.at(-1)).toMatchObject({
      kind: 'config',
      image: rolling.release.image,
      source: rolling.release.source,
    });
    // One that is being cancelled is not on its way any more.
    await platform.call('POST', `/v1/apps/onway/builds/${rolling.id}/cancel`);
    await platform.call('POST', '/v1/apps/onway/builds/current/cancel');
    await change('onway', { A: '2' });
    expect((await platform.ledger.read('onway')).releases.at(-1)?.image).toEqual(old.release.image);
    await platform.store.end('onway', rolling.id, { state: 'cancelled', claim: claim!.token });
  });

  test('during the first rollout is rolled out after it', async () => {
    await platform.createApp('firstroll');
    const rolling = await platform.ready('firstroll', 'FROM first');
    const { status, body } = await change('firstroll', { A: '1' });
    expect([status, body.build?.release]).toEqual([202, 2]);
    expect((await platform.ledger.read('firstroll')).releases.at(-1)?.image).toEqual(rolling.release.image);
    // What waited is in it.
    expect(await platform.store.get('firstroll', rolling.id)).toMatchObject({
      state: 'superseded',
      reason: `superseded by config change ${body.build.id}`,
    });
  });

  test('leaves pushes that are not built alone: they get it with their release', async () => {
    await platform.createApp('pushes');
    await platform.live('pushes', 'FROM a');
    const building = await platform.building('pushes', 'FROM b');
    const waiting = await platform.push('pushes', 'FROM c');
    await change('pushes', { A: '1' });
    expect((await platform.store.get('pushes', building.id))?.state).toBe('building');
    expect((await platform.store.get('pushes', waiting.id))?.state).toBe('accepted');
  });

  test('after a rollback keeps the image that it brought back', async () => {
    await platform.createApp('back');
    const first = await platform.live('back', 'FROM a');
    await platform.live('back', 'FROM b');
    const { body } = await platform.call('POST', '/v1/apps/back/rollback');
    await platform.finish('back', body.id, 'live');
    await change('back', { A: '1' });
    expect((await platform.ledger.read('back')).releases.at(-1)?.image).toEqual(first.release.image);
  });

  test('of many at once loses none, and the newest release has them all', async () => {
    await platform.createApp('race');
    await platform.live('race');
    const names = Array.from({ length: 12 }, (_, at) => `VAR_${at}`);
    const answers = await Promise.all(names.map((name) => change('race', { [name]: name })));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(202));
    const all = Object.fromEntries(names.map((name) => [name, name]));
    expect(await config('race')).toEqual(all);
    expect(await released('race')).toEqual(all);
    const open = await platform.store.open('race');
    expect(open.map(({ release }) => release)).toEqual([
      (await platform.ledger.read('race')).releases.at(-1)?.number,
    ]);
  });

  test('at the same time as a rollback stands on what is rolled back to, in either order', async () => {
    await platform.createApp('both');
    const first = await platform.live('both', 'FROM a');
    await platform.live('both', 'FROM b');
    await Promise.all([
      platform.call('POST', '/v1/apps/both/rollback', { body: { release: 'v1' } }),
      change('both', { A: '1' }),
    ]);
    expect((await platform.ledger.read('both')).releases.at(-1)?.image).toEqual(first.release.image);
  });
});

/** Builds over the API: the list, one, its output in parts, and its cancellation in every state. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordSteps } from '../support/step-outcomes.js';
import { Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'empty', 'steps', 'output', 'cancel']) await platform.createApp(app);
});
afterAll(() => platform.stop());

const ids = (body: { builds: { id: string }[] }): string[] => body.builds.map(({ id }) => id);

test('the steps of a build say what was cached and what made the rest run', async () => {
  const { id } = await platform.push('steps', 'FROM steps');
  const path = `/v1/apps/steps/builds/${id}/steps`;
  expect((await platform.call('GET', path)).body).toEqual({
    build: expect.objectContaining({ id, state: 'accepted' }),
    steps: [],
  });
  const step = {
    step: 1,
    total: 1,
    stage: '0',
    text: 'RUN a',
    line: 2,
    result: 'executed',
    reason: 'x',
    ms: 5,
  } as const;
  await recordSteps(platform.store.stepsPath('steps', id), [step]);
  expect((await platform.call('GET', path)).body.steps).toEqual([step]);
  expect((await platform.call('GET', '/v1/apps/steps/builds/none/steps')).status).toBe(404);
  expect((await platform.call('GET', path, { as: 'reader' })).status).toBe(404);
});

describe('the list', () => {
  test('is empty before the first push, and `current` says so', async () => {
    expect((await platform.call('GET', '/v1/apps/empty/builds')).body).toEqual({ builds: [] });
    const answer = await platform.call('GET', '/v1/apps/empty/builds/current');
    expect([answer.status, answer.body]).toEqual([
      404,
      {
        code: 'not_found',
        message: 'empty has no build yet',
        hint: 'push to it, then see: slipway builds -a empty',
      },
    ]);
  });

  test('is newest first, limited, and goes on before an id', async () => {
    const made: string[] = [];
    for (let at = 0; at < 5; at += 1) made.unshift((await platform.push('hello', `FROM ${at}`)).id);
    expect(ids((await platform.call('GET', '/v1/apps/hello/builds')).body)).toEqual(made);
    const first = await platform.call('GET', '/v1/apps/hello/builds?limit=2');
    expect(ids(first.body)).toEqual(made.slice(0, 2));
    const next = await platform.call('GET', `/v1/apps/hello/builds?limit=2&before=${made[1]}`);
    expect(ids(next.body)).toEqual(made.slice(2, 4));
    const last = await platform.call('GET', `/v1/apps/hello/builds?before=${made[3]}`);
    expect(ids(last.body)).toEqual(made.slice(4));
    expect(ids((await platform.call('GET', `/v1/apps/hello/builds?before=${made[4]}`)).body)).toEqual([]);
    expect((await platform.call('GET', '/v1/apps/hello/builds/current')).body.id).toBe(made[0]);
  });

  test('a build is shown with all that is known of it, and without claims', async () => {
    const { id, release } = await platform.live('hello', 'FROM shown');
    const { body, text } = await platform.call('GET', `/v1/apps/hello/builds/${id}`);
    expect(body).toEqual({
      id,
      app: 'hello',
      kind: 'push',
      state: 'live',
      who: 'alice',
      commit: release.source,
      ref: 'refs/heads/main',
      release: 1,
      phases: [],
      acceptedAt: expect.any(String),
      endedAt: expect.any(String),
      durationMs: expect.any(Number),
    });
    expect(text).not.toContain('claim');
  });
});

describe('output', () => {
  test('comes from any offset in parts of 1 MiB, each saying where to go on', async () => {
    const { id } = await platform.building('output');
    const line = `${'0123456789'.repeat(99)}\n`;
    await platform.log('output', id, async (log) => {
      for (let at = 0; at < 2500; at += 1) await log.raw(line);
    });
    const url = `/v1/apps/output/builds/${id}/output`;
    const size = 2500 * (line.length + 7);
    let offset = 0;
    let text = '';
    const parts: number[] = [];
    for (;;) {
      const part = await platform.call('GET', `${url}?offset=${offset}`);
      expect(part.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-build-state': 'building',
      });
      if (part.text === '') break;
      text += part.text;
      parts.push(part.text.length);
      offset = Number(part.headers['x-next-offset']);
    }
    expect(parts).toEqual([1024 * 1024, 1024 * 1024, size - 2 * 1024 * 1024]);
    expect(text).toBe(`       ${line}`.repeat(2500));

    const middle = await platform.call('GET', `${url}?offset=${size - 3}`);
    expect([middle.text, middle.headers['x-next-offset']]).toEqual(['89\n', String(size)]);
    for (const beyond of [size, size + 1, Number.MAX_SAFE_INTEGER]) {
      const answer = await platform.call('GET', `${url}?offset=${beyond}`);
      expect([answer.status, answer.text, answer.headers['x-next-offset']]).toEqual([
        200,
        '',
        String(beyond),
      ]);
    }
  });

  test('an offset that is none is refused', async () => {
    for (const offset of [
      '-1',
      '1.5',
      '0x1',
      'NaN',
      'Infinity',
      '9007199254740993',
      '1e3',
      '%2b1',
      '1&offset=2',
    ]) {
      for (const rest of ['', '/stream']) {
        const answer = await platform.call(
          'GET',
          `/v1/apps/output/builds/current/output${rest}?offset=${offset}`,
        );
        expect([offset, rest, answer.status, answer.body.message]).toEqual([
          offset,
          rest,
          400,
          'offset must be a whole number from 0 to 9007199254740991',
        ]);
      }
    }
  });

  test('is empty before anything was written', async () => {
    const { id } = await platform.push('output', 'FROM silent');
    const answer = await platform.call('GET', `/v1/apps/output/builds/${id}/output`);
    expect([answer.status, answer.text, answer.headers['x-next-offset']]).toEqual([200, '', '0']);
  });
});

describe('cancel', () => {
  const cancel = (id: string): ReturnType<Platform['call']> =>
    platform.call('POST', `/v1/apps/cancel/builds/${id}/cancel`, { as: 'admin' });

  test('a push that waits for a builder ends at once', async () => {
    const { id } = await platform.push('cancel');
    const { status, body } = await cancel(id);
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ id, state: 'cancelled', reason: 'cancelled by admin', code: 'cancelled' }),
    ]);
    expect(await platform.store.open('cancel')).toEqual([]);
  });

  test('one that is being built is asked to end; asking twice changes nothing', async () => {
    const { id, claim } = await platform.building('cancel', 'FROM two');
    for (let at = 0; at < 2; at += 1)
      expect((await cancel(id)).body).toMatchObject({ id, state: 'building', cancelledBy: 'admin' });
    await platform.store.end('cancel', id, { state: 'cancelled', claim });
    expect((await platform.store.get('cancel', id))?.state).toBe('cancelled');
  });

  test('one that waits for its rollout ends at once, and its release with it', async () => {
    const { id, release } = await platform.ready('cancel', 'FROM three');
    expect((await cancel('current')).body).toMatchObject({ id, state: 'cancelled' });
    const { body } = await platform.call('GET', `/v1/apps/cancel/releases/v${release.number}`);
    expect(body).toMatchObject({ state: 'cancelled', reason: 'cancelled by admin' });
  });

  test('one that is rolled out is asked to end', async () => {
    const { id } = await platform.ready('cancel', 'FROM four');
    const claim = await platform.store.claim('cancel', id, 'rollout', 'a deployer');
    expect((await cancel(id)).body).toMatchObject({ state: 'releasing', cancelledBy: 'admin' });
    await platform.store.end('cancel', id, { state: 'failed', claim: claim!.token });
  });

  test.each(['live', 'failed', 'cancelled', 'superseded'] as const)(
    'one that has ended as %s stays as it is',
    async (state) => {
      const { id } = await platform.ready('cancel', `FROM ${state}`);
      await platform.finish('cancel', id, state);
      const answer = await cancel(id);
      expect([answer.status, answer.body]).toEqual([
        409,
        {
          code: 'conflict',
          message: `build ${id} has ended: ${state}`,
          hint: 'nothing of it is under way; see: slipway builds -a cancel',
        },
      ]);
      expect((await platform.store.get('cancel', id))?.state).toBe(state);
    },
  );

  test('ten people at once cancel it once', async () => {
    const { id } = await platform.push('cancel', 'FROM many');
    const answers = await Promise.all(Array.from({ length: 10 }, () => cancel(id)));
    for (const { status } of answers) expect(status).toBeOneOf([200, 409]);
    expect((await platform.store.get('cancel', id))?.state).toBe('cancelled');
  });
});

/** Apps and tokens over the API. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform.stop());

describe('apps', () => {
  test('a new app is shown with where it answers and where to push', async () => {
    const made = await platform.call('POST', '/v1/apps', { as: 'alice', body: { name: 'hello' } });
    expect([made.status, made.body]).toEqual([
      201,
      {
        name: 'hello',
        url: 'http://hello.localhost:8080',
        gitUrl: 'http://slipway.test:7070/git/hello.git',
        deployBranch: 'main',
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        createdBy: 'alice',
      },
    ]);
    expect((await platform.call('GET', '/v1/apps/hello', { as: 'reader' })).body).toEqual(made.body);
  });

  test('the live release is shown with the app', async () => {
    await platform.createApp('shop');
    const { release } = await platform.live('shop');
    const { body } = await platform.call('GET', '/v1/apps/shop');
    expect(body.release).toMatchObject({ version: 'v1', state: 'live', image: release.image });
    expect(JSON.stringify(body)).not.toContain('deploymentId');
  });

  test('a name is taken once, also by two at the same moment', async () => {
    const again = await platform.call('POST', '/v1/apps', { body: { name: 'hello' } });
    expect([again.status, again.body]).toEqual([
      409,
      { code: 'conflict', message: 'the app hello exists already', hint: 'choose another name' },
    ]);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => platform.call('POST', '/v1/apps', { body: { name: 'race' } })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });

  test('only a token that may create apps creates those that it names, and learns nothing of others', async () => {
    await platform.createApp('hidden');
    for (const [as, name] of [
      ['reader', 'hello'],
      ['reader', 'fresh'],
      ['alice', 'hidden'],
      ['alice', 'fresh'],
    ] as const) {
      const answer = await platform.call('POST', '/v1/apps', { as, body: { name } });
      expect([as, name, answer.status, answer.body]).toEqual([
        as,
        name,
        403,
        {
          code: 'forbidden',
          message: `this token may not create the app ${name}`,
          hint: 'ask the operator of this platform for one that may',
        },
      ]);
    }
    expect(await platform.ledger.appExists('fresh')).toBe(false);
  });

  test('the list is sorted and leaves out an app that goes while it is made', async () => {
    await platform.createApp('leaving');
    const read = platform.ledger.read.bind(platform.ledger);
    platform.ledger.read = async (app) => {
      if (app === 'leaving' && (await platform.ledger.appExists(app)))
        await platform.ledger.destroyApp('leaving', 'alice');
      return read(app);
    };
    const { status, body } = await platform.call('GET', '/v1/apps');
    platform.ledger.read = read;
    expect(status).toBe(200);
    expect(body.apps.map(({ name }: { name: string }) => name)).toEqual(['hello', 'hidden', 'race', 'shop']);
  });
});

describe('tokens', () => {
  test('an admin makes one, it works at once, is listed without its secret, and is revoked', async () => {
    const made = await platform.call('POST', '/v1/tokens', {
      body: { name: 'ci', apps: ['hello'], mayCreateApps: false },
    });
    expect([made.status, made.body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[0-9a-f]{12}$/),
        token: expect.stringMatching(/^slipway_/),
        name: 'ci',
        apps: ['hello'],
        admin: false,
        mayCreateApps: false,
      },
    ]);
    const headers = { authorization: `Bearer ${made.body.token}` };
    const whoami = (): Promise<{ status: number; body: unknown }> =>
      platform.call('GET', '/v1/whoami', { as: 'nobody', headers });
    expect((await whoami()).body).toEqual({
      name: 'ci',
      admin: false,
      mayCreateApps: false,
      apps: ['hello'],
    });

    const listed = await platform.call('GET', '/v1/tokens');
    expect(listed.body.tokens.find(({ id }: { id: string }) => id === made.body.id)).toEqual({
      id: made.body.id,
      name: 'ci',
      apps: ['hello'],
      admin: false,
      mayCreateApps: false,
      createdAt: expect.any(String),
      createdBy: 'admin',
      usedAt: expect.any(String),
    });
    expect(listed.text).not.toContain(made.body.token.slice(-43));
    expect(listed.text).not.toContain('hash');

    const revoked = await platform.call('DELETE', `/v1/tokens/${made.body.id}`);
    expect([revoked.status, revoked.body]).toEqual([200, { id: made.body.id, revoked: true }]);
    expect((await whoami()).status).toBe(401);
    expect((await platform.call('DELETE', `/v1/tokens/${made.body.id}`)).status).toBe(200);
  });

  test('an admin token may do everything, whatever else is asked for', async () => {
    const { body } = await platform.call('POST', '/v1/tokens', {
      body: { name: 'root@home', apps: ['hello'], admin: true },
    });
    expect(body).toMatchObject({ apps: '*', admin: true, mayCreateApps: true });
  });

  test('a machine sees, makes and revokes none', async () => {
    const idsOf = ({ body }: Answer): string[] => body.tokens.map(({ id }: { id: string }) => id);
    const before = await platform.call('GET', '/v1/tokens');
    expect((await platform.call('GET', '/v1/tokens', { as: 'alice' })).body).toEqual({ tokens: [] });
    for (const [method, url, sent, code] of [
      ['POST', '/v1/tokens', { name: 'x', apps: '*', admin: true }, 'forbidden'],
      ['POST', '/v1/tokens', {}, 'forbidden'],
      ['DELETE', `/v1/tokens/${idsOf(before)[0]}`, undefined, 'not_found'],
      ['DELETE', '/v1/tokens/absent', undefined, 'not_found'],
    ] as const) {
      const answer = await platform.call(method, url, { as: 'alice', body: sent });
      expect([method, url, answer.body.code]).toEqual([method, url, code]);
    }
    const after = await platform.call('GET', '/v1/tokens');
    expect(after.body.tokens.map(stateOf)).toEqual(before.body.tokens.map(stateOf));
  });

  test('wrong scopes are refused', async () => {
    const wrong = [
      { name: 'x', apps: ['../etc'] },
      { name: 'x', apps: ['Hello'] },
      { name: 'x', apps: [] },
      { name: 'x', apps: 'hello' },
      { name: 'x', apps: Array.from({ length: 101 }, (_, at) => `a${at}`) },
      { name: '', apps: '*' },
      { name: 'a b', apps: '*' },
      { name: 'x\n', apps: '*' },
      { name: 'x'.repeat(65), apps: '*' },
      { name: 'x', apps: '*', admin: 'yes' },
      { name: 'x' },
      { apps: '*' },
    ];
    for (const body of wrong) {
      const answer = await platform.call('POST', '/v1/tokens', { body });
      expect([body, answer.status]).toEqual([body, 400]);
      expect(answer.body.message).toBeTruthy();
    }
  });

  test('a token that is not there is not found', async () => {
    const answer = await platform.call('DELETE', `/v1/tokens/${randomUUID().slice(-12)}`);
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
  });
});

/** But when it was used last, which is now. */
function stateOf({ usedAt: _usedAt, ...token }: { readonly usedAt?: string }): object {
  return token;
}

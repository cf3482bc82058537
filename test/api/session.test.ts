/** The web page's session: a cookie that no script can read, and that changes nothing for who is not the page. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionCookie, takeSession } from '../../src/api/session-cookie.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;
const PAGE = { 'x-slipway-page': '1' };

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
  await platform.createApp('secret');
});
afterAll(() => platform.stop());

function signIn(token: string, headers: Record<string, string> = PAGE): Promise<Answer> {
  return platform.call('POST', '/session', { as: 'nobody', body: { token }, headers });
}

function cookieOf(answer: Answer): string {
  return String(answer.headers['set-cookie']).split(';')[0] ?? '';
}

describe('signing in', () => {
  test('answers with who one is, and a cookie for this host, this site and no script', async () => {
    const answer = await signIn(` ${platform.token('reader')}\n`);
    expect([answer.status, answer.body]).toEqual([200, { signedIn: 'reader' }]);
    expect(answer.headers['set-cookie']).toMatch(
      /^slipway=slipway_[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/,
    );
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test.each(['wrong', 'revoked'] as const)('with a token that is %s gives no cookie', async (which) => {
    const answer = await signIn(platform.token(which));
    expect([answer.status, answer.body.code]).toEqual([401, 'unauthorized']);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  test('is for the page only: another site could sign somebody in as somebody else', async () => {
    const answer = await signIn(platform.token('reader'), {});
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  test('refuses what is not a token in JSON', async () => {
    for (const body of ['{', '[]', '{"token":1}', `{"token":"${'x'.repeat(300)}"}`, '{}']) {
      const answer = await platform.call('POST', '/session', { as: 'nobody', body, headers: PAGE });
      expect([body.slice(0, 20), answer.status]).toEqual([body.slice(0, 20), 400]);
    }
  });
});

describe('the cookie', () => {
  test('counts like the token that it holds, with its rights', async () => {
    const cookie = cookieOf(await signIn(platform.token('reader')));
    const ask = (path: string): Promise<Answer> =>
      platform.call('GET', path, { as: 'nobody', headers: { cookie: `theme=dark; ${cookie}; x=y` } });
    expect((await ask('/v1/apps/hello')).status).toBe(200);
    expect((await ask('/v1/apps/secret')).status).toBe(404);
    expect((await ask('/v1/hosts')).status).toBe(403);
  });

  test('changes nothing without the header that only the page can send', async () => {
    const cookie = cookieOf(await signIn(platform.token('admin')));
    const changes: [string, string, unknown][] = [
      ['POST', '/v1/apps', { name: 'made' }],
      ['PUT', '/v1/apps/hello/lock', { reason: 'no' }],
      ['PATCH', '/v1/apps/hello/config', { A: 'b' }],
      ['DELETE', '/v1/apps/hello?confirm=hello', undefined],
    ];
    for (const [method, path, body] of changes) {
      const answer = await platform.call(method, path, { as: 'nobody', body, headers: { cookie } });
      expect([method, answer.status, answer.body.code]).toEqual([method, 403, 'forbidden']);
    }
    expect(await platform.ledger.listApps()).toEqual(['hello', 'secret']);
    const asPage = await platform.call('PATCH', '/v1/apps/hello/config', {
      as: 'nobody',
      body: { A: 'b' },
      headers: { cookie, ...PAGE },
    });
    expect(asPage.status).toBe(200);
  });

  test('opens no connection to a command without it', async () => {
    const cookie = cookieOf(await signIn(platform.token('admin')));
    const answer = await platform.call('GET', '/v1/apps/hello/run', {
      as: 'nobody',
      headers: { cookie, connection: 'Upgrade', upgrade: 'slipway-attach' },
    });
    expect(answer.status).toBe(403);
  });

  test('counts no more once its token is revoked', async () => {
    const { tokens } = platform.platform;
    const scopes = {
      name: 'leaver',
      apps: '*',
      admin: false,
      mayCreateApps: false,
      who: 'the operator',
    } as const;
    const { token, id } = await tokens.create(scopes);
    const cookie = cookieOf(await signIn(token));
    await tokens.revoke(id, 'the operator');
    const answer = await platform.call('GET', '/v1/whoami', { as: 'nobody', headers: { cookie } });
    expect(answer.status).toBe(401);
  });

  test('does not help a wrong authorization header', async () => {
    const cookie = cookieOf(await signIn(platform.token('admin')));
    const answer = await platform.call('GET', '/v1/whoami', { as: 'wrong', headers: { cookie } });
    expect(answer.status).toBe(401);
  });

  test('is taken away by signing out', async () => {
    const answer = await platform.call('DELETE', '/session', { as: 'nobody', headers: PAGE });
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toMatch(/^slipway=; Path=\/; Max-Age=0; HttpOnly; SameSite=Strict$/);
  });

  test('of a platform with HTTPS goes over HTTPS only, and none from a host below the domain counts', () => {
    const config = { publicUrl: 'https://slipway.example.com' };
    expect(sessionCookie(config, 'T', 60)).toBe(
      '__Host-slipway=T; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure',
    );
    const request = { method: 'GET', headers: { cookie: 'slipway=evil' } };
    takeSession(config, request);
    expect(request.headers).not.toHaveProperty('authorization');
  });
});

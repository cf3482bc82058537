/** Who may ask for what: every route, every kind of token, and what an app looks like to those who may not use it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Platform, type Who } from './support/platform.js';

let platform: Platform;
let build: string;

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'secret']) await platform.createApp(app);
  await platform.live('hello', 'FROM one');
  build = (await platform.live('hello', 'FROM two')).id;
  await platform.live('secret', 'FROM one');
});
afterAll(() => platform.stop());

/** The route with its parameters filled in. */
function path(route: string, app = 'hello'): string {
  const url = route.split(' ')[1] ?? '';
  return url.replace(':app', app).replace(':id', build).replace(':release', 'v1');
}

const methodOf = (route: string): string => route.split(' ')[0] ?? '';

function apiRoutes(): string[] {
  // The document of the API is everybody's.
  return platform.routes.filter((route) => route.includes(' /v1/') && !route.endsWith('/openapi.json'));
}

describe('tokens', () => {
  test('every route below /v1 answers 401 without a valid token, and says how to get one', async () => {
    const routes = apiRoutes();
    expect(routes.length).toBeGreaterThan(20);
    for (const route of routes) {
      for (const as of ['nobody', 'wrong', 'revoked'] satisfies Who[]) {
        const answer = await platform.call(methodOf(route), path(route), { as });
        expect([route, as, answer.status]).toEqual([route, as, 401]);
        expect(answer.headers['www-authenticate']).toBe('Bearer realm="Slipway"');
        if (methodOf(route) === 'HEAD') continue;
        expect(answer.body).toEqual({
          code: 'unauthorized',
          message: 'the token is missing, wrong or revoked',
          hint: 'slipway login URL',
        });
      }
    }
    // None of them did anything.
    expect(await platform.ledger.listApps()).toEqual(['hello', 'secret']);
    expect(await platform.store.open('hello')).toEqual([]);
  });

  test('a token counts only as `Bearer TOKEN`', async () => {
    const token = platform.token('admin');
    const headers = [
      token,
      `bearer`,
      'Bearer ',
      `Bearer  ${token}`,
      `Basic ${token}`,
      `Basic ${Buffer.from(`slipway:${token}`).toString('base64')}`,
      `Bearer ${token.toUpperCase()}`,
      `Bearer ${token.slice(0, -1)}`,
      'Bearer slipway_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'Bearer __proto__',
    ];
    for (const authorization of headers) {
      const answer = await platform.call('GET', '/v1/whoami', { as: 'nobody', headers: { authorization } });
      expect([authorization, answer.status]).toEqual([authorization, 401]);
    }
    const answer = await platform.call('GET', `/v1/whoami?token=${token}`, { as: 'nobody' });
    expect(answer.status).toBe(401);
    const lower = await platform.call('GET', '/v1/whoami', {
      as: 'nobody',
      headers: { authorization: `bearer ${token}` },
    });
    expect(lower.body).toEqual({ name: 'admin', admin: true, mayCreateApps: true, apps: '*' });
  });

  test('health needs no token, and unknown paths say so in JSON', async () => {
    expect((await platform.call('GET', '/healthz', { as: 'nobody' })).body).toEqual({ status: 'ok' });
    for (const url of ['/', '/v1', '/v1/nothing', '/v2/apps', '/v1/apps/hello/secrets', '//v1/apps']) {
      const answer = await platform.call('GET', url, { as: 'nobody' });
      expect([url, answer.status, answer.body]).toEqual([
        url,
        404,
        { code: 'not_found', message: `there is nothing at GET ${url}` },
      ]);
    }
    const answer = await platform.call('PUT', '/v1/apps/hello?x=<script>');
    expect(answer.body.message).toBe('there is nothing at PUT /v1/apps/hello');
  });

  test('answers are not to be cached or guessed at', async () => {
    const answer = await platform.call('GET', '/v1/apps/hello/config');
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });
});

describe('apps of others', () => {
  const routes = (): string[] => apiRoutes().filter((route) => route.includes('/:app'));

  test('an app that is not there and one that the token may not use look the same on every route', async () => {
    expect(routes().length).toBeGreaterThan(12);
    for (const route of routes()) {
      const ask = async (app: string): Promise<unknown> => {
        const { status, headers, text } = await platform.call(methodOf(route), path(route, app), {
          as: 'reader',
          ...(['POST', 'PATCH', 'PUT'].includes(methodOf(route)) ? { body: { A: 'b' } } : {}),
        });
        const { date, 'content-length': _length, ...rest } = headers;
        return { status, rest, text: text.replaceAll(app, 'APP').replace(/urn:uuid:[0-9a-f-]{36}/, 'ID') };
      };
      const forbidden = await ask('secret');
      expect([route, forbidden]).toEqual([route, await ask('absent')]);
      expect(forbidden).toMatchObject({ status: 404 });
    }
    expect((await platform.ledger.read('secret')).config).toEqual({});
  });

  test('a token of one app sees only that app in the list', async () => {
    const { body } = await platform.call('GET', '/v1/apps', { as: 'reader' });
    expect(body.apps.map(({ name }: { name: string }) => name)).toEqual(['hello']);
  });

  test('the build of another app is not found under one that the token may use', async () => {
    const foreign = (await platform.store.list('secret'))[0]!.id;
    for (const rest of ['', '/output', '/output/stream', '/cancel']) {
      const method = rest === '/cancel' ? 'POST' : 'GET';
      const answer = await platform.call(method, `/v1/apps/hello/builds/${foreign}${rest}`, { as: 'reader' });
      expect([rest, answer.status, answer.body]).toEqual([
        rest,
        404,
        {
          code: 'not_found',
          message: `hello has no build "${foreign}"`,
          hint: 'see: slipway builds -a hello',
        },
      ]);
    }
  });
});

describe('hostile names', () => {
  const NAMES = [
    '..',
    '.',
    '...',
    '../hello',
    'hello/..',
    '..%2fsecret',
    '..%2f..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    '%2e%2e%2fplatform',
    'hello%00',
    'hello%0a',
    'hello.git',
    'HELLO',
    'hello%20',
    '%20hello',
    '-hello',
    '--help',
    '-C',
    'hello;rm',
    '$(id)',
    '`id`',
    'hello--x',
    '.trash',
    '.open',
    '__proto__',
    'constructor',
    'toString',
    'current',
    'api',
    'git',
    'h%C3%A9llo',
    '%F0%9F%92%A3',
    '%ff',
    '%zz',
    '%',
    'a'.repeat(41),
    'a'.repeat(200),
    'a'.repeat(5000),
    '<script>alert(1)</script>',
    '[]',
    '{}',
    'null',
  ];

  test('as an app: 400 or 404 in JSON on every route, whatever the name', async () => {
    for (const route of apiRoutes().filter((each) => each.includes('/:app') && !each.startsWith('HEAD'))) {
      for (const name of NAMES) {
        // A client resolves `..` by itself, and asks for /v1/events.
        const { pathname } = new URL(path(route, name).slice(0, 1000), 'http://x');
        if (pathname === '/v1/events') continue;
        const answer = await platform.call(methodOf(route), path(route, name));
        expect([route, name, answer.status]).toEqual([route, name, expect.toBeOneOf([400, 404])]);
        expect([name, Object.keys(answer.body)]).toEqual([name, expect.arrayContaining(['code', 'message'])]);
        expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
        expect(answer.text.length).toBeLessThan(800);
      }
    }
  });

  test('as a build, a release or a token: the same', async () => {
    for (const name of NAMES.filter((each) => each !== 'current')) {
      const asks: [string, string][] = [
        ['GET', `/v1/apps/hello/builds/${name}`],
        ['GET', `/v1/apps/hello/builds/${name}/output`],
        ['GET', `/v1/apps/hello/builds/${name}/output/stream`],
        ['POST', `/v1/apps/hello/builds/${name}/cancel`],
        ['GET', `/v1/apps/hello/releases/${name}`],
        ['DELETE', `/v1/tokens/${name}`],
      ];
      for (const [method, url] of asks) {
        const answer = await platform.call(method, url);
        expect([method, url, answer.status]).toEqual([method, url, expect.toBeOneOf([400, 404])]);
        expect(answer.body).toMatchObject({ code: expect.any(String), message: expect.any(String) });
      }
    }
  });

  test('as the name of a new app: refused with the rule', async () => {
    for (const name of NAMES.map(decoded).filter(
      (each) => !['current', 'constructor', 'null'].includes(each),
    )) {
      const answer = await platform.call('POST', '/v1/apps', { body: { name } });
      expect([name, answer.status, answer.body.code]).toEqual([name, 400, 'invalid_name']);
      expect(answer.body.hint).toBeTruthy();
    }
    expect(await platform.ledger.listApps()).toEqual(['hello', 'secret']);
  });

  function decoded(name: string): string {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  }
});

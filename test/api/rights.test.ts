/** Who may do what: the table of routes, by every role, in a platform with users. Nothing is reachable that is not named. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RouteDescription } from '../../src/api/route.js';
import { type Action, ADMINISTRATOR, allows, ROLES, type Role } from '../../src/model/access.js';
import { type Answer, Platform } from './support/platform.js';

/** Whoever may ask: by what they are of the app hello. */
type Caller =
  | typeof ADMINISTRATOR
  | Role
  | 'user'
  | 'viewer token'
  | 'machine'
  | 'nobody'
  | 'wrong'
  | 'expired';

let platform: Platform;
const tokens = new Map<Caller, string>();

beforeAll(async () => {
  platform = await Platform.start();
  for (const app of ['hello', 'secret']) await platform.createApp(app);
  await platform.live('hello');
  const { people, tokens: all } = platform.platform;
  const whole = { apps: '*', admin: false, mayCreateApps: false, who: 'op' } as const;
  for (const name of [ADMINISTRATOR, ...ROLES, 'user'] as const) {
    await people.addUser(name, { administrator: name === ADMINISTRATOR, mayCreateApps: false }, 'op');
    tokens.set(name, (await all.create({ ...whole, name, ofUser: true })).token);
  }
  for (const role of ROLES) await people.setRole('hello', role, role, 'op');
  await people.setRole('secret', 'user', 'admin', 'op');
  const viewerToken = { ...whole, name: 'admin', ofUser: true, role: 'viewer' } as const;
  tokens.set('viewer token', (await all.create(viewerToken)).token);
  tokens.set('machine', (await all.create({ ...whole, name: 'ci', apps: ['hello'] })).token);
  const expiresAt = new Date(0).toISOString();
  const expired = { ...whole, name: ADMINISTRATOR, ofUser: true, expiresAt } as const;
  tokens.set('expired', (await all.create(expired)).token);
  tokens.set('wrong', `${tokens.get(ADMINISTRATOR)?.slice(0, -2)}xx`);
});
afterAll(() => platform.stop());

/** What they are in the words of the model; undefined: nothing. */
const ROLE_OF: Readonly<Record<Caller, Role | typeof ADMINISTRATOR | undefined>> = {
  administrator: ADMINISTRATOR,
  admin: 'admin',
  developer: 'developer',
  viewer: 'viewer',
  user: undefined,
  'viewer token': 'viewer',
  machine: 'developer',
  nobody: undefined,
  wrong: undefined,
  expired: undefined,
};
const STRANGERS: readonly Caller[] = ['nobody', 'wrong', 'expired'];
const CALLERS = Object.keys(ROLE_OF) as Caller[];

function ask(as: Caller, method: string, url: string): Promise<Answer> {
  const token = tokens.get(as);
  const hasBody = !['GET', 'HEAD'].includes(method);
  return platform.call(method, url, {
    as: 'nobody',
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    // Who may, is told that this is no JSON before anything is done.
    ...(hasBody ? { body: '{' } : {}),
  });
}

function urlOf({ path }: RouteDescription, app: string): string {
  return `/v1${path}`.replace(':app', app).replaceAll(/:\w+/g, 'x');
}

/** What is to come of it, of the description alone. */
function expected(as: Caller, { method, access, path }: RouteDescription): string {
  if (access === 'public') return 'reached';
  if (STRANGERS.includes(as)) return '401 unauthorized';
  const role = ROLE_OF[as];
  if (path.includes(':app') && role === undefined) return '404 no such app';
  if (access !== 'self' && (role === undefined || !allows(role, access as Action))) return '403 forbidden';
  return ['GET', 'HEAD'].includes(method) ? 'reached' : '400 bad_request';
}

function outcome({ status, body }: Answer): string {
  if (status === 404 && String(body?.detail ?? body?.message).includes('that you may use'))
    return '404 no such app';
  if (body?.code === 'unauthorized' || body?.code === 'forbidden') return `${status} ${body.code}`;
  if (status === 400 && /JSON/.test(JSON.stringify(body))) return '400 bad_request';
  return 'reached';
}

describe('the table of routes', () => {
  test('every route, by everybody: what its description says, and nothing else', async () => {
    expect(platform.described.length).toBeGreaterThan(60);
    const found: string[] = [];
    const right: string[] = [];
    for (const route of platform.described) {
      for (const as of CALLERS) {
        const line = `${route.method} ${route.path} by ${as}: `;
        found.push(line + outcome(await ask(as, route.method, urlOf(route, 'hello'))));
        right.push(line + expected(as, route));
      }
    }
    expect(found).toEqual(right);
    // Nothing was done by it.
    expect(await platform.ledger.listApps()).toEqual(['hello', 'secret']);
    expect(await platform.store.open('hello')).toEqual([]);
  });

  test('an app of others and one that is not there answer the same to everybody', async () => {
    for (const route of platform.described.filter(({ path }) => path.includes(':app'))) {
      for (const as of ROLES) {
        const [foreign, absent] = [
          await ask(as, route.method, urlOf(route, 'secret')),
          await ask(as, route.method, urlOf(route, 'absent')),
        ];
        expect([route.path, as, foreign.status]).toEqual([route.path, as, 404]);
        const shown = ({ text }: Answer, app: string): string =>
          text.replaceAll(app, 'APP').replace(/urn:uuid:[0-9a-f-]+/, 'ID');
        expect(shown(foreign, 'secret')).toBe(shown(absent, 'absent'));
      }
    }
  });

  test('is all that there is: every path besides, by every method, is nothing or needs no token', async () => {
    const named = new Set(platform.described.map(({ method, path }) => `${method} /v1${path}`));
    const others = platform.routes.filter((route) => !named.has(route) && !route.startsWith('HEAD /v1/'));
    expect(others.filter((route) => route.includes(' /v1'))).toEqual([]);
    for (const route of platform.described)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (named.has(`${method} /v1${route.path}`)) continue;
        const answer = await platform.call(method, urlOf(route, 'hello'));
        expect([method, route.path, answer.status]).toEqual([method, route.path, 404]);
      }
  });
});

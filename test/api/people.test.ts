/** Users, roles, keys and tokens, as those meet them who have them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeSshKey } from '../support/ssh-keys.js';
import { type Answer, Platform } from './support/platform.js';

let platform: Platform;
/** By user. */
const tokens = new Map<string, string>();

beforeAll(async () => {
  platform = await Platform.start();
  await platform.createApp('hello');
});
afterAll(() => platform.stop());

/** As a user, or with a token, or as the machine `admin` when it is not said. */
function call(method: string, path: string, body?: unknown, as?: string): Promise<Answer> {
  const token = as === undefined ? platform.token('admin') : (tokens.get(as) ?? as);
  return platform.call(method, path, {
    as: 'nobody',
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body }),
  });
}

async function addUser(name: string, rights: object = {}): Promise<void> {
  await call('DELETE', `/v1/users/${name}`);
  expect((await call('POST', '/v1/users', { name, ...rights })).status).toBe(201);
  const { body } = await call('POST', '/v1/tokens', { name });
  tokens.set(name, body.token);
}

beforeEach(async () => {
  for (const name of ['root', 'anna', 'dave', 'eve'])
    await addUser(name, { administrator: name === 'root', mayCreateApps: name === 'anna' });
  await call('PUT', '/v1/apps/hello/access/anna', { role: 'admin' });
  await call('PUT', '/v1/apps/hello/access/dave', { role: 'developer' });
});

describe('users', () => {
  test('are listed with rights and roles, added once, changed and removed', async () => {
    const { body } = await call('GET', '/v1/users', undefined, 'root');
    expect(body.users).toMatchObject([
      { name: 'anna', administrator: false, mayCreateApps: true, roles: { hello: 'admin' } },
      { name: 'dave', roles: { hello: 'developer' } },
      { name: 'eve', roles: {} },
      { name: 'root', administrator: true, addedBy: 'admin' },
    ]);
    expect((await call('POST', '/v1/users', { name: 'eve' }, 'root')).body.code).toBe('conflict');
    expect((await call('POST', '/v1/users', { name: '../x' }, 'root')).body.code).toBe('invalid_name');
    const changed = await call('PATCH', '/v1/users/eve', { mayCreateApps: true }, 'root');
    expect(changed.body).toMatchObject({ name: 'eve', administrator: false, mayCreateApps: true });
    expect((await call('DELETE', '/v1/users/eve', undefined, 'root')).body).toEqual({
      name: 'eve',
      removed: true,
    });
    expect((await call('GET', '/v1/whoami', undefined, 'eve')).status).toBe(401);
    expect((await call('DELETE', '/v1/users/eve', undefined, 'root')).status).toBe(404);
  });

  test('say who they are, with the apps that they have', async () => {
    expect((await call('GET', '/v1/whoami', undefined, 'dave')).body).toEqual({
      name: 'dave',
      user: 'dave',
      admin: false,
      mayCreateApps: false,
      apps: ['hello'],
    });
    expect((await call('GET', '/v1/whoami', undefined, 'root')).body).toMatchObject({
      admin: true,
      apps: '*',
    });
  });

  test('who create an app are its admin, and of an app of that name that was before nobody is left', async () => {
    expect((await call('POST', '/v1/apps', { name: 'shop' }, 'dave')).status).toBe(403);
    expect((await call('POST', '/v1/apps', { name: 'shop' }, 'anna')).status).toBe(201);
    await call('PUT', '/v1/apps/shop/access/eve', { role: 'developer' }, 'anna');
    expect((await call('DELETE', '/v1/apps/shop?confirm=shop', undefined, 'anna')).status).toBe(200);
    await call('POST', '/v1/apps', { name: 'shop' }, 'root');
    for (const name of ['anna', 'eve'])
      expect((await call('GET', '/v1/apps/shop', undefined, name)).status).toBe(404);
    await call('DELETE', '/v1/apps/shop?confirm=shop', undefined, 'root');
  });
});

describe('roles', () => {
  test('are given and taken away by the app’s admins', async () => {
    const give = (as: string, user: string, role: string): Promise<Answer> =>
      call('PUT', `/v1/apps/hello/access/${user}`, { role }, as);
    expect((await give('dave', 'eve', 'viewer')).status).toBe(403);
    expect((await give('anna', 'eve', 'viewer')).body).toEqual({ user: 'eve', role: 'viewer' });
    expect((await give('anna', 'nobody-there', 'viewer')).status).toBe(404);
    expect((await give('anna', 'eve', 'owner')).body.code).toBe('bad_request');
    const { body } = await call('GET', '/v1/apps/hello/access', undefined, 'eve');
    expect(body.members).toEqual([
      { user: 'anna', role: 'admin' },
      { user: 'dave', role: 'developer' },
      { user: 'eve', role: 'viewer' },
    ]);
    // A viewer sees what runs, and no secrets.
    expect((await call('GET', '/v1/apps/hello/releases', undefined, 'eve')).status).toBe(200);
    expect((await call('GET', '/v1/apps/hello/config', undefined, 'eve')).status).toBe(403);
    expect((await call('DELETE', '/v1/apps/hello/access/eve', undefined, 'anna')).status).toBe(200);
    expect((await call('GET', '/v1/apps/hello', undefined, 'eve')).status).toBe(404);
    expect((await call('DELETE', '/v1/apps/hello/access/eve', undefined, 'anna')).status).toBe(404);
  });
});

describe('SSH keys', () => {
  test('are one’s own: added, listed and removed', async () => {
    const { line, fingerprint } = await makeSshKey();
    const added = await call('POST', '/v1/keys', { key: line }, 'dave');
    expect([added.status, added.body]).toMatchObject([
      201,
      { fingerprint, user: 'dave', comment: 'alice@laptop' },
    ]);
    expect((await call('GET', '/v1/keys', undefined, 'dave')).body.keys).toHaveLength(1);
    expect((await call('GET', '/v1/keys', undefined, 'eve')).body.keys).toEqual([]);
    expect((await call('POST', '/v1/keys', { key: line }, 'eve')).body.code).toBe('conflict');
    const path = `/v1/keys/${encodeURIComponent(fingerprint)}`;
    expect((await call('DELETE', path, undefined, 'eve')).status).toBe(404);
    expect((await call('DELETE', path, undefined, 'dave')).body).toEqual({ fingerprint, removed: true });
  });

  test('of others are for administrators', async () => {
    const { line, fingerprint } = await makeSshKey();
    expect((await call('POST', '/v1/keys', { key: line, user: 'eve' }, 'dave')).status).toBe(403);
    expect((await call('POST', '/v1/keys', { key: line, user: 'eve' }, 'root')).body.user).toBe('eve');
    expect((await call('GET', '/v1/keys', undefined, 'root')).body.keys).toMatchObject([{ fingerprint }]);
    // A machine is no user, and has no key of its own.
    expect((await call('POST', '/v1/keys', { key: line })).body.code).toBe('bad_request');
  });

  test('that are none are told apart', async () => {
    const answer = await call('POST', '/v1/keys', { key: 'ssh-dss AAAA' }, 'dave');
    expect([answer.status, answer.body]).toMatchObject([400, { code: 'bad_request', where: 'SSH key' }]);
  });
});

describe('tokens', () => {
  test('are made by users for themselves, with less than they may, and never with more', async () => {
    const made = await call(
      'POST',
      '/v1/tokens',
      { apps: ['hello'], role: 'viewer', expiresIn: 3600 },
      'anna',
    );
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ name: 'anna', ofUser: true, role: 'viewer', apps: ['hello'] });
    expect(Date.parse(made.body.expiresAt)).toBeGreaterThan(Date.now());
    const { token } = made.body;
    expect((await call('GET', '/v1/apps/hello', undefined, token)).status).toBe(200);
    expect((await call('GET', '/v1/apps/hello/config', undefined, token)).status).toBe(403);
    expect((await call('POST', '/v1/apps', { name: 'other' }, token)).status).toBe(403);
    for (const more of [{ admin: true }, { mayCreateApps: true }])
      expect((await call('POST', '/v1/tokens', more, 'anna')).body.code).toBe('bad_request');
  });

  test('with limits make no others, and no keys', async () => {
    const { body } = await call('POST', '/v1/tokens', { apps: ['hello'] }, 'anna');
    expect((await call('POST', '/v1/tokens', {}, body.token)).body.code).toBe('forbidden');
    expect((await call('POST', '/v1/tokens', { name: 'anna' }, body.token)).body.code).toBe('forbidden');
    const { line } = await makeSshKey();
    expect((await call('POST', '/v1/keys', { key: line }, body.token)).body.code).toBe('forbidden');
    // Nor does it revoke the others of its user.
    const { tokens: all } = (await call('GET', '/v1/tokens', undefined, body.token)).body;
    expect(all).toEqual([]);
    expect((await call('DELETE', `/v1/tokens/${body.id}`, undefined, body.token)).status).toBe(404);
  });

  test('of others and of machines are for administrators', async () => {
    for (const name of ['eve', 'ci'])
      expect((await call('POST', '/v1/tokens', { name, apps: ['hello'] }, 'dave')).body.code).toBe(
        'forbidden',
      );
    const machine = await call('POST', '/v1/tokens', { name: 'ci', apps: ['hello'], role: 'viewer' }, 'root');
    expect(machine.body).toMatchObject({ name: 'ci', role: 'viewer', admin: false });
    expect(machine.body.ofUser).toBeUndefined();
    expect((await call('GET', '/v1/apps/hello', undefined, machine.body.token)).status).toBe(200);
    expect((await call('GET', '/v1/apps/hello/config', undefined, machine.body.token)).status).toBe(403);
    const unsaid = await call('POST', '/v1/tokens', { name: 'ci' }, 'root');
    expect([unsaid.body.code, unsaid.text]).toEqual(['bad_request', expect.stringContaining('apps')]);
  });

  test('are listed with their use, each user their own, and revoked by those', async () => {
    await call('GET', '/v1/whoami', undefined, 'dave');
    const own = (await call('GET', '/v1/tokens', undefined, 'dave')).body.tokens.filter(
      (token: { revokedAt?: string }) => token.revokedAt === undefined,
    );
    expect(own).toMatchObject([{ name: 'dave', ofUser: true, usedAt: expect.any(String) }]);
    expect((await call('DELETE', `/v1/tokens/${own[0].id}`, undefined, 'eve')).status).toBe(404);
    expect((await call('DELETE', `/v1/tokens/${own[0].id}`, undefined, 'dave')).body).toEqual({
      id: own[0].id,
      revoked: true,
    });
    expect((await call('GET', '/v1/whoami', undefined, 'dave')).status).toBe(401);
    const all = (await call('GET', '/v1/tokens', undefined, 'root')).body.tokens;
    expect(new Set(all.map(({ name }: { name: string }) => name))).toContain('eve');
    expect(JSON.stringify(all)).not.toContain('hash');
  });
});

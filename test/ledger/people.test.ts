import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { PlatformLedger } from '../../src/ledger/platform.js';
import { parseSshKey, type SshKey } from '../../src/model/ssh-key.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';
import { makeSshKey } from '../support/ssh-keys.js';

const NO_RIGHTS = { administrator: false, mayCreateApps: false };
const ADMINISTRATOR = { administrator: true, mayCreateApps: false };
const of = (name: string) => ({ name, apps: '*', admin: false, mayCreateApps: false, who: 'op' }) as const;

let home: string;
let clock: HeldClock;
let platform: PlatformLedger;
/** Another process on the same home. */
let elsewhere: PlatformLedger;

beforeEach(async () => {
  home = await temporaryDirectory();
  clock = new HeldClock();
  platform = new PlatformLedger(homePaths(home), git, clock);
  elsewhere = new PlatformLedger(homePaths(home), git, clock);
  await platform.people.addUser('root', ADMINISTRATOR, 'op');
});

const people = (): PlatformLedger['people'] => platform.people;
const tokens = (): PlatformLedger['tokens'] => platform.tokens;

const subjects = (): Promise<string> =>
  git.text(['log', '--format=%s', 'refs/slipway/ledger'], { gitDir: homePaths(home).platformRepository });

describe('a user', () => {
  it('may do with an app what their role allows, and nothing with others', async () => {
    await people().addUser('alice', NO_RIGHTS, 'root');
    for (const [role, may] of [
      ['viewer', [true, false, false]],
      ['developer', [true, true, false]],
      ['admin', [true, true, true]],
    ] as const) {
      await people().setRole('hello', 'alice', role, 'root');
      const { token } = await tokens().create({ ...of('alice'), ofUser: true });
      const alice = await tokens().verify(token);
      expect((['view', 'deploy', 'admin'] as const).map((action) => alice?.may('hello', action))).toEqual(
        may,
      );
      expect(alice?.may('other', 'view')).toBe(false);
      expect(alice).toMatchObject({ name: 'alice', user: 'alice', admin: false, apps: ['hello'] });
    }
  });

  it('who may create apps is the first admin of each, and whoever had a role in one of that name has none', async () => {
    for (const name of ['alice', 'bob'])
      await people().addUser(name, { ...NO_RIGHTS, mayCreateApps: true }, 'root');
    await people().setRole('shop', 'bob', 'developer', 'root');
    const { token } = await tokens().create({ ...of('alice'), ofUser: true });
    const alice = await tokens().verify(token);
    expect([alice?.mayCreate('shop'), alice?.may('shop', 'view')]).toEqual([true, false]);
    await people().beginApp('shop', alice!);
    expect(await people().members('shop')).toEqual([{ user: 'alice', role: 'admin' }]);
    await people().endApp('shop', 'alice');
    expect(await people().members('shop')).toEqual([]);
    expect((await subjects()).split('\n')[0]).toBe('destroy shop by alice');
  });

  it('that is removed is gone at once with keys, roles and tokens, also with those of earlier versions', async () => {
    const old = await tokens().create({ ...of('alice'), admin: true });
    await people().addUser('alice', ADMINISTRATOR, 'root');
    const key = parseSshKey((await makeSshKey()).line);
    await people().addKey('alice', key, 'alice');
    await people().setRole('hello', 'alice', 'admin', 'root');
    const { token } = await tokens().create({ ...of('alice'), ofUser: true });
    expect(await elsewhere.tokens.verify(token)).toMatchObject({ admin: true });
    expect(await elsewhere.people.ownerOfKey(key.type, key.blob)).toMatchObject({ user: 'alice' });
    await people().removeUser('alice', 'root');
    for (const gone of [token, old.token]) expect(await tokens().verify(gone)).toBeUndefined();
    clock.advance(1000);
    for (const gone of [token, old.token]) expect(await elsewhere.tokens.verify(gone)).toBeUndefined();
    expect(await elsewhere.people.ownerOfKey(key.type, key.blob)).toBeUndefined();
    expect(await elsewhere.people.identityOfKey(key.fingerprint)).toBeUndefined();
    expect(await people().members('hello')).toEqual([]);
    // Who gets the name after that begins with nothing.
    await people().addUser('alice', NO_RIGHTS, 'root');
    expect(await people().user('alice')).toMatchObject({ roles: {}, administrator: false });
    expect(await people().keys()).toEqual([]);
    expect(await tokens().verify(token)).toBeUndefined();
  });

  it('that alone administers the platform cannot be removed or become less', async () => {
    await expect(people().removeUser('root', 'root')).rejects.toMatchObject({ code: 'conflict' });
    await expect(people().changeUser('root', NO_RIGHTS, 'root')).rejects.toMatchObject({ code: 'conflict' });
    const { id } = await tokens().create({ ...of('machine'), admin: true });
    await people().removeUser('root', 'machine');
    await expect(tokens().revoke(id, 'machine')).rejects.toMatchObject({ code: 'conflict' });
    await people().addUser('root', ADMINISTRATOR, 'machine');
    await tokens().revoke(id, 'root');
    expect(await people().isAdministered()).toBe(true);
  });

  it('an expired token does not count as an administrator', async () => {
    const expiresAt = new Date(clock.now() + 1000).toISOString();
    await tokens().create({ ...of('machine'), admin: true, expiresAt });
    clock.advance(1000);
    await expect(people().removeUser('root', 'root')).rejects.toMatchObject({ code: 'conflict' });
  });

  it.each([
    '',
    '-x',
    '.git',
    'a b',
    'a/b',
    '../x',
    'a<b',
    'ä',
    'slipway',
    'GIT',
    'x'.repeat(65),
    '__proto__',
  ])('cannot be called %j', async (name) => {
    await expect(people().addUser(name, NO_RIGHTS, 'root')).rejects.toMatchObject({ code: 'invalid_name' });
  });

  it('may be called like what every object of JavaScript has', async () => {
    await people().addUser('constructor', NO_RIGHTS, 'root');
    await people().setRole('hello', 'constructor', 'viewer', 'root');
    await people().setRole('hello', 'constructor', undefined, 'root');
    await expect(people().user('toString')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is added once when two add the same at the same time', async () => {
    const both = await Promise.allSettled([
      people().addUser('alice', NO_RIGHTS, 'root'),
      elsewhere.people.addUser('alice', ADMINISTRATOR, 'root'),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('a token of a user', () => {
  beforeEach(async () => {
    await people().addUser('alice', { administrator: false, mayCreateApps: true }, 'root');
    await people().setRole('hello', 'alice', 'admin', 'root');
    await people().setRole('shop', 'alice', 'viewer', 'root');
  });

  it('with apps and a role may do nothing that the user or its scopes do not allow', async () => {
    const { token } = await tokens().create({
      ...of('alice'),
      ofUser: true,
      apps: ['hello', 'absent'],
      role: 'developer',
    });
    const identity = await tokens().verify(token);
    expect(identity).toMatchObject({ name: 'alice', admin: false, mayCreateApps: false, apps: ['hello'] });
    expect(identity?.user).toBeUndefined();
    expect(identity?.may('hello', 'deploy')).toBe(true);
    expect(identity?.may('hello', 'admin')).toBe(false);
    expect(identity?.may('shop', 'view')).toBe(false);
    expect(identity?.may('absent', 'view')).toBe(false);
    expect(identity?.mayCreate('absent')).toBe(false);
  });

  it('loses what the user loses', async () => {
    const { token } = await tokens().create({ ...of('alice'), ofUser: true, apps: ['hello'] });
    await people().setRole('hello', 'alice', 'viewer', 'root');
    expect((await tokens().verify(token))?.may('hello', 'deploy')).toBe(false);
    await people().setRole('hello', 'alice', undefined, 'root');
    expect((await tokens().verify(token))?.may('hello', 'view')).toBe(false);
  });

  it('of an administrator with scopes is no administrator', async () => {
    const { token } = await tokens().create({ ...of('root'), ofUser: true, apps: ['hello'] });
    const identity = await tokens().verify(token);
    expect([identity?.admin, identity?.may('hello', 'admin'), identity?.may('shop', 'view')]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('ends at its time', async () => {
    const expiresAt = new Date(clock.now() + 60_000).toISOString();
    const { token } = await tokens().create({ ...of('alice'), ofUser: true, expiresAt });
    clock.advance(59_999);
    expect(await tokens().verify(token)).toBeDefined();
    clock.advance(1);
    expect(await tokens().verify(token)).toBeUndefined();
  });

  it('needs a user, and a machine needs a name that no user has', async () => {
    await expect(tokens().create({ ...of('nobody'), ofUser: true })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(tokens().create(of('alice'))).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('a token of earlier versions', () => {
  it('is valid, as a developer of its apps, or with the right to create them as their admin', async () => {
    // As they were written: without role, owner and end.
    const { token, id } = await tokens().create({ ...of('ci'), apps: ['hello'] });
    const document = await git.text(['show', `refs/slipway/ledger:tokens/${id}.json`], {
      gitDir: homePaths(home).platformRepository,
    });
    expect(Object.keys(JSON.parse(document))).toEqual([
      'hash',
      'name',
      'apps',
      'admin',
      'mayCreateApps',
      'createdAt',
      'createdBy',
    ]);
    const ci = await tokens().verify(token);
    expect([ci?.may('hello', 'deploy'), ci?.may('hello', 'admin'), ci?.may('shop', 'view')]).toEqual([
      true,
      false,
      false,
    ]);
    const maker = await tokens().create({ ...of('maker'), apps: ['hello'], mayCreateApps: true });
    const identity = await tokens().verify(maker.token);
    expect([identity?.may('hello', 'admin'), identity?.mayCreate('hello'), identity?.mayCreate('x')]).toEqual(
      [true, true, false],
    );
  });
});

describe('a key', () => {
  let key: SshKey;
  let other: SshKey;

  beforeEach(async () => {
    key = parseSshKey((await makeSshKey()).line);
    other = parseSshKey((await makeSshKey(['-t', 'ecdsa', '-b', '256'])).line);
    for (const name of ['alice', 'bob']) await people().addUser(name, NO_RIGHTS, 'root');
  });

  it('has one owner', async () => {
    await people().addKey('alice', key, 'alice');
    for (const user of ['alice', 'bob'])
      await expect(people().addKey(user, key, user)).rejects.toMatchObject({ code: 'conflict' });
    await people().addKey('bob', other, 'bob');
    expect(await people().ownerOfKey(other.type, other.blob)).toMatchObject({ user: 'bob' });
    expect(await people().ownerOfKey('ssh-ed25519', other.blob)).toBeUndefined();
    expect((await people().keys()).map(({ user }) => user)).toEqual(['alice', 'bob']);
  });

  it('that is removed opens nothing, here at once and elsewhere within a second', async () => {
    await people().addKey('alice', key, 'alice');
    expect(await elsewhere.people.identityOfKey(key.fingerprint)).toMatchObject({ user: 'alice' });
    await people().removeKey(key.fingerprint, 'alice');
    expect(await people().identityOfKey(key.fingerprint)).toBeUndefined();
    clock.advance(1000);
    expect(await elsewhere.people.identityOfKey(key.fingerprint)).toBeUndefined();
    await expect(people().removeKey(key.fingerprint, 'alice')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is said with who added it and when', async () => {
    await people().addKey('alice', key, 'root');
    expect(await people().key(key.fingerprint)).toMatchObject({
      type: 'ssh-ed25519',
      comment: 'alice@laptop',
      addedBy: 'root',
      addedAt: new Date(clock.now()).toISOString(),
    });
    expect((await subjects()).split('\n')[0]).toBe(`key: add ${key.fingerprint} of alice by root`);
  });
});

it('a document that cannot be read lets nobody in, and keeps nobody else out', async () => {
  await people().addUser('alice', NO_RIGHTS, 'root');
  const { token } = await tokens().create({ ...of('alice'), ofUser: true });
  const gitDir = homePaths(home).platformRepository;
  const input = `commit refs/slipway/ledger\ncommitter x <x> 1 +0000\ndata 1\nx\nfrom refs/slipway/ledger^0\nM 100644 inline users/eve.json\ndata 2\n{}\nM 100644 inline access/hello.json\ndata 18\n{"alice": "owner"}\n`;
  await git.run(['fast-import', '--quiet'], { gitDir, input });
  clock.advance(1000);
  expect((await tokens().verify(token))?.may('hello', 'view')).toBe(false);
  expect((await people().users()).map(({ name }) => name)).toEqual(['alice', 'root']);
});

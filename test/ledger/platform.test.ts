import { readdir } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { PlatformLedger } from '../../src/ledger/platform.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

const scopes = { name: 'alice', who: 'operator', apps: ['hello'], admin: false, mayCreateApps: false };

let home: string;
let clock: HeldClock;
let platform: PlatformLedger;

beforeEach(async () => {
  home = await temporaryDirectory();
  clock = new HeldClock();
  platform = new PlatformLedger(homePaths(home), git, clock);
});

const repository = (): { gitDir: string } => ({ gitDir: homePaths(home).platformRepository });

describe('a token', () => {
  it('is who it was made for, in every process', async () => {
    const { token } = await platform.tokens.create({ ...scopes, mayCreateApps: true });
    const identity = await new PlatformLedger(homePaths(home), git).tokens.verify(token);
    expect(identity).toMatchObject({ name: 'alice', admin: false, mayCreateApps: true, apps: ['hello'] });
    expect(identity?.may('hello', 'deploy')).toBe(true);
    expect(identity?.may('other', 'view')).toBe(false);
  });

  it.each([
    [{ apps: '*' as const, admin: false }, true],
    [{ apps: [], admin: true }, true],
    [{ apps: [], admin: false }, false],
  ])('with %j may touch any app: %s', async (more, may) => {
    const { token } = await platform.tokens.create({ ...scopes, ...more });
    expect((await platform.tokens.verify(token))?.may('any', 'view')).toBe(may);
  });

  it('is in the repository as a hash only', async () => {
    const { token } = await platform.tokens.create(scopes);
    const objects = await git.text(['cat-file', '--batch-all-objects', '--batch'], repository());
    expect(objects).toContain('alice');
    expect(objects).not.toContain(token.split('_').slice(2).join('_'));
    expect(JSON.stringify(await platform.tokens.list())).not.toContain('hash');
  });

  it('that differs in one character, or is no token, is nobody', async () => {
    const { token, id } = await platform.tokens.create(scopes);
    const other = token.at(-1) === 'A' ? 'B' : 'A';
    const wrong = ['', 'x', `${token}x`, token.slice(0, -1) + other, token.toUpperCase(), `slipway_${id}_`];
    wrong.push(`slipway_${'0'.repeat(12)}_${token.split('_').slice(2).join('_')}`, ` ${token}`, `${token}\n`);
    for (const text of wrong) expect(await platform.tokens.verify(text)).toBeUndefined();
    expect(await platform.tokens.verify(token)).toBeDefined();
  });

  it('that is revoked is nobody at once here, and within a second elsewhere', async () => {
    const other = new PlatformLedger(homePaths(home), git, clock);
    const { token, id } = await platform.tokens.create(scopes);
    expect(await other.tokens.verify(token)).toBeDefined();
    await platform.tokens.revoke(id, 'operator');
    expect(await platform.tokens.verify(token)).toBeUndefined();
    clock.advance(1000);
    expect(await other.tokens.verify(token)).toBeUndefined();
    expect(await other.tokens.list()).toMatchObject([{ id, revokedAt: expect.any(String) }]);
  });

  it('is read from memory in between', async () => {
    const { token, id } = await platform.tokens.create(scopes);
    const other = new PlatformLedger(homePaths(home), git, clock);
    await other.tokens.verify(token);
    await platform.tokens.revoke(id, 'operator');
    clock.advance(999);
    expect(await other.tokens.verify(token)).toBeDefined();
  });

  it('stays revoked when it is revoked again, and an unknown one is not_found', async () => {
    const { id } = await platform.tokens.create(scopes);
    await platform.tokens.revoke(id, 'operator');
    const [first] = await platform.tokens.list();
    clock.advance(5000);
    await platform.tokens.revoke(id, 'operator');
    expect((await platform.tokens.list())[0]).toEqual(first);
    await expect(platform.tokens.revoke('../../x', 'operator')).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([{ name: '' }, { name: ' \n' }, { name: 'a<b' }, { name: 'x'.repeat(101) }, { apps: ['../x'] }])(
    'with %j is refused',
    async (more) => {
      await expect(platform.tokens.create({ ...scopes, ...more })).rejects.toMatchObject({ httpStatus: 400 });
    },
  );
});

describe('the platform repository', () => {
  it('does not exist before the first token, and nobody is let in', async () => {
    expect(await platform.tokens.list()).toEqual([]);
    expect(await platform.tokens.verify(`slipway_${'0'.repeat(12)}_${'A'.repeat(43)}`)).toBeUndefined();
  });

  it('is made once when several processes start at the same time, and all tokens are in it', async () => {
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        new PlatformLedger(homePaths(home), git).tokens.create({ ...scopes, name: `user-${n}` }),
      ),
    );
    for (const { token } of made) expect(await platform.tokens.verify(token)).toBeDefined();
    expect(await platform.tokens.list()).toHaveLength(8);
    expect((await readdir(`${home}/git`)).sort()).toEqual(['platform.git']);
  });

  it('tells who did what in git log', async () => {
    const { id } = await platform.tokens.create(scopes);
    await platform.tokens.revoke(id, 'bob');
    expect(await git.text(['log', '--format=%s [%an]', 'refs/slipway/ledger'], repository())).toBe(
      `token: revoke ${id} of alice by bob [bob]\ntoken: create ${id} for alice by operator [operator]`,
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grantAccess, tokenOf } from '../../src/git/access.js';
import { judge, parsePushOptions } from '../../src/git/proposal.js';
import type { AppDirectory, Pusher } from '../../src/git/push.js';
import { reportLines } from '../../src/git/verdict.js';

const OLD = '0'.repeat(40);
const NEW = '1'.repeat(40);
const update = (ref: string, newOid = NEW) => ({ ref, oldOid: OLD, newOid });

describe('judging a push', () => {
  test('every update gets exactly one verdict, and at most one deploys', () => {
    const ref = fc.constantFrom(
      'refs/heads/main',
      'refs/heads/feature',
      'refs/tags/v1',
      'refs/notes/x',
      'refs/heads/mainx',
    );
    const updates = fc.array(
      fc.tuple(ref, fc.constantFrom(NEW, OLD)).map(([name, oid]) => update(name, oid)),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(updates, fc.boolean(), (all, isAtomic) => {
        const { deploy, refused } = judge({ updates: all, isAtomic }, 'main', 5);
        const judged = [...(deploy === undefined ? [] : [deploy.ref]), ...refused.map((one) => one.ref)];
        expect(judged.sort()).toEqual(all.map((one) => one.ref).sort());
        if (deploy !== undefined) expect(deploy).toMatchObject({ ref: 'refs/heads/main', newOid: NEW });
        if (all.length > 5 || (isAtomic && refused.length > 0)) expect(deploy).toBeUndefined();
        for (const { reason } of refused) expect(reason).not.toBe('');
      }),
    );
  });

  test.each([
    ['refs/heads/feature', NEW, 'only trunk deploys; try: git push <remote> feature:trunk'],
    [
      'refs/tags/v1',
      NEW,
      "tags do not deploy, only trunk does; try: git push <remote> 'v1^{commit}:refs/heads/trunk'",
    ],
    ['refs/notes/commits', NEW, 'only trunk deploys; try: git push <remote> HEAD:trunk'],
    ['refs/heads/trunk', OLD, 'trunk is what deploys and cannot be deleted'],
    ['refs/heads/feature', OLD, 'only trunk is kept here; there is nothing to delete'],
  ])('%s to %s is refused: the reason names the branch and the way', (ref, oid, reason) => {
    expect(judge({ updates: [update(ref, oid)], isAtomic: false }, 'trunk', 100).refused).toEqual([
      { ref, ok: false, reason },
    ]);
  });

  test('the deploy branch twice in one push is refused, not guessed', () => {
    const { deploy, refused } = judge(
      { updates: [update('refs/heads/main'), update('refs/heads/main', '2'.repeat(40))], isAtomic: false },
      'main',
      100,
    );
    expect(deploy).toBeUndefined();
    expect(refused.map(({ reason }) => reason)).toEqual([
      'main is pushed more than once',
      'main is pushed more than once',
    ]);
  });
});

describe('push options', () => {
  test('are taken by their exact names', () => {
    expect(parsePushOptions([])).toEqual({ detach: false, noCache: false, buildOnly: false });
    expect(parsePushOptions(['no-cache', 'detach', 'detach'])).toEqual({
      detach: true,
      noCache: true,
      buildOnly: false,
    });
    for (const option of ['Detach', 'detach=1', '', 'toString', '__proto__', 'x'.repeat(5000)]) {
      expect(() => parsePushOptions([option])).toThrow(expect.objectContaining({ code: 'push_rejected' }));
    }
  });
});

describe('the report to git', () => {
  test('names another ref with all that the client needs to leave its own alone', () => {
    expect(
      reportLines({ ref: 'refs/heads/main', ok: true, instead: { ref: 'refs/slipway/pushes/b1', oid: NEW } }),
    ).toEqual([
      'ok refs/heads/main',
      'option refname refs/slipway/pushes/b1',
      `option old-oid ${OLD}`,
      `option new-oid ${NEW}`,
    ]);
    expect(reportLines({ ref: 'refs/heads/main', ok: false, reason: ' \n ' })).toEqual([
      'ng refs/heads/main refused',
    ]);
  });
});

describe('access', () => {
  const pusher = (apps: readonly string[], mayCreateApps: boolean): Pusher => ({
    name: 'ada',
    may: (app) => apps.includes(app),
    mayCreate: (app) => mayCreateApps && apps.includes(app),
  });

  function directory(...existing: string[]): AppDirectory & { looked: string[] } {
    const looked: string[] = [];
    return {
      looked,
      deployBranch: async (app) => {
        looked.push(app);
        return existing.includes(app) ? 'main' : undefined;
      },
      lock: async () => undefined,
      create: async () => {},
    };
  }

  test('nothing is looked up for an app that the token may not use', async () => {
    const apps = directory('other');
    for (const name of ['other', 'nothing', '..', 'A.git']) {
      await expect(
        grantAccess(apps, pusher(['hello'], false), name, 'git-receive-pack'),
      ).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(apps.looked).toEqual([]);
  });

  test('a fetch needs the right to view, and a push that to deploy', async () => {
    const apps = directory('hello');
    const viewer: Pusher = {
      name: 'vera',
      may: (_app, action) => action === 'view',
      mayCreate: () => false,
    };
    expect(await grantAccess(apps, viewer, 'hello', 'git-upload-pack')).toEqual({
      app: 'hello',
      isNew: false,
    });
    await expect(grantAccess(apps, viewer, 'hello', 'git-receive-pack')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('who may create any app gets into none that is there by that', async () => {
    const maker: Pusher = { name: 'eve', may: () => false, mayCreate: () => true };
    expect(await grantAccess(directory(), maker, 'fresh', 'git-receive-pack')).toEqual({
      app: 'fresh',
      isNew: true,
    });
    for (const service of ['git-receive-pack', 'git-upload-pack'] as const)
      await expect(grantAccess(directory('hello'), maker, 'hello', service)).rejects.toMatchObject({
        code: 'not_found',
      });
  });

  test('only a push creates, and only where the token may', async () => {
    const apps = directory('hello', 'other');
    const creator = pusher(['hello', 'fresh', 'a--b'], true);
    expect(await grantAccess(apps, creator, 'hello.git', 'git-receive-pack')).toEqual({
      app: 'hello',
      isNew: false,
    });
    expect(await grantAccess(apps, creator, 'fresh', 'git-receive-pack')).toEqual({
      app: 'fresh',
      isNew: true,
    });
    await expect(grantAccess(apps, creator, 'fresh', 'git-upload-pack')).rejects.toMatchObject({
      code: 'not_found',
    });
    for (const name of ['other', 'unheard-of']) {
      await expect(grantAccess(apps, creator, name, 'git-receive-pack')).rejects.toMatchObject({
        code: 'not_found',
      });
    }
    await expect(grantAccess(apps, creator, 'a--b', 'git-receive-pack')).rejects.toMatchObject({
      code: 'invalid_name',
    });
  });

  test('a token with a colon in it is the password as a whole', () => {
    const header = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    expect(tokenOf(header('git:a:b'))).toBe('a:b');
    expect(tokenOf(header('alone'))).toBe('alone');
    expect(tokenOf(header(''))).toBeUndefined();
    expect(tokenOf(undefined)).toBeUndefined();
    fc.assert(fc.property(fc.string(), (text) => void tokenOf(text)));
  });
});

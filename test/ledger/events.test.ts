/** Events, of the ledgers that were written by what they tell of. */
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { EventLog, type EventScope, type LedgerEvent } from '../../src/ledger/event-log.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { PlatformLedger } from '../../src/ledger/platform.js';
import { Vault } from '../../src/ledger/vault.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile, git } from '../support/repository.js';

let clock: HeldClock;
let ledger: Ledger;
let platform: PlatformLedger;
let events: EventLog;
let paths: ReturnType<typeof homePaths>;
let repositories: AppRepositories;

const ALL: EventScope = { apps: ['hello', 'shop'], platform: true };
const OF_HELLO: EventScope = { apps: ['hello'], platform: false };

beforeEach(async () => {
  paths = homePaths(await temporaryDirectory());
  clock = new HeldClock();
  repositories = new AppRepositories(paths, git);
  ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), {
    clock,
    createRepository: (app) => repositories.ensure(app, 'main'),
  });
  platform = new PlatformLedger(paths, git, clock);
  events = new EventLog(git, paths);
});

async function second(): Promise<void> {
  clock.advance(1000);
}

async function createApps(): Promise<void> {
  for (const app of ['hello', 'shop']) {
    await ledger.createApp(app, { deployBranch: 'main' }, 'alice');
    await second();
  }
}

/** The newest first. */
async function all(scope: EventScope, limit = 100): Promise<LedgerEvent[]> {
  const found: LedgerEvent[] = [];
  for (let before: string | undefined; ; ) {
    const page = await events.before(scope, limit, before);
    expect(page.events.length).toBeLessThanOrEqual(limit);
    found.push(...page.events);
    if (page.next === undefined) return found;
    before = page.next;
  }
}

describe('an event', () => {
  it('says who changed what, when, and each value before and after', async () => {
    await createApps();
    const scaled = { scale: { web: 3 }, resources: {} };
    await ledger.changeFormation('hello', () => ({ scale: { web: 1 }, resources: {} }), 'web=1', 'alice');
    await second();
    await ledger.changeFormation('hello', () => scaled, 'web=3', 'bob');
    const [newest] = await all(OF_HELLO);
    expect(newest).toEqual({
      id: expect.stringMatching(/^\d+\.hello\.[0-9a-f]{40}$/),
      at: new Date(Math.floor(clock.now() / 1000) * 1000).toISOString(),
      who: 'bob',
      app: 'hello',
      did: 'formation: web=3',
      changes: [{ name: 'formation.scale.web', is: 'changed', before: 1, after: 3 }],
    });
  });

  it('of config vars says which, and nothing of their values, sealed or not', async () => {
    await createApps();
    await ledger.setConfig('hello', { TOKEN: 'hunter2', PORT: '1' }, 'alice');
    await second();
    await ledger.setConfig('hello', { TOKEN: 'hunter3', PORT: null }, 'alice');
    const [after, before] = await all(OF_HELLO);
    expect(before?.changes).toEqual([
      { name: 'config.PORT', is: 'added' },
      { name: 'config.TOKEN', is: 'added' },
    ]);
    expect(after?.changes).toEqual([
      { name: 'config.PORT', is: 'removed' },
      { name: 'config.TOKEN', is: 'changed' },
    ]);
    const sealed = Object.values((await ledger.read('hello')).config);
    for (const secret of ['hunter', ...sealed]) expect(JSON.stringify(await all(ALL))).not.toContain(secret);
  });

  it('of a release has what it is made of, without its config', async () => {
    await createApps();
    await ledger.setConfig('hello', { TOKEN: 'hunter2' }, 'alice');
    await second();
    const source = await commitFile(repositories.path('hello'), 'Dockerfile', 'FROM scratch');
    const { config } = await ledger.read('hello');
    await ledger.appendRelease(
      'hello',
      releaseDraft('hello', { source, deploymentId: 'b1' }, { config }),
      'alice',
    );
    const [newest] = await all(OF_HELLO);
    expect(newest?.did).toMatch(/^v1: /);
    expect(newest?.changes).toContainEqual({ name: 'v1.source', is: 'added', after: source });
    expect(JSON.stringify(newest)).not.toContain(Object.values(config)[0]);
  });

  it('of people has no hash, and of a document that nobody knows no content', async () => {
    await platform.people.addUser('alice', { administrator: true, mayCreateApps: false }, 'op');
    await platform.tokens.create({
      ...{ name: 'alice', ofUser: true, apps: '*', admin: false, mayCreateApps: false, who: 'op' },
    });
    const gitDir = paths.platformRepository;
    const input =
      'commit refs/slipway/ledger\ncommitter x <x> 4000000000 +0000\ndata 11\nnew: thing\n\nfrom refs/slipway/ledger^0\n' +
      'M 100644 inline webhooks/1.json\ndata 20\n{"secret": "hunter"}\n';
    await git.run(['fast-import', '--quiet'], { gitDir, input });
    const [unknown, token, user] = await all({ apps: [], platform: true });
    expect(unknown).toMatchObject({ who: 'x', changes: [{ name: 'webhooks.1', is: 'added' }] });
    expect(JSON.stringify([unknown, token])).not.toMatch(/hunter|hash/);
    expect(user?.changes).toEqual([
      { name: 'user.alice.administrator', is: 'added', after: true },
      { name: 'user.alice.mayCreateApps', is: 'added', after: false },
    ]);
  });
});

describe('the order', () => {
  it('is that of time over all ledgers, in pages of any size, with nothing twice or left out', async () => {
    await createApps();
    for (const round of [1, 2, 3]) {
      // Several in one second, in each of the ledgers.
      for (const app of ['shop', 'hello']) {
        await ledger.setLock(app, `reason ${round}`, 'alice');
        await ledger.setLock(app, undefined, 'alice');
      }
      await platform.people.addUser(`user-${round}`, { administrator: false, mayCreateApps: false }, 'op');
      await second();
    }
    const whole = await all(ALL);
    expect(whole).toHaveLength(2 + 3 * 5);
    expect(whole.map(({ at }) => at)).toEqual(
      whole
        .map(({ at }) => at)
        .sort()
        .reverse(),
    );
    expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
    for (const limit of [1, 2, 5, 16]) expect(await all(ALL, limit)).toEqual(whole);
  });

  it('goes on from an event to what came since, and repeats only what is of its second', async () => {
    await createApps();
    const [newest] = (await events.before(ALL, 1)).events;
    expect((await events.after(ALL, newest!.id)).filter(({ at }) => at !== newest!.at)).toEqual([]);
    await ledger.setLock('hello', 'x', 'alice');
    await second();
    await ledger.setLock('shop', 'y', 'bob');
    const since = (await events.after(ALL, newest!.id)).filter(({ at }) => at !== newest!.at);
    expect(since.map(({ app, who }) => [app, who])).toEqual([
      ['hello', 'alice'],
      ['shop', 'bob'],
    ]);
  });

  it.each(['', 'x', '1.hello', '1.hello.x', `1.../x.${'0'.repeat(40)}`, `1.-x y.${'0'.repeat(40)}`])(
    'does not go on from %j',
    async (id) => {
      await expect(events.before(ALL, 1, id)).rejects.toMatchObject({ code: 'bad_request' });
    },
  );

  it('goes on from an event that is gone, by its time', async () => {
    await createApps();
    const [newest, ...older] = await all(ALL);
    const gone = newest!.id.replace(/[0-9a-f]{40}$/, '0'.repeat(40));
    expect((await events.before(ALL, 10, gone)).events).toEqual(older);
  });
});

describe('of an app', () => {
  it('are also who has a role in it, and nothing of others or of the platform', async () => {
    await createApps();
    await platform.people.addUser('bob', { administrator: false, mayCreateApps: false }, 'op');
    await platform.people.setRole('shop', 'bob', 'admin', 'op');
    await platform.people.setRole('hello', 'bob', 'viewer', 'alice');
    const found = await all(OF_HELLO);
    expect(found.map(({ app, did }) => [app, did])).toEqual([
      ['hello', 'access: bob is viewer of hello'],
      ['hello', 'create hello'],
    ]);
    expect(found[0]?.changes).toEqual([{ name: 'access.hello.bob', is: 'added', after: 'viewer' }]);
  });

  it('that is destroyed are gone with it, but that it was, and who did it', async () => {
    await createApps();
    await ledger.destroyApp('shop', 'alice');
    await platform.people.endApp('shop', 'alice');
    const found = await all({ apps: ['hello'], platform: true });
    expect(found[0]).toMatchObject({ who: 'alice', did: 'destroy shop', changes: [] });
    expect(await all({ apps: ['absent'], platform: false })).toEqual([]);
  });

  it('are read from packs as well', async () => {
    await createApps();
    await ledger.setLock('hello', 'x', 'alice');
    const before = await all(ALL);
    await git.run(['gc', '--quiet'], { gitDir: repositories.path('hello') });
    expect(await all(ALL)).toEqual(before);
  });
});

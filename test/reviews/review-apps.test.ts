/** Review apps: what a push to `review/…` makes, what it takes over, and how it ends. Real git, ledger and records; the builder is a script. */
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths, loadConfig } from '../../src/config.js';
import { appDirectory } from '../../src/ledger/app-directory.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { changeVolumes, withVolumes } from '../../src/ledger/volume-settings.js';
import { createLogger } from '../../src/log.js';
import { ReviewApps } from '../../src/reviews/review-apps.js';
import { type Build, endAs, goLive, Platform } from '../git/support/platform.js';
import { WorkTree } from '../git/support/repositories.js';
import { temporaryDirectory } from '../support/directories.js';
import { releaseDraft } from '../support/release-draft.js';

const log = createLogger('test', 'silent');

let platform: Platform;
let ledger: Ledger;
let reviews: ReviewApps;
let tree: WorkTree;
let built: string[];

/** As the builder and the deployer, with the release that a ledger wants. */
const release = async (build: Build): Promise<void> => {
  const { app, id, oid } = build;
  built.push(app);
  const { number } = await ledger.appendRelease(
    app,
    releaseDraft(app, { source: oid, deploymentId: id }),
    'x',
  );
  await ledger.recordOutcome(app, number, { state: 'live', at: new Date().toISOString() });
  await goLive(build);
};

/** Nobody has a role in these apps. */
const people = { endApp: async () => undefined };

beforeEach(async () => {
  built = [];
  // A key that the platform's own home will have.
  const vault = await Vault.open(`${await temporaryDirectory()}/secret.key`);
  platform = await Platform.start({
    script: release,
    around: ({ home, git, repositories, store }) => {
      ledger = new Ledger(homePaths(home), git, vault, {
        createRepository: (app, branch) => repositories.ensure(app, branch),
      });
      const config = loadConfig({ SLIPWAY_HOME: home, SLIPWAY_REVIEW_APPS: '2' });
      const queues = { enqueueRollout: async () => true };
      reviews = new ReviewApps({ config, ledger, people, store, repositories, git, queues });
      return { apps: appDirectory(ledger, { beginApp: async () => undefined }), reviews };
    },
  });
  await ledger.createApp('shop', { deployBranch: 'main' }, 'ada');
  tree = await WorkTree.create({ Dockerfile: 'FROM a\n' });
  expect((await platform.push(tree, 'shop')).exitCode).toBe(0);
});

const review = (branch: string, ...more: string[]): Promise<{ exitCode: number; text: string }> =>
  platform.push(tree, 'shop', ...more, 'slipway', `HEAD:review/${branch}`);
const revealed = async (app: string): Promise<Record<string, string>> =>
  ledger.revealConfig(app, (await ledger.read(app)).config);
const branches = async (): Promise<string[]> =>
  (await platform.refs('shop')).flatMap((line) => /refs\/heads\/(.*)/.exec(line)?.[1] ?? []);

describe('a push to review/…', () => {
  it('makes an app of its own and deploys there; the app itself and its branch stay as they are', async () => {
    await tree.commit({ Dockerfile: 'FROM b\n' });
    const { exitCode, text } = await review('login');
    expect([exitCode, text]).toEqual([0, expect.stringContaining('for shop-review-login')]);
    expect(text).toContain('HEAD -> review/login');
    const head = await tree.git('rev-parse', 'HEAD');
    const { settings, releases } = await ledger.read('shop-review-login');
    expect(settings).toMatchObject({ createdBy: 'ada', review: { of: 'shop', branch: 'review/login' } });
    expect(releases.map(({ source }) => source)).toEqual([head]);
    expect(built).toEqual(['shop', 'shop-review-login']);
    expect(await branches()).toEqual(['main', 'review/login']);
    expect(await platform.repositories.branch('shop', 'review/login')).toBe(head);
    expect(await platform.repositories.branch('shop', 'main')).toBe(await tree.git('rev-parse', 'HEAD^'));
    // Its repository is whole without that of the app.
    const gitDir = platform.gitDir('shop-review-login');
    expect(await platform.git.text(['rev-list', '--count', 'main'], { gitDir })).toBe('2');
    expect(await platform.git.text(['fsck', '--full', '--strict'], { gitDir })).toBe('');
    // A further push goes to the same app, also one that rewrites the branch.
    await tree.git('commit', '--quiet', '--amend', '--message', 'other');
    expect((await review('login', '--force')).exitCode).toBe(0);
    expect((await ledger.read('shop-review-login')).releases).toHaveLength(2);
  });

  it('takes over the config, and from app.json what reviews have otherwise, until there is a release', async () => {
    await ledger.setConfig('shop', { A: 'a', DATABASE_URL: 'production', KEY: 'secret' }, 'ada');
    await ledger.setPlacement('shop', { label: { name: 'zone', value: 'a' } }, 'ada');
    const env = { DATABASE_URL: 'review', KEY: null, EXTRA: 'x' };
    const formation = { web: { quantity: 2, memory: '64m' } };
    await tree.commit({ 'app.json': JSON.stringify({ review: { env, formation } }) });
    platform.script = endAs('failed', 'for the test');
    expect((await review('config')).exitCode).toBe(1);
    const app = 'shop-review-config';
    expect(await revealed(app)).toEqual({ A: 'a', DATABASE_URL: 'review', EXTRA: 'x' });
    expect(await ledger.read(app)).toMatchObject({
      placement: { label: { name: 'zone', value: 'a' } },
      formation: { scale: { web: 2 }, resources: { web: { memoryBytes: 64 * 1024 * 1024 } } },
    });
    // The same commit can be pushed again, since the branch did not move.
    expect(await branches()).toEqual(['main']);
    await ledger.setConfig('shop', { A: 'b' }, 'ada');
    platform.script = release;
    expect((await review('config')).exitCode).toBe(0);
    expect((await revealed(app)).A).toBe('b');
    await ledger.setConfig('shop', { A: 'c' }, 'ada');
    await tree.commit({ Dockerfile: 'FROM c\n' });
    expect((await review('config')).exitCode).toBe(0);
    expect((await revealed(app)).A).toBe('b');
  });

  it('is refused with file and line for an app.json that is wrong, and makes no app', async () => {
    await tree.commit({ 'app.json': '{\n "review": {\n  "env": {"1X": "y"}\n }\n}\n' });
    const { exitCode, text } = await review('wrong');
    expect([exitCode, text]).toEqual([
      1,
      expect.stringContaining('app.json:3: review.env: "1X" is not a config var'),
    ]);
    expect(await ledger.listApps()).toEqual(['shop']);
  });

  it('is refused when there are as many as may be, when another app has the name, and without a review app’s parent', async () => {
    await ledger.createApp('shop-review-taken', { deployBranch: 'main' }, 'eve');
    expect((await review('taken')).text).toContain('there is another app called shop-review-taken');
    for (const [name, exitCode] of [
      ['one', 0],
      ['two', 0],
      ['three', 1],
    ] as const) {
      await tree.commit({ Dockerfile: `FROM ${name}\n` });
      expect((await review(name)).exitCode).toBe(exitCode);
    }
    expect((await review('four')).text).toContain('which is as many as it may have');
    expect((await ledger.listApps()).filter((app) => app.includes('review'))).toEqual([
      'shop-review-one',
      'shop-review-taken',
      'shop-review-two',
    ]);
    expect((await platform.push(tree, 'absent', 'slipway', 'HEAD:review/x')).text).toContain(
      'only main deploys',
    );
  });

  it('that is detached moves the branch when the app is live, which the janitor sees', async () => {
    await tree.commit({ Dockerfile: 'FROM b\n' });
    expect((await review('later', '-o', 'detach')).exitCode).toBe(0);
    await expect.poll(async () => (await ledger.read('shop-review-later')).live).toBe(1);
    await expect.poll(async () => (await platform.store.open()).length).toBe(0);
    await reviews.tidy(log);
    expect(await platform.repositories.branch('shop', 'review/later')).toBe(
      await tree.git('rev-parse', 'HEAD'),
    );
  });
});

describe('a review app ends', () => {
  it('with its branch and its volumes', async () => {
    await tree.commit({ Dockerfile: 'FROM b\n' });
    await review('login');
    const { volumes } = await changeVolumes(ledger, 'shop-review-login', 'ada', 'create data', (now) =>
      withVolumes(now, ['data'], 'local', { at: '2026-01-01', by: 'ada' }),
    );
    const { exitCode, text } = await platform.push(tree, 'shop', 'slipway', '--delete', 'review/login');
    expect([exitCode, text]).toEqual([0, expect.stringContaining('Destroyed shop-review-login')]);
    expect(await ledger.listApps()).toEqual(['shop']);
    expect(await branches()).toEqual(['main']);
    const [ended] = await ledger.listDestroyed('shop-review-login');
    expect(ended?.volumes).toEqual({ volumes: {}, removed: [volumes.volumes.data?.content] });
    // And may begin again, with a history of its own.
    expect((await review('login')).exitCode).toBe(0);
    expect((await ledger.read('shop-review-login')).releases).toHaveLength(1);
  });

  it('some days after its last deployment, and when its app is gone', async () => {
    await tree.commit({ Dockerfile: 'FROM b\n' });
    await review('old');
    await reviews.tidy(log);
    expect((await ledger.listApps()).sort()).toEqual(['shop', 'shop-review-old']);
    const aged = new ReviewApps({
      config: { deployBranch: 'main', reviewApps: 2, reviewAgeMs: 0 },
      ledger,
      people,
      store: platform.store,
      repositories: platform.repositories,
      git: platform.git,
      queues: { enqueueRollout: async () => true },
    });
    await aged.tidy(log);
    expect(await ledger.listApps()).toEqual(['shop']);
    expect(await branches()).toEqual(['main']);
    await review('orphan');
    await ledger.destroyApp('shop', 'ada');
    await reviews.tidy(log);
    expect(await ledger.listApps()).toEqual([]);
  });
});

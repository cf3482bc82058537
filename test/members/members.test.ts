/** Several apps from one repository: which of them a push deploys, and what its pusher is told. Real git, ledger and records. */
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { appDirectory } from '../../src/ledger/app-directory.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { setSource } from '../../src/ledger/source-settings.js';
import { Vault } from '../../src/ledger/vault.js';
import { Members } from '../../src/members/members.js';
import { type Build, endAs, goLive, Platform } from '../git/support/platform.js';
import { WorkTree } from '../git/support/repositories.js';
import { temporaryDirectory } from '../support/directories.js';
import { releaseDraft } from '../support/release-draft.js';

let platform: Platform;
let ledger: Ledger;
let tree: WorkTree;
let built: string[];
/** Apps whose build fails. */
let broken: string[];

const release = async (build: Build): Promise<void> => {
  const { app, id, oid } = build;
  built.push(app);
  if (broken.includes(app)) return endAs('failed', `${app} is broken`)(build);
  const draft = releaseDraft(app, { source: oid, deploymentId: id });
  const { number } = await ledger.appendRelease(app, draft, 'x');
  await ledger.recordOutcome(app, number, { state: 'live', at: new Date().toISOString() });
  await goLive(build);
};

beforeEach(async () => {
  built = [];
  broken = [];
  const vault = await Vault.open(`${await temporaryDirectory()}/secret.key`);
  platform = await Platform.start({
    script: release,
    around: ({ home, git, repositories, store }) => {
      ledger = new Ledger(homePaths(home), git, vault, {
        createRepository: (app, branch) => repositories.ensure(app, branch),
      });
      return {
        apps: appDirectory(ledger, { beginApp: async () => undefined }),
        members: new Members({ ledger, store, repositories, git }),
      };
    },
  });
  for (const app of ['shop', 'backend', 'jobs', 'alone'])
    await ledger.createApp(app, { deployBranch: 'main' }, 'ada');
  await setSource(ledger, 'backend', { repo: 'shop', path: 'services/api', watch: ['libs'] }, 'ada');
  await setSource(ledger, 'jobs', { repo: 'shop', path: 'services/jobs', watch: [] }, 'ada');
  tree = await WorkTree.create({
    Dockerfile: 'FROM a\n',
    'services/api/Dockerfile': 'FROM a\n',
    'services/jobs/Dockerfile': 'FROM a\n',
    'libs/ui': 'a\n',
  });
});

const push = async (
  files: Record<string, string>,
  ...options: string[]
): Promise<{ exitCode: number; text: string }> => {
  built = [];
  await tree.commit(files);
  return platform.push(tree, 'shop', ...options, 'slipway', 'main');
};

describe('a push to a repository of several apps', () => {
  it('deploys all of them first, and then those whose paths have changed', async () => {
    const first = await push({});
    expect([first.exitCode, built.sort()]).toEqual([0, ['backend', 'jobs', 'shop']]);
    for (const app of ['backend', 'jobs']) {
      const { releases } = await ledger.read(app);
      expect(releases.map(({ source }) => source)).toEqual([await tree.git('rev-parse', 'HEAD')]);
      // Its repository is whole without the other one.
      const gitDir = platform.gitDir(app);
      expect(await platform.git.text(['fsck', '--full', '--strict'], { gitDir })).toBe('');
      expect(first.text).toContain(`=====> ${app}`);
    }
    const one = await push({ 'services/jobs/work': 'x\n' });
    expect([one.exitCode, built.sort()]).toEqual([0, ['jobs', 'shop']]);
    expect(one.text).toContain('backend: unchanged, stays as it is');
    await push({ 'libs/ui': 'b\n' });
    expect(built.sort()).toEqual(['backend', 'shop']);
    await push({ README: 'x\n' });
    expect(built).toEqual(['shop']);
    // What a commit took back is no change.
    await push({ 'services/api/x': 'x\n' });
    expect(built.sort()).toEqual(['backend', 'shop']);
  });

  it('says which failed, is refused for it, and leaves the others deployed', async () => {
    await push({});
    broken = ['backend'];
    const { exitCode, text } = await push({ 'services/api/x': 'x\n', 'services/jobs/x': 'x\n' });
    expect([exitCode, built.sort()]).toEqual([1, ['backend', 'jobs', 'shop']]);
    expect(text).toContain('shop is deployed, backend failed');
    expect(text).toMatch(/again: slipway deploy [0-9a-f]{12} -a backend/);
    expect((await ledger.read('jobs')).live).toBe(2);
    expect((await ledger.read('backend')).live).toBe(1);
    // The next push finds it changed still.
    broken = [];
    await push({ README: 'x\n' });
    expect(built.sort()).toEqual(['backend', 'shop']);
  });

  it('leaves one alone that is locked, and says so', async () => {
    await push({});
    await ledger.setLock('jobs', 'a sale', 'ops');
    const { exitCode, text } = await push({ 'services/jobs/x': 'x\n' });
    expect([exitCode, built]).toEqual([1, ['shop']]);
    expect(text).toContain('jobs: jobs is locked by ops: a sale');
  });

  it('that is detached begins them all', async () => {
    const { exitCode, text } = await push({}, '-o', 'detach');
    expect(exitCode).toBe(0);
    expect(text).toMatch(/backend: build b\w+ *\n[\s\S]*jobs: build b\w+/);
    await expect.poll(async () => (await platform.store.open()).length).toBe(0);
    expect(built.sort()).toEqual(['backend', 'jobs', 'shop']);
  });

  it('concerns only apps that still say that they come from it', async () => {
    await setSource(ledger, 'jobs', undefined, 'ada');
    await setSource(ledger, 'alone', { repo: 'shop', watch: [] }, 'ada');
    expect((await ledger.read('shop')).members).toEqual(['alone', 'backend']);
    await ledger.destroyApp('backend', 'ada');
    expect((await push({})).exitCode).toBe(0);
    expect(built.sort()).toEqual(['alone', 'shop']);
    // Without a path it is the whole repository, and every change is one of it.
    await push({ README: 'x\n' });
    expect(built.sort()).toEqual(['alone', 'shop']);
  });
});

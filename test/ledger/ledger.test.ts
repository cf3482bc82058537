import { access, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { ALL_FAST, NONE_FAST } from '../../src/fast-paths.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Git } from '../../src/git/git.js';
import { Ledger, type ReleaseDraft } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile, git } from '../support/repository.js';

/** Counts the processes that are started. */
class CountingGit extends Git {
  calls = 0;
  override spawn(...args: Parameters<Git['spawn']>): ReturnType<Git['spawn']> {
    this.calls += 1;
    return super.spawn(...args);
  }
}

describe.each([
  ['as files', ALL_FAST],
  ['by git', NONE_FAST],
])('the ledger, kept %s', (_how, fast) => {
  let home: string;
  let vault: Vault;
  let ledger: Ledger;
  let source: string;
  const clock = new HeldClock();

  const gitDir = (app: string): string => join(homePaths(home).appRepositories, `${app}.git`);
  const repositories = (): AppRepositories => new AppRepositories(homePaths(home), git);
  const open = (withGit: Git = git): Ledger =>
    new Ledger(homePaths(home), withGit, vault, {
      clock,
      fast,
      createRepository: (app, branch) => repositories().ensure(app, branch),
    });
  const log = (format: string, app = 'hello'): Promise<string> =>
    git.text(['log', '--first-parent', `--format=${format}`, 'refs/slipway/ledger'], { gitDir: gitDir(app) });
  const at = '2026-01-01T00:00:00.000Z';

  const draft = (deploymentId: string, more: Partial<ReleaseDraft> = {}): ReleaseDraft =>
    releaseDraft('hello', { source, deploymentId }, more);

  beforeEach(async () => {
    home = await temporaryDirectory();
    vault = await Vault.open(homePaths(home).secretKey);
    ledger = open();
    await ledger.createApp('hello', { deployBranch: 'main' }, 'alice');
    source = await commitFile(gitDir('hello'), 'Dockerfile', 'FROM scratch\n');
  });

  describe('an app', () => {
    it('exists from its first ledger commit on, not from its repository', async () => {
      await repositories().create('half', 'main');
      expect(await ledger.appExists('half')).toBe(false);
      expect(await ledger.listApps()).toEqual(['hello']);
      await ledger.createApp('half', { deployBranch: 'main' }, 'bob');
      expect(await ledger.listApps()).toEqual(['half', 'hello']);
      expect((await ledger.read('hello')).settings).toEqual({
        name: 'hello',
        deployBranch: 'main',
        createdAt: new Date(clock.now()).toISOString(),
        createdBy: 'alice',
      });
    });

    it('is created by one of ten who try at the same time', async () => {
      const tries = await Promise.allSettled(
        Array.from({ length: 10 }, (_, n) =>
          open().createApp('fresh', { deployBranch: 'main' }, `user-${n}`),
        ),
      );
      expect(tries.filter((tried) => tried.status === 'fulfilled')).toHaveLength(1);
      for (const tried of tries) {
        if (tried.status === 'rejected') expect(tried.reason).toMatchObject({ code: 'conflict' });
      }
      expect(await log('%s', 'fresh')).toMatch(/^create fresh by user-\d$/);
    });

    it('that does not exist is not_found, also under a name that no app can have', async () => {
      for (const app of ['nobody', '../hello', '-x', 'HELLO', '']) {
        expect(await ledger.appExists(app)).toBe(false);
        await expect(ledger.read(app)).rejects.toMatchObject({ code: 'not_found' });
        await expect(ledger.setConfig(app, { FOO: '1' }, 'alice')).rejects.toMatchObject({
          code: 'not_found',
        });
        await expect(ledger.destroyApp(app, 'alice')).rejects.toMatchObject({ code: 'not_found' });
      }
      await expect(ledger.createApp('../x', { deployBranch: 'main' }, 'a')).rejects.toMatchObject({
        code: 'invalid_name',
      });
    });

    it('that is destroyed is gone at once and lies aside with its history', async () => {
      await ledger.appendRelease('hello', draft('b1'), 'alice');
      await ledger.destroyApp('hello', 'alice');
      expect(await ledger.appExists('hello')).toBe(false);
      expect(await ledger.listApps()).toEqual([]);
      await expect(ledger.read('hello')).rejects.toMatchObject({ code: 'not_found' });
      await expect(access(gitDir('hello'))).rejects.toMatchObject({ code: 'ENOENT' });
      const trash = join(homePaths(home).appRepositories, '.trash');
      const [aside] = await readdir(trash);
      expect(aside).toBe(`hello-${clock.now()}`);
      const messages = await git.text(['log', '-1', '--format=%s', 'refs/slipway/ledger'], {
        gitDir: join(trash, aside!),
      });
      expect(messages).toBe('destroy hello by alice');
      await ledger.createApp('hello', { deployBranch: 'main' }, 'bob');
      expect((await ledger.read('hello')).releases).toEqual([]);
    });
  });

  describe('releases', () => {
    it('are numbered from 1 and read back as they were written', async () => {
      const first = await ledger.appendRelease('hello', draft('b1', { config: { FOO: 'sealed' } }), 'alice');
      const second = await ledger.appendRelease(
        'hello',
        draft('b2', { kind: 'rollback', rollbackOf: 1, description: 'rollback to v1' }),
        'bob',
      );
      expect([first.number, second.number]).toEqual([1, 2]);
      const state = await open().read('hello');
      expect(state.releases).toEqual([first, second]);
      expect(state.live).toBeUndefined();
    });

    it('come once per deployment, however often a worker repeats it', async () => {
      const first = await ledger.appendRelease('hello', draft('b1'), 'alice');
      const again = await open().appendRelease('hello', draft('b1', { description: 'another' }), 'bob');
      expect(again).toEqual(first);
      expect((await ledger.read('hello')).releases).toHaveLength(1);
    });

    it('keep their number when they fail: it is not given again', async () => {
      await ledger.appendRelease('hello', draft('b1'), 'alice');
      await ledger.recordOutcome('hello', 1, { state: 'failed', at, reason: 'unhealthy' });
      expect((await ledger.appendRelease('hello', draft('b2'), 'alice')).number).toBe(2);
    });

    it('read well in git log, by who did it', async () => {
      await ledger.appendRelease('hello', draft('b1'), 'alice');
      await ledger.recordOutcome('hello', 1, { state: 'live', at });
      await ledger.setConfig('hello', { FOO: 'x' }, 'bob');
      await ledger.appendRelease('hello', draft('b2'), 'bob');
      await ledger.recordOutcome('hello', 2, { state: 'failed', at, reason: 'exit code 1\nsecond line' });
      expect((await log('%s [%an, %cn]')).split('\n').reverse()).toEqual([
        'create hello by alice [alice, slipway]',
        `v1: deploy ${source.slice(0, 7)} by alice [alice, slipway]`,
        'v1: live [slipway, slipway]',
        'config: set FOO by bob [bob, slipway]',
        `v2: deploy ${source.slice(0, 7)} by bob [bob, slipway]`,
        'v2: failed: exit code 1 second line [slipway, slipway]',
      ]);
    });

    it('of a deploy keep their source reachable, whatever the branches do', async () => {
      await ledger.appendRelease('hello', draft('b1'), 'alice');
      await ledger.setConfig('hello', { FOO: 'x' }, 'bob');
      await git.run(['gc', '--quiet', '--prune=now'], { gitDir: gitDir('hello') });
      expect(await git.text(['cat-file', '-t', source], { gitDir: gitDir('hello') })).toBe('commit');
      const parents = await git.text(['log', '-1', '--format=%P', 'refs/slipway/ledger^'], {
        gitDir: gitDir('hello'),
      });
      expect(parents.split(' ')[1]).toBe(source);
    });

    it('whose source is no commit are refused, and nothing is written', async () => {
      const before = await ledger.read('hello');
      for (const bad of ['f'.repeat(40), '--help', 'main', '']) {
        await expect(
          ledger.appendRelease('hello', draft('b1', { source: bad }), 'alice'),
        ).rejects.toMatchObject({
          code: 'internal',
        });
      }
      expect((await open().read('hello')).head).toBe(before.head);
      expect((await readdir(gitDir('hello'))).filter((name) => name.includes('crash'))).toEqual([]);
    });

    it('survive names and descriptions made to break the format', async () => {
      const nasty = 'eve <x> \n\0 done\nreset refs/heads/main\u2028';
      await ledger.appendRelease('hello', draft('b1', { description: nasty, deploymentId: 'b1' }), nasty);
      const [release] = (await open().read('hello')).releases;
      expect(release?.description).not.toMatch(/\n|\0/);
      expect(await log('%an')).toMatch(/^eve x/);
      expect(await git.text(['for-each-ref', '--format=%(refname)'], { gitDir: gitDir('hello') })).toBe(
        'refs/slipway/ledger',
      );
      expect(await git.text(['fsck', '--strict'], { gitDir: gitDir('hello') })).not.toContain('error');
    });
  });

  describe('an outcome', () => {
    beforeEach(async () => {
      for (const id of ['b1', 'b2', 'b3']) await ledger.appendRelease('hello', draft(id), 'alice');
    });

    it('live makes its release the live one', async () => {
      expect(await ledger.recordOutcome('hello', 2, { state: 'live', at })).toEqual({ state: 'live', at });
      const state = await open().read('hello');
      expect(state.live).toBe(2);
      expect(state.releases.map((release) => release.outcome?.state)).toEqual([undefined, 'live', undefined]);
    });

    it('is what was recorded first; who comes later learns it', async () => {
      await ledger.recordOutcome('hello', 1, { state: 'failed', at, reason: 'unhealthy' });
      const { head } = await ledger.read('hello');
      const late = await open().recordOutcome('hello', 1, { state: 'live', at });
      expect(late).toEqual({ state: 'failed', at, reason: 'unhealthy' });
      const after = await ledger.read('hello');
      expect(after.head).toBe(head);
      expect(after.live).toBeUndefined();
    });

    it('live of a release behind the live one does not turn the app back', async () => {
      await ledger.recordOutcome('hello', 3, { state: 'live', at });
      const late = await ledger.recordOutcome('hello', 2, { state: 'live', at });
      expect(late).toEqual({ state: 'superseded', at, reason: 'v3 was live before' });
      expect((await ledger.read('hello')).live).toBe(3);
    });

    it('of many workers at the same time is one', async () => {
      const outcomes = await Promise.all(
        (['live', 'failed', 'cancelled', 'live', 'superseded'] as const).map((state, n) =>
          open().recordOutcome('hello', 1, { state, at, reason: `${n}` }),
        ),
      );
      expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
    });

    it('other than live leaves the live release alone', async () => {
      await ledger.recordOutcome('hello', 1, { state: 'live', at });
      await ledger.recordOutcome('hello', 2, { state: 'failed', at });
      expect((await ledger.read('hello')).live).toBe(1);
    });

    it('of a release that does not exist is not_found', async () => {
      await expect(ledger.recordOutcome('hello', 9, { state: 'live', at })).rejects.toMatchObject({
        code: 'not_found',
      });
    });
  });

  describe('config vars', () => {
    it('are set, changed and unset, and come back only through the vault', async () => {
      await ledger.setConfig('hello', { FOO: 'hunter2', BAR: 'bär\n"x"' }, 'alice');
      await ledger.setConfig('hello', { FOO: 'hunter3', BAR: null, NEVER: null, EMPTY: '' }, 'bob');
      const { config } = await open().read('hello');
      expect(Object.keys(config).sort()).toEqual(['EMPTY', 'FOO']);
      expect(ledger.revealConfig('hello', config)).toEqual({ FOO: 'hunter3', EMPTY: '' });
      expect((await log('%s')).split('\n').slice(0, 2)).toEqual([
        'config: set FOO, EMPTY, unset BAR by bob',
        'config: set FOO, BAR by alice',
      ]);
    });

    it('are nowhere in the repository in plain text', async () => {
      await ledger.setConfig('hello', { FOO: 'hunter2' }, 'alice');
      const objects = await git.text(['cat-file', '--batch-all-objects', '--batch'], {
        gitDir: gitDir('hello'),
      });
      expect(objects).toContain('config: set FOO');
      expect(objects).not.toContain('hunter2');
    });

    it('that do not change make no commit', async () => {
      const { head } = await ledger.read('hello');
      await ledger.setConfig('hello', {}, 'alice');
      await ledger.setConfig('hello', { NEVER: null }, 'alice');
      expect((await open().read('hello')).head).toBe(head);
    });

    it.each([
      ['a name with =', { 'A=B': '1' }, 'invalid_name'],
      ['one bad name among good ones', { GOOD: '1', '1BAD': '1' }, 'invalid_name'],
      ['__proto__', JSON.parse('{"__proto__":"1"}'), 'invalid_name'],
      ['a NUL', { NUL: 'a\0b' }, 'bad_request'],
      ['a value that execve would refuse', { LONG: 'x'.repeat(64 * 1024 + 1) }, 'too_large'],
    ])('with %s are refused as a whole', async (_what, changes, code) => {
      await expect(ledger.setConfig('hello', changes, 'alice')).rejects.toMatchObject({ code });
      expect((await ledger.read('hello')).config).toEqual({});
    });

    it('named like parts of every object are ordinary', async () => {
      await ledger.setConfig('hello', { constructor: 'a', toString: 'b' }, 'alice');
      expect(ledger.revealConfig('hello', (await open().read('hello')).config)).toEqual({
        constructor: 'a',
        toString: 'b',
      });
      await ledger.setConfig('hello', { valueOf: null }, 'alice');
      expect(await log('%s')).not.toContain('valueOf');
    });
  });

  describe('the placement of an app', () => {
    it('is the local host until it is set, and again when that is taken back', async () => {
      expect((await ledger.read('hello')).placement).toBeUndefined();
      const eu = { label: { name: 'zone', value: 'eu' } };
      expect((await ledger.setPlacement('hello', eu, 'alice')).placement).toEqual(eu);
      await ledger.setPlacement('hello', eu, 'bob');
      await ledger.setPlacement('hello', { hosts: ['alpha', 'beta'] }, 'bob');
      expect((await open().read('hello')).placement).toEqual({ hosts: ['alpha', 'beta'] });
      await ledger.setPlacement('hello', undefined, 'bob');
      expect((await open().read('hello')).placement).toBeUndefined();
      expect((await log('%s')).split('\n').slice(0, 3)).toEqual([
        'placement: on local by bob',
        'placement: on alpha, beta by bob',
        'placement: on hosts with zone=eu by alice',
      ]);
    });

    it('of no app is not_found', async () => {
      await expect(ledger.setPlacement('nobody', undefined, 'alice')).rejects.toMatchObject({
        code: 'not_found',
      });
    });
  });

  describe('writers at the same time', () => {
    it('all get through, with a number each', async () => {
      const ledgers = Array.from({ length: 10 }, () => open());
      const releases = await Promise.all(
        ledgers.map((each, n) => each.appendRelease('hello', draft(`b${n}`), `user-${n}`)),
      );
      expect(releases.map((release) => release.number).sort((a, b) => a - b)).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ]);
      expect((await open().read('hello')).releases).toEqual(
        [...releases].sort((a, b) => a.number - b.number),
      );
      expect(await git.text(['fsck'], { gitDir: gitDir('hello') })).not.toContain('error');
    });

    it('of different things lose nothing', async () => {
      const [a, b] = [open(), open()];
      await Promise.all([
        a.setConfig('hello', { A: '1' }, 'alice'),
        b.setConfig('hello', { B: '2' }, 'bob'),
        a.appendRelease('hello', draft('b1'), 'alice'),
        b.appendRelease('hello', draft('b2'), 'bob'),
        b.setConfig('hello', { C: '3' }, 'bob'),
      ]);
      const state = await open().read('hello');
      expect(Object.keys(state.config).sort()).toEqual(['A', 'B', 'C']);
      expect(state.releases.map((release) => release.number)).toEqual([1, 2]);
    });

    it('for the same deployment make one release', async () => {
      const releases = await Promise.all(
        Array.from({ length: 5 }, () => open().appendRelease('hello', draft('b1'), 'alice')),
      );
      expect(releases.map((release) => release.number)).toEqual([1, 1, 1, 1, 1]);
    });

    it('are not stopped by the lock of a git that was killed', async () => {
      const lock = join(gitDir('hello'), 'refs/slipway/ledger.lock');
      await writeFile(lock, '');
      await utimes(lock, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
      await ledger.setConfig('hello', { A: '1' }, 'alice');
      expect(Object.keys((await open().read('hello')).config)).toEqual(['A']);
    });

    it('stop with git’s words, not for ever, when the ref cannot be written', async () => {
      await writeFile(join(gitDir('hello'), 'refs/slipway/ledger.lock'), '');
      await expect(ledger.setConfig('hello', { A: '1' }, 'alice')).rejects.toThrow(/lock/);
      expect((await open().read('hello')).config).toEqual({});
    });
  });

  describe('reading', () => {
    it('starts no process while the ledger stands still, and sees what another process wrote', async () => {
      const counting = new CountingGit();
      const reader = open(counting);
      const first = await reader.read('hello');
      const { calls } = counting;
      expect(await reader.read('hello')).toBe(first);
      expect(await reader.appExists('hello')).toBe(true);
      expect(counting.calls).toBe(calls);
      await open().setConfig('hello', { A: '1' }, 'alice');
      expect(Object.keys((await reader.read('hello')).config)).toEqual(['A']);
    });

    it('starts none after a change of its own', async () => {
      const counting = new CountingGit();
      const writer = open(counting);
      await writer.setConfig('hello', { A: '1' }, 'alice');
      const { calls } = counting;
      const own = await writer.read('hello');
      expect(counting.calls).toBe(calls);
      expect(own).toEqual(await open().read('hello'));
    });

    it('goes on when git has packed the refs', async () => {
      await ledger.appendRelease('hello', draft('b1'), 'alice');
      await git.run(['pack-refs', '--all'], { gitDir: gitDir('hello') });
      expect((await open().read('hello')).releases).toHaveLength(1);
      expect(await open().listApps()).toEqual(['hello']);
      await ledger.appendRelease('hello', draft('b2'), 'alice');
      expect((await open().read('hello')).releases).toHaveLength(2);
    });

    it('names the document that somebody broke', async () => {
      const broken = await commitFile(gitDir('hello'), 'app.json', '{"name": 7}');
      await git.run(['update-ref', 'refs/slipway/ledger', broken], { gitDir: gitDir('hello') });
      await expect(open().read('hello')).rejects.toMatchObject({
        code: 'unavailable',
        where: `app.json in ${broken}`,
      });
    });

    it('needs nothing but a mirror of the repository', async () => {
      await ledger.appendRelease('hello', draft('b1'), 'alice');
      await ledger.recordOutcome('hello', 1, { state: 'live', at });
      const copy = join(await temporaryDirectory(), 'git', 'apps');
      await git.run(['init', '--quiet', '--bare', join(copy, 'hello.git')]);
      await git.run(['push', '--quiet', '--mirror', join(copy, 'hello.git')], { gitDir: gitDir('hello') });
      const restored = new Ledger({ appRepositories: copy }, git, vault);
      expect(await restored.read('hello')).toEqual(await ledger.read('hello'));
    });
  });
});

import { readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AppRepositories, checkBranch } from '../../src/git/app-repository.js';
import { git, temporaryDirectory, treeBytes, writeCommit, writeObject } from './support/repositories.js';

async function repositories(): Promise<{ apps: AppRepositories; root: string }> {
  const root = join(await temporaryDirectory(), 'git', 'apps');
  return { apps: new AppRepositories({ appRepositories: root }, git), root };
}

/** An app with two commits, the second on top of the first. */
async function withHistory(): Promise<{
  apps: AppRepositories;
  first: string;
  second: string;
  gitDir: string;
}> {
  const { apps } = await repositories();
  await apps.create('hello', 'main');
  const gitDir = apps.path('hello');
  const tree = await writeObject(gitDir, 'tree', treeBytes([]));
  const first = await writeCommit(gitDir, tree, [], 'first');
  return { apps, first, second: await writeCommit(gitDir, tree, [first], 'second'), gitDir };
}

describe("an app's repository", () => {
  test('is complete, private, checks what it gets and takes nothing behind our back', async () => {
    const { apps, root } = await repositories();
    await apps.create('hello', 'trunk');
    const gitDir = apps.path('hello');
    const setting = (name: string): Promise<string> => git.text(['config', name], { gitDir });
    expect(await git.text(['symbolic-ref', 'HEAD'], { gitDir })).toBe('refs/heads/trunk');
    expect((await stat(gitDir)).mode & 0o077).toBe(0);
    expect(await setting('receive.fsckObjects')).toBe('true');
    expect(await setting('transfer.hideRefs')).toBe('refs/slipway');
    expect(await setting('receive.procReceiveRefs')).toBe('refs');
    expect(await setting('gc.auto')).toBe('0');
    expect(await readdir(root)).toEqual(['hello.git']);
    await git.run(['fsck', '--strict'], { gitDir });
  });

  test('is made once: a second one of the name is a conflict and leaves nothing', async () => {
    const { apps, root } = await repositories();
    const made = await Promise.allSettled([
      apps.create('hello', 'main'),
      apps.create('hello', 'main'),
      apps.create('hello', 'main'),
    ]);
    expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const one of made)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'conflict' });
    await apps.ensure('hello', 'main');
    expect(await readdir(root)).toEqual(['hello.git']);
  });

  test('has a name that is an app name', async () => {
    const { apps } = await repositories();
    for (const name of ['..', '../x', 'a/b', '-x', '', '.new-1', 'A']) {
      await expect(apps.create(name, 'main')).rejects.toMatchObject({ code: 'invalid_name' });
      expect(() => apps.path(name)).toThrow();
    }
  });

  test('goes as a whole, and its name is free again', async () => {
    const { apps, root } = await repositories();
    await apps.create('hello', 'main');
    await apps.destroy('hello');
    await apps.destroy('hello');
    expect(await apps.exists('hello')).toBe(false);
    expect(await readdir(root)).toEqual([]);
    await apps.create('hello', 'main');
  });
});

describe('pins', () => {
  test('keep a commit from being collected until they are taken back', async () => {
    const { apps, first, second, gitDir } = await withHistory();
    await apps.pin('hello', 'b1', second);
    await apps.pin('hello', 'b1', second);
    await git.run(['gc', '--quiet', '--prune=now'], { gitDir });
    expect(await git.text(['cat-file', '-t', first], { gitDir })).toBe('commit');
    expect(await apps.pins('hello')).toEqual(new Map([['b1', second]]));
    await apps.pin('hello', 'b2', first);
    expect(await apps.newestPins(gitDir, 1)).toEqual([first]);
    await apps.unpin('hello', 'b1');
    await apps.unpin('hello', 'b1');
    await apps.unpin('hello', 'b2');
    expect(await apps.pins('hello')).toEqual(new Map());
    await git.run(['gc', '--quiet', '--prune=now'], { gitDir });
    expect((await git.result(['cat-file', '-t', first], { gitDir })).exitCode).not.toBe(0);
  });

  test('need a commit that is there and an id that is one', async () => {
    const { apps, first } = await withHistory();
    await expect(apps.pin('hello', 'b1', '2'.repeat(40))).rejects.toThrow('git update-ref failed');
    await expect(apps.pin('hello', 'b1', '--stdin')).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(apps.pin('hello', '../../heads/main', first)).rejects.toMatchObject({
      code: 'invalid_name',
    });
  });
});

describe('moving a branch', () => {
  test('compares before it swaps, and may be done again', async () => {
    const { apps, first, second } = await withHistory();
    expect(await apps.branch('hello', 'main')).toBeUndefined();
    await apps.moveBranch('hello', 'main', undefined, first);
    await apps.moveBranch('hello', 'main', first, second);
    await apps.moveBranch('hello', 'main', first, second);
    expect(await apps.branch('hello', 'main')).toBe(second);
    await expect(apps.moveBranch('hello', 'main', undefined, first)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(second),
    });
    await apps.moveBranch('hello', 'main', second, first);
    expect(await apps.branch('hello', 'main')).toBe(first);
  });

  test('moves although a process was killed while it moved', async () => {
    const { apps, first, second } = await withHistory();
    await apps.moveBranch('hello', 'main', undefined, first);
    const lock = join(apps.path('hello'), 'refs/heads/main.lock');
    await writeFile(lock, '');
    await expect(apps.moveBranch('hello', 'main', first, second)).rejects.toThrow(/lock/);
    await utimes(lock, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
    await apps.moveBranch('hello', 'main', first, second);
    expect(await apps.branch('hello', 'main')).toBe(second);
  });

  test('of two at once one wins', async () => {
    const { apps, first, second } = await withHistory();
    const moves = await Promise.allSettled([
      apps.moveBranch('hello', 'main', undefined, first),
      apps.moveBranch('hello', 'main', undefined, second),
    ]);
    expect(moves.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('knows which commit descends from which', async () => {
    const { apps, first, second } = await withHistory();
    expect(await apps.isAncestor('hello', first, second)).toBe(true);
    expect(await apps.isAncestor('hello', second, first)).toBe(false);
    await expect(apps.isAncestor('hello', '2'.repeat(40), first)).rejects.toThrow('git merge-base failed');
  });

  test('takes branch names and nothing that git or a path could read otherwise', () => {
    for (const name of ['main', 'feature/x-1', 'v1.0', '_x', 'a@b']) expect(checkBranch(name)).toBe(name);
    for (const name of [
      '',
      '-d',
      'a..b',
      'a//b',
      '/a',
      'a/',
      'a.lock',
      'a.lock/b',
      'a@{1}',
      'a b',
      'a\n',
      'a/.b',
      'x.',
      'ü',
      'a~1',
      'a:b',
      'a'.repeat(300),
    ]) {
      expect(() => checkBranch(name), name).toThrow(expect.objectContaining({ code: 'invalid_name' }));
    }
  });
});

describe('the commits between two', () => {
  test('are shown by the beginning of their subjects, however long these are', async () => {
    const { apps, first, gitDir } = await withHistory();
    const tree = await writeObject(gitDir, 'tree', treeBytes([]));
    const who = {
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a',
    };
    const call = { gitDir, env: who, input: 'ä'.repeat(36 * 1024 * 1024) };
    const vast = await git.text(['commit-tree', tree, '-p', first, '-F', '-'], call);
    expect(await apps.subjects('hello', first, vast, 10)).toEqual([
      { commit: vast, subject: `${'ä'.repeat(199)}…` },
    ]);
  });
});

/** `--build-context NAME=…`: a directory or a repository to copy from, to mount, and to start from; and ADD of a repository. */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGitSource } from '../../src/build/add/git-source.js';
import type { ContextOrImage } from '../../src/build/build-request.js';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { GitRemotes } from '../../src/build/context/git-remotes.js';
import { openGitContext, parseGitContext } from '../../src/build/context/git-url-context.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { filesOf } from '../support/image-files.js';

const never = new AbortController().signal;
let builder: TestBuilder;
let remotes: GitRemotes;
beforeAll(async () => {
  builder = await TestBuilder.start();
  remotes = new GitRemotes({ git: builder.git, directory: join(builder.directory, 'remotes'), rules: {} });
});
afterAll(async () => {
  remotes?.close();
  await builder?.stop();
});

async function directoryOf(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await temporaryDirectory();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return directory;
}

function named(directory: string): ReadonlyMap<string, ContextOrImage> {
  const open = () => openDirectoryContext(directory, DEFAULT_LIMITS, never);
  return new Map([['data', { kind: 'directory', open }]]);
}

it('gives its files without what its own .dockerignore takes out, to COPY and to a mount', async () => {
  const directory = await directoryOf({ '.dockerignore': 'secret\n', secret: 's', f: 'x' });
  const commit = await builder.commit({
    Dockerfile: [
      'FROM busybox',
      'COPY --from=data . /copied/',
      'RUN --mount=type=bind,from=data,target=/m ls -A /m > /listed',
      '',
    ].join('\n'),
    '.dockerignore': 'f\n',
  });
  const { image } = await builder.build(commit, { contexts: named(directory) });
  const files = await filesOf(image, builder.store);
  expect([...files.keys()].filter((path) => path.startsWith('copied/'))).toEqual([
    'copied/.dockerignore',
    'copied/f',
  ]);
  expect(files.get('listed')?.text).toBe('.dockerignore\nf\n');
});

it('is the base of a stage: one layer with all its files, and a history entry for it', async () => {
  const directory = await directoryOf({ '.dockerignore': 'secret\n', secret: 's', 'etc/os': 'mine' });
  const commit = await builder.commit({
    Dockerfile: 'FROM data AS base\nFROM base\nCOPY Dockerfile /d\nCMD ["x"]\n',
    '.dockerignore': null,
  });
  const { image, steps } = await builder.build(commit, { contexts: named(directory) });
  const files = await filesOf(image, builder.store);
  expect([...files.keys()]).toEqual(['.dockerignore', 'd', 'etc', 'etc/os']);
  expect(files.get('etc/os')).toMatchObject({ text: 'mine', uid: 0, mtime: 315_532_800 });
  const history = image.document.history ?? [];
  expect(history.filter((entry) => entry.empty_layer !== true)).toHaveLength(image.layers.length);
  expect(history[0]?.created_by).toBe('FROM data');
  expect(steps.cached).toBe(0);
  const again = await builder.build(commit, { contexts: named(directory) });
  expect([again.image.digest, again.steps]).toEqual([image.digest, { cached: 1, total: 1 }]);
  await writeFile(join(directory, 'etc/os'), 'theirs');
  const changed = await builder.build(commit, { contexts: named(directory) });
  expect((await filesOf(changed.image, builder.store)).get('etc/os')?.text).toBe('theirs');
  expect(changed.steps.cached).toBe(0);
});

it('is an empty base when nothing is in it', async () => {
  const commit = await builder.commit({ Dockerfile: 'FROM data\nCOPY Dockerfile /d\n' });
  const { image } = await builder.build(commit, { contexts: named(await temporaryDirectory()) });
  expect(image.layers).toHaveLength(1);
  expect(image.document.history).toHaveLength(1);
});

it('may be a repository; and ADD takes one too, without any ignore file', async () => {
  const work = join(await temporaryDirectory(), 'other');
  const run = (...args: string[]): void => {
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com'];
    execFileSync('git', [...identity, ...args], { cwd: dirname(work), stdio: 'pipe' });
  };
  run('init', '--quiet', '--initial-branch=main', work);
  await mkdir(join(work, 'sub'));
  await writeFile(join(work, 'sub/f'), 'from git');
  await writeFile(join(work, '.dockerignore'), 'sub\n');
  run('-C', work, 'add', '--all');
  run('-C', work, 'commit', '--quiet', '-m', 'x');
  const source = parseGitContext(`file://${work}#main`);
  const commit = await builder.commit({
    Dockerfile: 'FROM scratch\nCOPY --from=data . /copied/\nADD https://host/other.git /added/\n',
  });
  const open = () => openGitContext(source, remotes, DEFAULT_LIMITS, never);
  const { image } = await builder.build(commit, {
    contexts: new Map([['data', { kind: 'directory', open }]]),
    tools: {
      openGit: async (wanted) => {
        expect(wanted.remote).toBe('https://host/other.git');
        return openGitSource({ ...wanted, remote: source.remote }, remotes, DEFAULT_LIMITS, never);
      },
    },
  });
  const files = await filesOf(image, builder.store);
  expect([...files.keys()]).toEqual([
    ...['added', 'added/.dockerignore', 'added/sub', 'added/sub/f'],
    ...['copied', 'copied/.dockerignore'],
  ]);
});

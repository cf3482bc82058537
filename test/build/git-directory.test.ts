/** ADD --keep-git-dir and contexts with their `.git`: a repository that git can use, and the same bytes each time. */
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openGitSource } from '../../src/build/add/git-source.js';
import { GitRemotes } from '../../src/build/context/git-remotes.js';
import { parseGitContext } from '../../src/build/context/git-url-context.js';
import { type CopySource, plainSelector } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { temporaryDirectory } from '../support/directories.js';
import { commitFiles, layOut, newRepository, plainGit } from '../support/remote-repository.js';
import { git } from '../support/repository.js';

const never = new AbortController().signal;
let directory: string;
let work: string;
beforeEach(async () => {
  directory = await temporaryDirectory();
  work = await newRepository(join(directory, 'work'), { a: 'one\n' });
  await symlink('a', join(work, 'link'));
  await mkdir(join(work, '.git-like'));
  await writeFile(join(work, '.git-like/x'), 'x');
  await writeFile(join(work, 'tool'), '#!/bin/sh\n');
  await chmod(join(work, 'tool'), 0o755);
  await commitFiles(work, { 'sub/b': 'two\n', 'w.txt': 'windows\n', '.gitattributes': '*.txt eol=crlf\n' });
});

async function open(ref: string, fetched = 'remotes', keepGitDir = true): Promise<CopySource> {
  const remotes = new GitRemotes({ git, directory: join(directory, fetched), rules: {} });
  const address = parseGitContext(`./work#${ref}`, directory);
  return openGitSource({ ...address, keepGitDir }, remotes, DEFAULT_LIMITS, never);
}

async function contentOf(source: CopySource): Promise<string | undefined> {
  return (await source.select(plainSelector('.')))[0]?.content;
}

async function bytes(at: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(at, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    found[path.slice(at.length)] = entry.isFile() ? (await readFile(path)).toString('base64') : '';
  }
  return found;
}

describe('the .git of a commit', () => {
  it('is a repository: log, status, describe', async () => {
    const commit = plainGit(['rev-parse', 'HEAD'], work);
    const out = join(directory, 'out');
    await layOut(await open('main'), out);
    expect(plainGit(['log', '--format=%H %s'], out)).toBe(`${commit} x`);
    expect(plainGit(['status', '--porcelain'], out)).toBe('');
    expect(plainGit(['describe', '--always', '--dirty', '--abbrev=40'], out)).toBe(commit);
    expect(plainGit(['branch', '--format=%(refname)'], out)).toContain('refs/heads/main');
    expect(plainGit(['rev-parse', '--is-shallow-repository'], out)).toBe('true');
    plainGit(['fsck', '--strict'], out);
    await writeFile(join(out, 'a'), 'other\n');
    expect(plainGit(['status', '--porcelain'], out)).toBe(' M a');
    plainGit(['commit', '--quiet', '-a', '-m', 'on top'], out);
    expect(plainGit(['rev-parse', 'HEAD~'], out)).toBe(commit);
  });

  it('knows the tag that was asked for', async () => {
    plainGit(['tag', '-a', '-m', 'x', 'v1.2'], work);
    const out = join(directory, 'out');
    await layOut(await open('v1.2'), out);
    expect(plainGit(['describe', '--tags'], out)).toBe('v1.2');
  });

  it('has the same bytes wherever and however it was fetched', async () => {
    const commit = plainGit(['rev-parse', 'HEAD'], work);
    await layOut(await open(commit), join(directory, 'one'));
    plainGit(['repack', '-a', '-d', '-f', '--quiet'], work);
    await commitFiles(work, { later: 'x' });
    await layOut(await open(commit, 'others'), join(directory, 'two'));
    const [one, two] = [await bytes(join(directory, 'one')), await bytes(join(directory, 'two'))];
    expect(Object.keys(one).some((path) => /^\/\.git\/objects\/pack\/pack-.*\.pack$/.test(path))).toBe(true);
    expect(two).toEqual(one);
  });

  it('makes the commit part of what the files are known by', async () => {
    const kept = await contentOf(await open('main'));
    const plain = await contentOf(await open('main', 'remotes', false));
    expect(kept).not.toBe(plain);
    await commitFiles(work, {}); // another commit of the same files
    expect(await contentOf(await open('main', 'remotes', false))).toBe(plain);
    expect(await contentOf(await open('main'))).not.toBe(kept);
  });

  it('is of the whole tree only, and names no place of this machine', async () => {
    const out = join(directory, 'out');
    await layOut(await open('main:sub'), out);
    expect(await readdir(out)).toEqual(['b']);
    await layOut(await open('main'), join(directory, 'all'));
    expect(await readFile(join(directory, 'all/.git/config'), 'utf8')).not.toContain(directory);
  });
});

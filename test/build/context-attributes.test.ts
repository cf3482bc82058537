/** A context from git holds what a checkout of the commit would hold: compared with what git itself checks out. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { GitContext } from '../../src/build/context/git-context.js';
import { plainSelector } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import { ObjectReader } from '../../src/git/objects.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

let work: string;
beforeEach(async () => {
  work = join(await temporaryDirectory(), 'work');
  run(['init', '--quiet', work], '/');
});

function run(args: readonly string[], cwd = work): string {
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const identity = [
    '-c',
    'user.name=t',
    '-c',
    'user.email=t@example.com',
    '-c',
    'protocol.file.allow=always',
  ];
  return execFileSync('git', [...identity, ...args], { cwd, env, encoding: 'utf8', stdio: 'pipe' }).trim();
}

/** Blobs as they are given: nothing is converted on the way in. */
async function commit(files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    const oid = execFileSync('git', ['hash-object', '-w', '--stdin'], {
      cwd: work,
      input: content,
      encoding: 'utf8',
    });
    run(['update-index', '--add', '--cacheinfo', `100644,${oid.trim()},${path}`]);
  }
  run(['commit', '--quiet', '--allow-empty', '-m', 'x']);
  return run(['rev-parse', 'HEAD']);
}

function open(oid: string, subdirectory?: string): Promise<GitContext> {
  const gitDir = join(work, '.git');
  const source = { git, gitDir, objects: new ObjectReader(gitDir) };
  return GitContext.open(
    oid,
    source,
    DEFAULT_LIMITS,
    undefined,
    subdirectory === undefined ? {} : { subdirectory },
  );
}

async function contents(context: GitContext, argument = '.'): Promise<Record<string, string>> {
  const source = await context.source(parseIgnore(''), '.dockerignore');
  const found: Record<string, string> = {};
  for (const selection of await source.select(plainSelector(argument)))
    for (const entry of await selection.entries()) {
      if (entry.type !== 'file') continue;
      const content = await source.content(entry);
      const bytes = 'data' in content ? Buffer.from(content.data) : await readFile(content.file);
      found[entry.path === '' ? selection.name : entry.path] = bytes.toString('latin1');
    }
  return found;
}

async function identity(oid: string, argument: string): Promise<string | undefined> {
  const source = await (await open(oid)).source(parseIgnore(''), '.dockerignore');
  return (await source.select(plainSelector(argument)))[0]?.content;
}

describe('attributes', () => {
  const files = {
    '.gitattributes': [
      '[attr]dos text eol=crlf',
      '*.bat dos',
      '*.txt text=auto eol=crlf',
      '*.id ident',
      'wide.* working-tree-encoding=UTF-16LE',
      '*.bin binary',
      'keep.bat -text -eol',
      'archive export-ignore export-subst',
    ].join('\n'),
    'a.bat': 'one\ntwo\n',
    'a.txt': 'one\ntwo\n',
    'mixed.txt': 'one\r\ntwo\n',
    'nul.txt': 'one\n\0two\n',
    'a.id': 'x $Id$ y $Id: old $ z\n',
    'wide.x': 'hé\n',
    'x.bin': '\n\n$Id$',
    'keep.bat': 'one\n',
    archive: '$Format:%H$\n',
    'sub/.gitattributes': '*.bat eol=lf\n*.sh eol=crlf\n',
    'sub/a.bat': 'one\n',
    'sub/a.sh': 'one\n',
    'sub/deep/a.id': '$Id$\n',
  };

  it('make the bytes that a checkout has', async () => {
    const oid = await commit(files);
    run(['reset', '--quiet', '--hard']);
    const found = await contents(await open(oid));
    for (const path of Object.keys(files))
      expect([path, found[path]]).toEqual([path, (await readFile(join(work, path))).toString('latin1')]);
    expect(found['a.bat']).toBe('one\r\ntwo\r\n');
    expect(found['a.id']).toMatch(/^x \$Id: [0-9a-f]{40} \$ y \$Id: [0-9a-f]{40} \$ z\n$/);
    expect(found['wide.x']).toBe(Buffer.from('hé\n', 'utf16le').toString('latin1'));
    expect(found.archive).toBe('$Format:%H$\n');
  });

  it('of directories above count in a subdirectory, and for a file that is read by itself', async () => {
    const oid = await commit({ ...files, 'sub/b.id': '$Id$\n' });
    const context = await open(oid, 'sub');
    expect(context.id).toBe(`${oid}:sub`);
    const found = await contents(context);
    expect(found['a.bat']).toBe('one\n');
    expect(found['b.id']).toMatch(/^\$Id: [0-9a-f]{40} \$\n$/);
    expect((await context.read('a.sh'))?.toString()).toBe('one\r\n');
  });

  it('are in the key of the files and of the directories around them', async () => {
    const before = await commit({ 'd/e/f.bat': 'one\n', 'other/f': 'x', '.gitattributes': '' });
    const after = await commit({ '.gitattributes': '*.bat eol=crlf\n' });
    for (const path of ['d/e/f.bat', 'd/e', 'd', '.'])
      expect(await identity(after, path)).not.toBe(await identity(before, path));
    expect(await identity(after, 'other')).toBe(await identity(before, 'other'));
    expect(await identity(before, 'd')).toMatch(/^git tree [0-9a-f]{40}$/);
  });

  it('run nothing, whatever driver they name', async () => {
    const touched = join(await temporaryDirectory(), 'touched');
    const script = join(await temporaryDirectory(), 'driver');
    await writeFile(script, `#!/bin/sh\ntouch ${touched}\ncat\n`);
    await chmod(script, 0o755);
    for (const name of ['evil', 'lfs'])
      for (const what of ['smudge', 'process', 'clean']) run(['config', `filter.${name}.${what}`, script]);
    const oid = await commit({
      '.gitattributes': '* filter=evil ident\nlfs filter=lfs eol=crlf\n',
      f: '$Id$\n',
      lfs: 'x\n',
    });
    const found = await contents(await open(oid));
    expect(found.lfs).toBe('x\r\n');
    expect(found.f).toMatch(/^\$Id: /);
    expect(existsSync(touched)).toBe(false);
  });

  it('name an encoding, not a setting', async () => {
    const oid = await commit({ '.gitattributes': 'f working-tree-encoding="a\n', f: 'x' });
    await expect(open(oid)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining('no name of an encoding'),
    });
  });
});

describe('a file in Git LFS', () => {
  const data = 'the large file';
  const sha256 = createHash('sha256').update(data).digest('hex');
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${data.length}\n`;
  const files = {
    '.gitattributes': '*.big filter=lfs diff=lfs merge=lfs -text\n',
    'd/a.big': pointer,
    'd/not-lfs': pointer,
    'other/b': 'x',
    'real.big': 'not a pointer',
  };

  it('is refused when something takes it, and only then', async () => {
    const context = await open(await commit(files));
    expect(await contents(context, 'other')).toEqual({ b: 'x' });
    expect(await contents(context, 'real.big')).toEqual({ 'real.big': 'not a pointer' });
    expect(await contents(context, 'd/not-lfs')).toEqual({ 'not-lfs': pointer });
    for (const path of ['d', 'd/a.big', '.'])
      await expect(contents(context, path)).rejects.toMatchObject({
        code: 'context_invalid',
        message:
          '"d/a.big" is in Git LFS, and the commit holds only a pointer to it (filter=lfs in .gitattributes)',
        hint: expect.stringContaining('git lfs migrate'),
      });
  });

  it('is the object when the repository has it, by another key than the pointer', async () => {
    const oid = await commit(files);
    const before = await identity(oid, 'd');
    const object = join(work, '.git/lfs/objects', sha256.slice(0, 2), sha256.slice(2, 4), sha256);
    await mkdir(dirname(object), { recursive: true });
    await writeFile(object, data);
    expect(await contents(await open(oid), 'd')).toEqual({ 'a.big': data, 'not-lfs': pointer });
    expect(await identity(oid, 'd')).not.toBe(before);
    await writeFile(object, `${data}!`);
    await expect(contents(await open(oid), 'd')).rejects.toMatchObject({ code: 'context_invalid' });
    await rm(object);
  });
});

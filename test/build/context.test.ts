/** The context from hostile commits: made with git's plumbing, as no working tree would hold them. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GitContext } from '../../src/build/context/git-context.js';
import { plainSelector } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import { ObjectReader } from '../../src/git/objects.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

type Line = readonly [mode: string, oid: string, name: string | Buffer];

let gitDir: string;
let objects: ObjectReader;
beforeAll(async () => {
  gitDir = join(await temporaryDirectory(), 'hostile.git');
  execFileSync('git', ['init', '--quiet', '--bare', gitDir]);
  objects = new ObjectReader(gitDir);
});
afterAll(() => objects?.close());

const blob = (content: string | Buffer): Promise<string> =>
  git.text(['hash-object', '-w', '--stdin'], { gitDir, input: content });

/** A tree as it is given, sorted or not: nothing is checked. */
function tree(lines: readonly Line[]): Promise<string> {
  const parts = lines.map(([mode, oid, name]) =>
    Buffer.concat([
      Buffer.from(`${mode} `),
      Buffer.from(name as string),
      Buffer.from([0]),
      Buffer.from(oid, 'hex'),
    ]),
  );
  const input = Buffer.concat(parts);
  return git.text(['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], { gitDir, input });
}

async function open(oid: string): Promise<GitContext> {
  const commit = await git.text(['commit-tree', oid, '-m', 'x'], {
    gitDir,
    env: { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a' },
  });
  return GitContext.open(commit, { git, gitDir, objects }, DEFAULT_LIMITS);
}

/** Paths that an argument selects, under the name that they get, with a symlink's target. */
async function selected(context: GitContext, argument: string, ignore = ''): Promise<string[]> {
  const found: string[] = [];
  const source = await context.source(parseIgnore(ignore), '.dockerignore');
  for (const selection of await source.select(plainSelector(argument))) {
    for (const { path, type, linkname } of await selection.entries()) {
      const link = linkname === undefined ? '' : ` -> ${linkname}`;
      found.push(
        `${selection.name}${path === '' ? '' : `:${path}`}${type === 'directory' ? '/' : ''}${link}`,
      );
    }
  }
  return found;
}

describe('a context that is too large', () => {
  it('is refused before its ten billion files are listed', async () => {
    const file = await blob('x');
    let oid = await tree(Array.from({ length: 10 }, (_, at): Line => ['100644', file, `f${at}`]));
    for (let depth = 0; depth < 9; depth++)
      oid = await tree(Array.from({ length: 10 }, (_, at): Line => ['40000', oid, `d${at}`]));
    await expect(open(oid)).rejects.toMatchObject({
      code: 'context_too_large',
      message: 'the context has more than 50000 files',
      hint: expect.stringContaining('SLIPWAY_LIMIT_CONTEXT_FILES'),
    });
  });

  it('is refused when it is made of directories alone', async () => {
    let oid = await tree([]);
    for (let depth = 0; depth < 9; depth++)
      oid = await tree(Array.from({ length: 10 }, (_, at): Line => ['40000', oid, `d${at}`]));
    await expect(open(oid)).rejects.toMatchObject({
      code: 'context_too_large',
      message: 'the context has more than 50000 directories',
    });
  });

  it('is refused when it is too deep', async () => {
    let oid = await tree([['100644', await blob('x'), 'f']]);
    for (let depth = 0; depth < 60; depth++) oid = await tree([['40000', oid, 'd']]);
    await expect(open(oid)).rejects.toMatchObject({
      code: 'context_too_large',
      message: expect.stringContaining('more than 50 directories deep'),
    });
  });
});

describe('a context with names that cannot be', () => {
  it.each<[string, string | Buffer, RegExp]>([
    ['..', '..', /not a path that a repository may hold/],
    ['.git in capitals', '.GIT', /not a path that a repository may hold/],
    ['a whiteout', '.wh.x', /starts with "\.wh\."/],
    ['bytes that are not UTF-8', Buffer.from([0x66, 0xff]), /is not UTF-8/],
    ['a name longer than a file system takes', 'n'.repeat(256), /longer than 255 bytes/],
  ])('refuses %s', async (_what, name, message) => {
    await expect(open(await tree([['100644', await blob('x'), name]]))).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringMatching(message),
    });
  });

  it('refuses the same path twice, as file and as directory', async () => {
    const file = await blob('x');
    const oid = await tree([
      ['120000', await blob('/etc'), 'a'],
      ['40000', await tree([['100644', file, 'passwd']]), 'a'],
    ]);
    await expect(open(oid)).rejects.toMatchObject({ code: 'context_invalid' });
  });

  it('refuses a file whose bytes the repository lacks', async () => {
    await expect(open(await tree([['100644', '1'.repeat(40), 'f']]))).rejects.toMatchObject({
      code: expect.stringMatching(/context_invalid|internal/),
    });
  });

  it('takes quotes, line ends, backslashes and what looks like an option', async () => {
    const file = await blob('x');
    const names = ['"q"', '-rf', 'a\nb', 'back\\slash', 'emoji 🙂'];
    const context = await open(await tree(names.map((name): Line => ['100644', file, name])));
    expect(await selected(context, '.')).toEqual(['/', ...names.map((name) => `:${name}`)]);
  });
});

describe('a symlink of the context', () => {
  it.each<[string, string | Buffer]>([
    ['is empty', ''],
    ['is longer than any path', 'x'.repeat(5000)],
    ['is not UTF-8', Buffer.from([0xff, 0xfe])],
    ['holds a NUL', 'a\0b'],
  ])('is refused when its target %s', async (_what, target) => {
    await expect(open(await tree([['120000', await blob(target), 'l']]))).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringContaining('symlink'),
    });
  });

  it('ends a loop as a file that is not there', async () => {
    const context = await open(
      await tree([
        ['120000', await blob('b'), 'a'],
        ['120000', await blob('./a/../a'), 'b'],
      ]),
    );
    await expect(selected(context, 'a/x')).rejects.toMatchObject({ code: 'source_missing' });
    expect(await context.read('a')).toBeUndefined();
  });

  it('is followed when it is named or matched, and copied as a link inside a directory', async () => {
    const file = await blob('x');
    const context = await open(
      await tree([
        ['40000', await tree([['100644', file, 'f.txt']]), 'dir'],
        ['120000', await blob('dir'), 'to-dir'],
        ['120000', await blob('dir/f.txt'), 'to-file'],
      ]),
    );
    expect(await selected(context, 'to-file')).toEqual(['to-file']);
    expect(await selected(context, 'to-*')).toEqual(['to-dir/', 'to-dir:f.txt', 'to-file']);
    expect(await selected(context, 'to-dir/*.txt')).toEqual(['f.txt']);
    expect(await selected(context, 'to-dir/../dir')).toEqual(['dir/', 'dir:f.txt']);
    expect(await selected(context, '.')).toContain(':to-dir -> dir');
  });

  it('leads to nothing that is ignored', async () => {
    const context = await open(
      await tree([
        ['120000', await blob('secret'), 'link'],
        ['100644', await blob('x'), 'secret'],
      ]),
    );
    for (const argument of ['link', 'l*'])
      await expect(selected(context, argument, 'secret\n')).rejects.toMatchObject({
        code: 'source_missing',
        message: '"link" is excluded from the build context by .dockerignore',
      });
  });
});

describe('a wildcard', () => {
  it('may match nothing, and does not look below what it matched', async () => {
    const file = await blob('x');
    const inner = await tree([
      ['100644', file, 'a'],
      ['40000', await tree([['100644', file, 'a']]), 'aa'],
    ]);
    const context = await open(await tree([['40000', inner, 'a']]));
    expect(await selected(context, 'z*')).toEqual([]);
    expect(await selected(context, 'nowhere/*')).toEqual([]);
    expect(await selected(context, 'a*')).toEqual(['a/', 'a:a', 'a:aa/', 'a:aa/a']);
  });

  it('goes through directories in the order of their names, as a later one replaces what an earlier brought', async () => {
    const file = await tree([['100644', await blob('x'), 'f']]);
    // git sorts a directory as if its name ended with a slash: a-b comes before a.
    const context = await open(
      await tree([
        ['40000', file, 'a-b'],
        ['40000', file, 'a'],
      ]),
    );
    expect(await selected(context, 'a*')).toEqual(['a/', 'a:f', 'a-b/', 'a-b:f']);
  });
});

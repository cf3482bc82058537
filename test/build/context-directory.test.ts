/** A directory of this machine as the build context: what `docker build DIR` would see, and what it costs. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, link, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildContext } from '../../src/build/context/context.js';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { plainSelector, type SourceEntry } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS, type Limits } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import { appliedTar } from '../native/support.js';
import { tar } from '../native/tar.js';
import { TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { filesOf } from '../support/image-files.js';

const never = new AbortController().signal;
const open = (directory: string, limits: Partial<Limits> = {}): Promise<BuildContext> =>
  openDirectoryContext(directory, { ...DEFAULT_LIMITS, ...limits }, never);

async function directoryOf(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await temporaryDirectory();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return directory;
}

/** What an argument takes, by path. */
async function listed(context: BuildContext, ignore = '', argument = '.'): Promise<string[]> {
  const source = await context.source(parseIgnore(ignore), '.dockerignore');
  const found: string[] = [];
  for (const selection of await source.select(plainSelector(argument)))
    for (const { path, type } of await selection.entries())
      found.push(`${path === '' ? selection.name : path}${type === 'directory' ? '/' : ''}`);
  return found;
}

async function identity(directory: string, ignore = '', argument = '.'): Promise<string | undefined> {
  const source = await (await open(directory)).source(parseIgnore(ignore), '.dockerignore');
  return (await source.select(plainSelector(argument)))[0]?.content;
}

describe('what is listed of a directory', () => {
  it('is everything, in tree order: empty directories, pipes, .git, a socket as an empty file', async () => {
    const directory = await directoryOf({ 'a/f': '', 'a-b': '', '.git/HEAD': 'x' });
    await mkdir(join(directory, 'empty'));
    await symlink('/nowhere', join(directory, 'link'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    const server = createServer().listen(join(directory, 'socket'));
    await once(server, 'listening');
    try {
      expect(await listed(await open(directory))).toEqual([
        ...['/', '.git/', '.git/HEAD', 'a/', 'a/f', 'a-b', 'empty/', 'link', 'pipe', 'socket'],
      ]);
      const source = await (await open(directory)).source(parseIgnore(''), '.dockerignore');
      const [socket] = (await (await source.select(plainSelector('socket')))[0]?.entries()) ?? [];
      expect(socket).toMatchObject({ type: 'file', sizeBytes: 0 });
      expect(await source.content(socket as SourceEntry)).toEqual({ data: new Uint8Array() });
    } finally {
      server.close();
    }
  });

  it('is the same, with all that a copy carries, whether a pattern could match in it or not', async () => {
    const directory = await directoryOf({ 'a/b/c': 'x', 'a/b-c': 'yy', 'a/b/d/e': '', 'a.b': '', z: '' });
    await chmod(join(directory, 'a/b'), 0o700);
    await symlink('../z', join(directory, 'a/link'));
    await link(join(directory, 'z'), join(directory, 'a/same'));
    await mkdir(join(directory, 'a/empty'));
    const all = async (ignore: string): Promise<readonly SourceEntry[]> => {
      const source = await (await open(directory)).source(parseIgnore(ignore), '.dockerignore');
      return (await (await source.select(plainSelector('.')))[0]?.entries()) ?? [];
    };
    expect(await all('**/nowhere')).toEqual(await all(''));
    expect(await all('a/empty')).toEqual((await all('')).filter(({ path }) => path !== 'a/empty'));
  });

  it('is without what is ignored, and keeps the directories above what an exception brings back', async () => {
    const directory = await directoryOf({ 'lib/a/keep': '', 'lib/b/x': '', 'main.js': '', 'lib/y': '' });
    const context = await open(directory);
    expect(await listed(context, 'lib\n!lib/a/keep\n')).toEqual([
      '/',
      'lib/',
      'lib/a/',
      'lib/a/keep',
      'main.js',
    ]);
    expect(await listed(context, '*\n!main.js\n')).toEqual(['/', 'main.js']);
    await expect(listed(context, 'lib\n', 'lib/y')).rejects.toMatchObject({
      code: 'source_missing',
      message: '"lib/y" is excluded from the build context by .dockerignore',
    });
    await expect(listed(context, '', 'lib/z')).rejects.toMatchObject({
      code: 'source_missing',
      message: '"lib/z" is not in the build context',
    });
  });

  it('counts and reads nothing of what is ignored', async () => {
    const directory = await directoryOf({
      'modules/deep/er/f': 'x'.repeat(1000),
      'modules/.wh.odd': '',
      f: 'x',
    });
    const limits = { contextFiles: 1, contextBytes: 10, contextDepth: 1 };
    expect(await listed(await open(directory, limits), 'modules\n')).toEqual(['/', 'f']);
    await expect(listed(await open(directory, limits))).rejects.toMatchObject({
      code: expect.stringMatching(/^context_/),
    });
  });

  it.each([
    ['too many files', { contextFiles: 1 }, /more than 1 files/],
    ['a file that is too large', { contextFileBytes: 3 }, /"d\/b" has 4 bytes/],
    ['too many bytes', { contextBytes: 5 }, /larger than 5 bytes/],
    ['too deep a path', { contextDepth: 1 }, /more than 1 directories deep/],
  ])('is refused for %s', async (_what, limits, message) => {
    const directory = await directoryOf({ a: 'aa', 'd/b': 'bbbb' });
    await expect(listed(await open(directory, limits))).rejects.toMatchObject({
      code: 'context_too_large',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('.dockerignore'),
    });
  });

  it.each([
    ['a name that is not UTF-8', Buffer.from([0x66, 0xff]), /not UTF-8/],
    ['a whiteout', Buffer.from('.wh.f'), /starts with "\.wh\."/],
  ])('is refused for %s', async (_what, name, message) => {
    const directory = await directoryOf({});
    await writeFile(Buffer.concat([Buffer.from(`${directory}/`), name]), '');
    await expect(listed(await open(directory))).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringMatching(message),
    });
  });

  it('ends at the directory: a symlink leads to nothing outside', async () => {
    const outside = await directoryOf({ secret: 's' });
    const directory = await directoryOf({ 'in/f': '' });
    await symlink(join(outside, 'secret'), join(directory, 'file'));
    await symlink(outside, join(directory, 'dir'));
    await symlink('../../../in', join(directory, 'up'));
    await symlink('loop', join(directory, 'loop'));
    const context = await open(directory);
    for (const path of ['file', 'dir/secret', '../secret', 'loop']) {
      expect(await context.read(path)).toBeUndefined();
      await expect(listed(context, '', path)).rejects.toMatchObject({ code: 'source_missing' });
    }
    expect(await listed(context, '', 'up')).toEqual(['up/', 'f']);
  });

  it('needs a directory that is there', async () => {
    const directory = await directoryOf({ file: '' });
    for (const path of ['file', 'nothing'])
      await expect(open(join(directory, path))).rejects.toMatchObject({ code: 'source_missing' });
  });
});

describe('what a directory is known by', () => {
  const files = { 'd/a': 'one', 'd/b': 'one', c: 'two' };

  it('does not hold times, owners, names above it, or what is ignored', async () => {
    const [one, other] = [await directoryOf(files), await directoryOf({ ...files, junk: 'x' })];
    await utimes(join(other, 'c'), 1, 1);
    await chown(join(other, 'c'), 1000, 1000);
    expect(await identity(other, 'junk\n')).toBe(await identity(one, 'junk\n'));
  });

  it.each<[string, (directory: string) => Promise<unknown>]>([
    [
      'bytes, of the same length and time',
      async (at) => {
        await writeFile(join(at, 'c'), 'TWO');
        await utimes(join(at, 'c'), 1, 1);
      },
    ],
    ['a mode', (at) => chmod(join(at, 'c'), 0o4755)],
    ['the mode of a directory', (at) => chmod(join(at, 'd'), 0o1777)],
    ['a new empty directory', (at) => mkdir(join(at, 'e'))],
    [
      'a symlink instead of a file',
      async (at) => {
        await rm(join(at, 'c'));
        await symlink('two', join(at, 'c'));
      },
    ],
    [
      'two names of one file instead of two equal files',
      async (at) => {
        await rm(join(at, 'd/b'));
        await link(join(at, 'd/a'), join(at, 'd/b'));
      },
    ],
  ])('holds %s', async (_what, change) => {
    const directory = await directoryOf(files);
    await utimes(join(directory, 'c'), 1, 1);
    const before = await identity(directory);
    await change(directory);
    expect(await identity(directory)).not.toBe(before);
  });

  it('hashes only what is selected', async () => {
    const directory = await directoryOf({ 'a/f': 'x', b: 'y' });
    const source = await (await open(directory)).source(parseIgnore(''), '.dockerignore');
    await rm(join(directory, 'b'));
    expect(await source.select(plainSelector('a'))).toHaveLength(1);
    await expect(source.select(plainSelector('.'))).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringMatching(/\/b changed while it was being built$/),
    });
  });
});

describe('a directory that is built', () => {
  let builder: TestBuilder;
  beforeAll(async () => {
    builder = await TestBuilder.start();
  });
  afterAll(() => builder?.stop());

  it('keeps modes, links, attributes and devices, and gives everything to root at one time', async () => {
    const directory = await appliedTar(
      await temporaryDirectory(),
      tar([
        { path: 'Dockerfile', data: 'FROM scratch\nCOPY t /t\n' },
        { path: 't/', type: '5', mode: 0o1777, uid: 7 },
        { path: 't/suid', data: 'x', mode: 0o4711, uid: 7, pax: { 'SCHILY.xattr.user.k': 'v' } },
        { path: 't/twin', type: '1', link: 't/suid' },
        { path: 't/null', type: '3', rdev: [1, 3], mode: 0o666 },
        { path: 't/pipe', type: '6', mode: 0o600 },
        { path: 't/link', type: '2', link: '/etc/passwd' },
        { path: 't/empty/', type: '5', mode: 0o700 },
      ]),
    );
    const { image } = await builder.build(await open(directory));
    const files = await filesOf(image, builder.store);
    expect([...files.keys()]).toEqual(['t', 't/empty', 't/link', 't/null', 't/pipe', 't/suid', 't/twin']);
    expect(files.get('t')).toMatchObject({ mode: 0o755, uid: 0 });
    expect(files.get('t/suid')).toMatchObject({
      mode: 0o4711,
      uid: 0,
      text: 'x',
      mtime: 315_532_800,
      xattrs: { 'user.k': Buffer.from('v') },
    });
    expect(files.get('t/suid')?.inode).toMatch(/./);
    expect(files.get('t/twin')?.inode).toBe(files.get('t/suid')?.inode);
    expect(files.get('t/null')).toMatchObject({ type: 'char', rdevMajor: 1, rdevMinor: 3 });
    expect(files.get('t/pipe')).toMatchObject({ type: 'fifo', mode: 0o600 });
    expect(files.get('t/link')).toMatchObject({ type: 'symlink', linkname: '/etc/passwd' });
    expect(files.get('t/empty')).toMatchObject({ type: 'directory', mode: 0o700 });
  });

  it('is built from the cache while it is the same, and shows fresh times to RUN', async () => {
    const directory = await directoryOf({
      Dockerfile: 'FROM busybox\nCOPY src /src\nRUN test $(stat -c %Y /src/f) -gt 1600000000\n',
      'src/f': 'one',
    });
    expect((await builder.build(await open(directory))).steps).toEqual({ cached: 0, total: 2 });
    await utimes(join(directory, 'src/f'), 1, 1);
    expect((await builder.build(await open(directory))).steps).toEqual({ cached: 2, total: 2 });
    await writeFile(join(directory, 'src/f'), 'two');
    await utimes(join(directory, 'src/f'), 1, 1);
    expect((await builder.build(await open(directory))).steps).toEqual({ cached: 0, total: 2 });
  });

  it('fails, and keeps nothing, when a file changes between its hash and its layer', async () => {
    const directory = await directoryOf({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'first' });
    const context = await open(directory);
    const changing: BuildContext = {
      id: context.id,
      read: (path) => context.read(path),
      firstChange: (since, path) => context.firstChange(since, path),
      source: async (ignore, file) => {
        const source = await context.source(ignore, file);
        return {
          select: async (selector) => {
            const selections = await source.select(selector);
            await writeFile(join(directory, 'f'), 'later');
            return selections;
          },
          content: (entry) => source.content(entry),
        };
      },
    };
    await expect(builder.build(changing)).rejects.toMatchObject({
      code: 'context_invalid',
      message: expect.stringMatching(/changed while it was being built/),
      where: 'Dockerfile:2',
    });
    await writeFile(join(directory, 'f'), 'first');
    const { image, steps } = await builder.build(await open(directory));
    expect(steps.cached).toBe(0);
    expect((await filesOf(image, builder.store)).get('f')?.text).toBe('first');
  });
});

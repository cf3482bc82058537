import { linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diskUsage, mergedDirectory, removeTree, resolveIn, scanTree } from '../../native/index.js';
import { appliedTar, openBelow, run, subdirectory, testDirectory } from './support.js';
import { sha256, tar } from './tar.js';

describe('scanning a tree', () => {
  it('lists in tree order with hashes, links, devices and attributes', async () => {
    const root = await appliedTar(
      testDirectory(),
      tar([
        { path: 'b/', type: '5', mode: 0o750, uid: 4 },
        { path: 'b/z', data: 'zz', mtime: 99, pax: { 'SCHILY.xattr.user.k': 'v' } },
        { path: 'b/a/', type: '5' },
        { path: 'b/l', type: '2', link: '/etc' },
        { path: 'B', type: '3', rdev: [1, 3] },
      ]),
    );
    const all = await scanTree({ root, path: '/', hash: true });
    expect(all.map((entry) => entry.path)).toEqual(['', 'B', 'b', 'b/a', 'b/l', 'b/z']);
    expect(all[1]).toMatchObject({ type: 'char', rdevMajor: 1, rdevMinor: 3 });
    expect(all[4]).toMatchObject({ type: 'symlink', linkname: '/etc' });
    expect(all[5]).toMatchObject({
      size: 2,
      mtime: 99,
      sha256: sha256(Buffer.from('zz')).slice(7),
      xattrs: { 'user.k': Buffer.from('v') },
    });
    const below = await scanTree({ root, path: 'b', hash: false });
    expect(below[0]).toMatchObject({ path: '', type: 'directory', mode: 0o750, uid: 4 });
    expect(below.find((entry) => entry.path === 'z')).not.toHaveProperty('sha256');
  });

  it('lists one directory alone when it is asked to, and knows the names of one file', async () => {
    const root = testDirectory();
    mkdirSync(join(root, 'a/deep'), { recursive: true });
    writeFileSync(join(root, 'a/one'), 'f');
    linkSync(join(root, 'a/one'), join(root, 'a/two'));
    writeFileSync(join(root, 'a/deep/f'), 'f');
    const all = await scanTree({ root, path: 'a', hash: false, shallow: true });
    expect(all.map((entry) => entry.path)).toEqual(['', 'deep', 'one', 'two']);
    expect(all[2]?.inode).toMatch(/^\d+:\d+$/);
    expect(all[3]?.inode).toBe(all[2]?.inode);
    const [, alone] = await scanTree({ root, path: 'a/deep', hash: false });
    expect(alone).not.toHaveProperty('inode');
  });

  it('stays inside the root, whatever symlinks say', async () => {
    const directory = testDirectory();
    writeFileSync(join(directory, 'secret'), 's');
    const root = subdirectory(directory, 'root');
    mkdirSync(join(root, 'in'));
    writeFileSync(join(root, 'in/f'), 'f');
    symlinkSync(directory, join(root, 'out'));
    symlinkSync('../../../in', join(root, 'up'));
    await expect(scanTree({ root, path: 'out/secret', hash: true })).rejects.toMatchObject({
      code: 'ENOENT',
    });
    await expect(scanTree({ root, path: '../secret', hash: true })).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await scanTree({ root, path: 'out', hash: true })).toMatchObject([{ path: '', type: 'symlink' }]);
    expect(await scanTree({ root, path: 'up/f', hash: false })).toMatchObject([{ path: '', type: 'file' }]);
  });

  it('says which path is missing, and leaks no descriptor doing so', async () => {
    const root = testDirectory();
    for (let i = 0; i < 50; i++)
      await expect(scanTree({ root, path: 'a/b', hash: true })).rejects.toMatchObject({
        code: 'ENOENT',
        path: 'a/b',
      });
    expect(openBelow(root)).toEqual([]);
  });

  it('gives up when there are more entries than were asked for', async () => {
    const root = await appliedTar(
      testDirectory(),
      tar([{ path: 'a' }, { path: 'b/', type: '5' }, { path: 'b/c' }]),
    );
    const scan = (maxEntries: number): Promise<unknown> =>
      scanTree({ root, path: '', hash: false, maxEntries });
    expect(await scan(4)).toHaveLength(4);
    await expect(scan(3)).rejects.toMatchObject({ code: 'E2BIG' });
  });

  it('stops when it is cancelled', async () => {
    const controller = new AbortController();
    const scan = scanTree({ root: '/usr', path: 'lib', hash: true, signal: controller.signal });
    controller.abort(new Error('stop'));
    await expect(scan).rejects.toThrow('stop');
  });
});

describe('resolving a path in a root', () => {
  it('follows symlinks as if the root were /, and keeps what does not exist', async () => {
    const root = testDirectory();
    mkdirSync(join(root, 'usr/lib'), { recursive: true });
    symlinkSync('usr/lib', join(root, 'lib'));
    symlinkSync('/lib', join(root, 'usr/abs'));
    symlinkSync('../../../../..', join(root, 'up'));
    symlinkSync('missing/x', join(root, 'dangling'));
    const cases: Record<string, string> = {
      '/': '',
      '': '',
      'lib/new/f': 'usr/lib/new/f',
      '/usr/abs': 'usr/lib',
      'up/etc': 'etc',
      '../../x': 'x',
      dangling: 'missing/x',
      'lib/..': 'usr',
      './a//b/': 'a/b',
    };
    for (const [path, resolved] of Object.entries(cases))
      expect(await resolveIn(root, path), path).toBe(resolved);
    symlinkSync('loop', join(root, 'loop'));
    await expect(resolveIn(root, 'loop/x')).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(resolveIn(root, 'a\0b')).rejects.toThrow(TypeError);
  });
});

describe('other looks at trees', () => {
  it('merges a directory of lay-outs as overlayfs does', async () => {
    const directory = testDirectory();
    const low = await appliedTar(
      directory,
      tar([{ path: 'd/a', data: '1' }, { path: 'd/b' }, { path: 'o/low' }, { path: 'f/x' }, { path: 'w/x' }]),
    );
    const top = await appliedTar(
      directory,
      tar([
        { path: 'd/a', data: '22' },
        { path: 'd/.wh.b' },
        { path: 'd/c', type: '2', link: 'a' },
        { path: 'o/.wh..wh..opq' },
        { path: 'f' },
        { path: '.wh.w' },
      ]),
    );
    const lowers = [top, low];
    expect(await mergedDirectory(lowers, 'd')).toMatchObject([
      { path: 'a', size: 2, layer: 0 },
      { path: 'c', type: 'symlink', linkname: 'a' },
    ]);
    expect(await mergedDirectory(lowers, 'o')).toEqual([]);
    for (const path of ['f', 'w', 'd/a', 'd/c/x', 'none'])
      expect(await mergedDirectory(lowers, path), path).toBeUndefined();
    expect((await mergedDirectory(lowers, ''))?.map((entry) => entry.path)).toEqual(['d', 'f', 'o']);
    await expect(mergedDirectory(lowers, '../x')).rejects.toThrow(TypeError);
  });

  it('counts disk space, hard links once', async () => {
    const directory = testDirectory();
    const empty = await diskUsage(directory);
    writeFileSync(join(directory, 'a'), Buffer.alloc(1 << 20, 1));
    linkSync(join(directory, 'a'), join(directory, 'b'));
    expect((await diskUsage(directory)) - empty).toBe(1 << 20);
    await expect(diskUsage(join(directory, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('removes trees with names that are no text, and follows no symlink', async () => {
    const directory = testDirectory();
    const tree = subdirectory(directory, 'tree');
    writeFileSync(join(directory, 'kept'), '');
    symlinkSync(directory, join(tree, 'link'));
    mkdirSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]));
    run(['mknod', join(tree, 'whiteout'), 'c', '0', '0']);
    await removeTree(tree);
    await removeTree(tree);
    expect(readdirSync(directory)).toEqual(['kept']);
  });
});

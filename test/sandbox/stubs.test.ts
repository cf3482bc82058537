import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { MountPoints } from '../../src/build/sandbox/stubs.js';

const LONG_AGO = 1_000_000_000;
const FILES = ['/etc/hosts', '/etc/resolv.conf'];

describe('mount points', () => {
  let directory: string;
  let root: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'stubs-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    root = join(directory, 'root');
    await mkdir(join(root, 'etc'), { recursive: true });
    for (const name of ['dev', 'proc', 'sys']) await mkdir(join(root, name));
    for (const path of [join(root, 'etc'), root]) await utimes(path, LONG_AGO, LONG_AGO);
  });

  const time = async (path: string): Promise<number> => (await lstat(join(root, path))).mtimeMs / 1000;

  it('that are missing are made, named, and removed without a trace', async () => {
    const points = await MountPoints.make(root, FILES);
    expect(points.made).toEqual(['etc/hosts', 'etc/resolv.conf']);
    expect(await time('etc')).not.toBe(LONG_AGO);
    await points.remove();
    expect(await readdir(join(root, 'etc'))).toEqual([]);
    expect(await readdir(root)).toEqual(['dev', 'etc', 'proc', 'sys']);
    expect([await time('etc'), await time('.')]).toEqual([LONG_AGO, LONG_AGO]);
  });

  it('of the kernel’s file systems stay where they were missing', async () => {
    for (const name of ['dev', 'etc', 'proc', 'sys']) await rm(join(root, name), { recursive: true });
    const points = await MountPoints.make(root, FILES);
    expect(points.made).toEqual(['etc', 'etc/hosts', 'etc/resolv.conf']);
    await points.remove();
    expect(await readdir(root)).toEqual(['dev', 'proc', 'sys']);
  });

  it('that exist are left alone', async () => {
    await writeFile(join(root, 'etc/hosts'), '');
    await utimes(join(root, 'etc'), LONG_AGO, LONG_AGO);
    const points = await MountPoints.make(root, ['/etc/hosts']);
    expect(points.made).toEqual([]);
    await points.remove();
    expect(await readdir(join(root, 'etc'))).toEqual(['hosts']);
  });

  it('are made where a link leads to inside the root', async () => {
    await symlink('../run/resolve/stub.conf', join(root, 'etc/resolv.conf'));
    const points = await MountPoints.make(root, ['/etc/resolv.conf']);
    expect(points.files.get('/etc/resolv.conf')).toBe('/run/resolve/stub.conf');
    expect(points.made).toEqual(['run', 'run/resolve', 'run/resolve/stub.conf']);
    await points.remove();
    expect(await readdir(root)).not.toContain('run');
  });

  it('keep the time that the step gave to the directory', async () => {
    const points = await MountPoints.make(root, FILES);
    await writeFile(join(root, 'etc/new'), 'by the step');
    await utimes(join(root, 'etc'), LONG_AGO + 50, LONG_AGO + 50);
    await points.remove();
    expect(await readdir(join(root, 'etc'))).toEqual(['new']);
    expect(await time('etc')).toBe(LONG_AGO + 50);
  });

  it('are the step’s when it wrote to them or replaced them', async () => {
    await rm(join(root, 'sys'), { recursive: true });
    const points = await MountPoints.make(root, FILES);
    await writeFile(join(root, 'etc/hosts'), 'written');
    await writeFile(join(root, 'sys/file'), 'written');
    await writeFile(join(root, 'etc/other'), '');
    await rename(join(root, 'etc/other'), join(root, 'etc/resolv.conf'));
    await points.remove();
    expect((await readdir(join(root, 'etc'))).sort()).toEqual(['hosts', 'resolv.conf']);
    expect(await readdir(join(root, 'sys'))).toEqual(['file']);
  });

  it('are never removed through a link to the host that the step put in the way', async () => {
    const points = await MountPoints.make(root, FILES);
    const host = join(directory, 'host');
    await rename(join(root, 'etc'), join(root, 'moved'));
    await mkdir(host);
    await writeFile(join(host, 'hosts'), '');
    await utimes(host, LONG_AGO, LONG_AGO);
    await symlink(host, join(root, 'etc'));
    await points.remove();
    expect(await readdir(host)).toEqual(['hosts']);
    expect((await lstat(host)).mtimeMs / 1000).toBe(LONG_AGO);
  });

  it('are refused where something else is, and what was made before goes', async () => {
    await rm(join(root, 'dev'), { recursive: true });
    await mkdir(join(root, 'etc/hosts'));
    await expect(MountPoints.make(root, FILES)).rejects.toMatchObject({
      code: 'step_failed',
      where: '/etc/hosts',
    });
    expect(await readdir(root)).not.toContain('dev');
    await rm(join(root, 'etc'), { recursive: true });
    await writeFile(join(root, 'etc'), 'a file');
    await expect(MountPoints.make(root, FILES)).rejects.toMatchObject({ where: '/etc' });
    expect(await readFile(join(root, 'etc'), 'utf8')).toBe('a file');
  });

  it('are neither devices nor in what others use, however a link leads there', async () => {
    const shared = join(directory, 'shared');
    await mkdir(shared);
    await symlink('/data', join(root, 'link'));
    const at = (path: string, type: 'directory' | 'file' = 'directory') => ({ path, type });
    await expect(MountPoints.make(root, [], [at('/dev/null', 'file')])).rejects.toThrow(
      /nothing can be mounted/,
    );
    await expect(MountPoints.make(root, [], [at('/dev/pts/x')])).rejects.toThrow(/nothing can be mounted/);
    const data = { ...at('/data'), isShared: true };
    await expect(MountPoints.make(root, [], [data, at('/link/new')])).rejects.toThrow(
      /leads into what is mounted/,
    );
    expect(await readdir(shared)).toEqual([]);
    // Over it is not in it.
    await (await MountPoints.make(root, [], [data, at('/link'), at('/dev/shm')])).remove();
  });
});

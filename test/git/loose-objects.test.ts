import { execFileSync } from 'node:child_process';
import { type FileHandle, mkdir, open, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  createLooseRef,
  moveLooseRef,
  objectId,
  readLoose,
  readLooseRef,
  treeData,
  writeLoose,
} from '../../src/git/loose-objects.js';
import { temporaryDirectory } from '../support/directories.js';
import { git } from '../support/repository.js';

const REF = 'refs/slipway/pushes/b1';
let gitDir: string;

beforeEach(async () => {
  gitDir = join(await temporaryDirectory(), 'r.git');
  await git.run(['init', '--quiet', '--bare', '--object-format=sha1', gitDir]);
  await mkdir(join(gitDir, 'refs/slipway/pushes'), { recursive: true });
});

const objects = async (): Promise<string[]> =>
  (await readdir(join(gitDir, 'objects'), { recursive: true })).filter((name) => /^\w\w\/./.test(name));

describe('an object', () => {
  test('is the one that git makes and reads, and nothing is left beside it', async () => {
    const blob = await writeLoose(gitDir, 'blob', Buffer.from('hello\n'));
    expect(await git.text(['hash-object', '--stdin'], { gitDir, input: 'hello\n' })).toBe(blob);
    const data = treeData([
      { mode: '100644', name: 'a0', oid: blob },
      {
        mode: '40000',
        name: 'a',
        oid: objectId('tree', treeData([{ mode: '100644', name: 'x', oid: blob }])),
      },
      { mode: '100644', name: 'a-b', oid: blob },
    ]);
    await writeLoose(gitDir, 'tree', treeData([{ mode: '100644', name: 'x', oid: blob }]));
    const tree = await writeLoose(gitDir, 'tree', data);
    const listed = await git.text(['ls-tree', '--name-only', tree], { gitDir });
    expect(listed.split('\n')).toEqual(['a-b', 'a', 'a0']);
    await git.run(['fsck', '--strict', '--no-dangling'], { gitDir });
    expect(await writeLoose(gitDir, 'blob', Buffer.from('hello\n'))).toBe(blob);
    expect(await objects()).toHaveLength(3);
    expect(await readLoose(gitDir, blob)).toEqual(Buffer.from('hello\n'));
  });

  test('that is not there, in a pack, or damaged is not read', async () => {
    const blob = await writeLoose(gitDir, 'blob', Buffer.from('hello\n'));
    const other = await writeLoose(gitDir, 'blob', Buffer.from('other\n'));
    const path = (oid: string): string => join(gitDir, 'objects', oid.slice(0, 2), oid.slice(2));
    await git.run(['cat-file', '-e', other], { gitDir });
    expect(await readLoose(gitDir, '0'.repeat(40))).toBeUndefined();
    // A whole object, but under another's name.
    const bytes = await readFile(path(other));
    await mkdir(join(gitDir, 'objects', '00'), { recursive: true });
    await writeFile(path('0'.repeat(40)), bytes);
    expect(await readLoose(gitDir, '0'.repeat(40))).toBeUndefined();
    await writeFile(path('0'.repeat(40)), bytes.subarray(0, 10));
    expect(await readLoose(gitDir, '0'.repeat(40))).toBeUndefined();
    expect(await readLoose(gitDir, blob)).toEqual(Buffer.from('hello\n'));
  });

  test('written again stays when git clears away what was named by nothing for long', async () => {
    const [kept, old] = await Promise.all(
      ['kept', 'old'].map((text) => writeLoose(gitDir, 'blob', Buffer.from(text))),
    );
    for (const name of await objects()) await utimes(join(gitDir, 'objects', name), 1000, 1000);
    await writeLoose(gitDir, 'blob', Buffer.from('kept'));
    await git.run(['prune', '--expire=1.day.ago'], { gitDir });
    expect(await readLoose(gitDir, kept as string)).toEqual(Buffer.from('kept'));
    expect(await readLoose(gitDir, old as string)).toBeUndefined();
  });

  test.skipIf(process.getuid?.() !== 0)('and a ref that the disk has no room for say so', async () => {
    const disk = await temporaryDirectory();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=60', 'tmpfs', disk]);
    onTestFinished(() => void execFileSync('umount', [disk]));
    await git.run(['init', '--quiet', '--bare', '--template=', '--object-format=sha1', disk]);
    const blob = await writeLoose(disk, 'blob', Buffer.from('hello\n'));
    await createLooseRef(disk, 'refs/heads/main', blob);
    for (let full = false, n = 0; !full; n++)
      full = await writeFile(join(disk, `${n}`), '').then(
        () => false,
        () => true,
      );
    const failure = { code: 'disk_full', temporary: true };
    await expect(writeLoose(disk, 'blob', Buffer.from('new directory'))).rejects.toMatchObject(failure);
    await expect(moveLooseRef(disk, 'refs/heads/main', blob, blob)).rejects.toMatchObject(failure);
  });

  test('written by many at once is one', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, () => writeLoose(gitDir, 'blob', Buffer.from('x'))),
    );
    expect(new Set(made).size).toBe(1);
    expect(await objects()).toHaveLength(1);
  });
});

describe('a ref', () => {
  const ids = (): Promise<string[]> =>
    Promise.all(['1', '2', '3'].map((text) => writeLoose(gitDir, 'blob', Buffer.from(text))));

  test('is made once, and moved only from where it is', async () => {
    const [one = '', two = '', three = ''] = await ids();
    expect(await createLooseRef(gitDir, REF, one)).toBe(true);
    expect(await createLooseRef(gitDir, REF, two)).toBe(false);
    expect(await moveLooseRef(gitDir, REF, two, three)).toBe(false);
    expect(await moveLooseRef(gitDir, REF, one, two)).toBe(true);
    expect(await readLooseRef(gitDir, REF)).toBe(two);
    expect(await git.text(['rev-parse', REF], { gitDir })).toBe(two);
    expect(await readdir(join(gitDir, 'refs/slipway/pushes'))).toEqual(['b1']);
  });

  test('of many who move it at once, one does', async () => {
    const [one = '', two = '', three = ''] = await ids();
    await createLooseRef(gitDir, REF, one);
    const moved = await Promise.all(
      Array.from({ length: 20 }, (_, index) => moveLooseRef(gitDir, REF, one, index % 2 === 0 ? two : three)),
    );
    expect(moved.filter(Boolean)).toHaveLength(1);
  });

  test('stays locked by another writer when this process has no descriptors left', async () => {
    const [one = '', two = ''] = await ids();
    await createLooseRef(gitDir, REF, one);
    const lock = join(gitDir, `${REF}.lock`);
    await writeFile(lock, '');
    const limit = (...args: string[]): string =>
      execFileSync('prlimit', ['--pid', `${process.pid}`, ...args], { encoding: 'utf8' }).trim();
    const before = limit('--nofile', '--output=SOFT', '--noheadings');
    const held: FileHandle[] = [];
    limit('--nofile=500:');
    try {
      for (;;) held.push(await open('/dev/null'));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EMFILE' });
      await expect(moveLooseRef(gitDir, REF, one, two)).rejects.toMatchObject({ code: 'EMFILE' });
    } finally {
      for (const file of held) await file.close();
      limit(`--nofile=${before}:`);
    }
    expect(await readFile(lock, 'utf8')).toBe('');
  });

  test('that git has packed, or is about to change, is left to git', async () => {
    const [one = '', two = ''] = await ids();
    await createLooseRef(gitDir, REF, one);
    await writeFile(join(gitDir, `${REF}.lock`), '');
    expect(await moveLooseRef(gitDir, REF, one, two)).toBe(false);
    expect(await createLooseRef(gitDir, 'refs/slipway/elsewhere/b2', one)).toBe(false);
    await git.run(['update-ref', 'refs/slipway/pushes/b3', one], { gitDir });
    await git.run(['pack-refs', '--all'], { gitDir }).catch(() => undefined);
    expect(await moveLooseRef(gitDir, 'refs/slipway/pushes/b3', one, two)).toBe(false);
  });
});

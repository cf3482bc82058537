import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
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

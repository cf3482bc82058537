import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ObjectPool } from '../../src/git/object-pool.js';
import { ObjectReader } from '../../src/git/objects.js';
import { parseTree } from '../../src/git/tree.js';
import { bareRepository, git, treeBytes, writeCommit, writeObject } from './support/repositories.js';

const BLOB = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
const readers: ObjectReader[] = [];

function open(gitDir: string, options = {}): ObjectReader {
  const reader = new ObjectReader(gitDir, options);
  readers.push(reader);
  return reader;
}

afterEach(() => {
  for (const reader of readers.splice(0)) reader.close();
});

/** The `git cat-file --batch` processes that this process started. */
async function batchProcesses(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (stat.includes(`) S ${process.pid} `) && command.includes('cat-file\0--batch'))
      found.push(Number(pid));
  }
  return found;
}

describe('reading objects', () => {
  test('each kind of object, by id and by name', async () => {
    const gitDir = await bareRepository();
    const blob = await writeObject(gitDir, 'blob', 'hello');
    const tree = await writeObject(
      gitDir,
      'tree',
      treeBytes([{ mode: '100644', name: 'a file', oid: blob }]),
    );
    const commit = await writeCommit(gitDir, tree);
    await git.run(['update-ref', 'refs/heads/main', commit], { gitDir });
    const reader = open(gitDir);
    expect(await reader.read(blob)).toEqual({
      oid: blob,
      type: 'blob',
      sizeBytes: 5,
      data: Buffer.from('hello'),
    });
    expect(await reader.read('refs/heads/main')).toMatchObject({ oid: commit, type: 'commit' });
    expect((await reader.read('refs/heads/main:a file')).data.toString()).toBe('hello');
    expect(await reader.tree(commit)).toEqual([{ name: 'a file', type: 'file', mode: '100644', oid: blob }]);
  });

  test('questions asked at once get their own answers, in any size', async () => {
    const gitDir = await bareRepository();
    const contents = [0, 1, 65_535, 65_536, 3_000_000, 17].map((size) => randomBytes(size));
    const oids = await Promise.all(contents.map((data) => writeObject(gitDir, 'blob', data)));
    const reader = open(gitDir);
    const asked = [...oids, ...oids, ...oids].map((oid) => reader.read(oid));
    const answers = await Promise.all(asked);
    expect(answers.map(({ data }) => data.length)).toEqual(
      [...contents, ...contents, ...contents].map(({ length }) => length),
    );
    expect(answers.every(({ data }, i) => data.equals(contents[i % contents.length]!))).toBe(true);
    expect(await batchProcesses()).toHaveLength(1);
  });

  test('what is missing is an error of that question alone', async () => {
    const gitDir = await bareRepository();
    const blob = await writeObject(gitDir, 'blob', 'here');
    const reader = open(gitDir);
    const answers = await Promise.allSettled([
      reader.read('0'.repeat(40)),
      reader.read(blob),
      reader.read('no such ref'),
      reader.read(blob),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect((answers[2] as PromiseRejectedResult).reason).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('no such ref'),
    });
  });

  test('a name cannot smuggle in a second question', async () => {
    const gitDir = await bareRepository();
    const blob = await writeObject(gitDir, 'blob', 'x');
    const reader = open(gitDir);
    for (const name of [`${blob}\n${blob}`, '', 'a\0b', 'x'.repeat(5000)]) {
      await expect(reader.read(name)).rejects.toMatchObject({ code: 'not_found' });
    }
    expect((await reader.read(blob)).data.toString()).toBe('x');
  });

  test('an object above the limit is refused with both sizes, and the next one is read', async () => {
    const gitDir = await bareRepository();
    const large = await writeObject(gitDir, 'blob', Buffer.alloc(200_000));
    const small = await writeObject(gitDir, 'blob', 'small');
    const reader = open(gitDir);
    const [first, second] = await Promise.allSettled([
      reader.read(large, { maxBytes: 199_999 }),
      reader.read(small),
    ]);
    expect(first).toMatchObject({
      status: 'rejected',
      reason: { code: 'context_too_large', message: `${large} has 200000 bytes, the limit is 199999` },
    });
    expect(second).toMatchObject({ status: 'fulfilled' });
    expect((await reader.read(large, { maxBytes: 200_000 })).data.length).toBe(200_000);
  });

  test('a killed process fails what was asked, and the next read starts another', async () => {
    const gitDir = await bareRepository();
    const large = await writeObject(gitDir, 'blob', randomBytes(20_000_000));
    const reader = open(gitDir);
    await reader.read(large);
    const [pid] = await batchProcesses();
    const asked = Promise.allSettled([reader.read(large), reader.read(large)]);
    process.kill(pid!, 'SIGKILL');
    for (const answer of await asked)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'unavailable', temporary: true } });
    expect((await reader.read(large)).data.length).toBe(20_000_000);
  });

  test('a repository that is not there says so', async () => {
    await expect(open('/nonexistent/x.git').read(BLOB)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('x.git'),
    });
  });

  test('an idle process ends by itself and comes back when it is needed', async () => {
    const gitDir = await bareRepository();
    const blob = await writeObject(gitDir, 'blob', 'x');
    const reader = open(gitDir, { idleMs: 20 });
    await reader.read(blob);
    await expect.poll(batchProcesses).toEqual([]);
    expect((await reader.read(blob)).data.toString()).toBe('x');
  });

  test('a closed reader answers nothing and leaves no process', async () => {
    const gitDir = await bareRepository();
    const blob = await writeObject(gitDir, 'blob', 'x');
    const reader = open(gitDir);
    const asked = reader.read(blob);
    reader.close();
    await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
    await expect(reader.read(blob)).rejects.toMatchObject({ code: 'unavailable' });
    await expect.poll(batchProcesses).toEqual([]);
  });
});

describe('the pool', () => {
  test('one reader per repository, and never more processes than allowed', async () => {
    const repositories = await Promise.all([bareRepository(), bareRepository(), bareRepository()]);
    const blobs = await Promise.all(repositories.map((gitDir) => writeObject(gitDir, 'blob', gitDir)));
    const pool = new ObjectPool({ maxReaders: 2 });
    try {
      const [first] = repositories;
      const kept = pool.reader(first!);
      expect(pool.reader(first!)).toBe(kept);
      for (const [i, gitDir] of repositories.entries()) await pool.reader(gitDir).read(blobs[i]!);
      expect(pool.size).toBe(2);
      await expect.poll(async () => (await batchProcesses()).length).toBe(2);
      // The first was the least recently used. Who still holds it can go on.
      expect((await kept.read(blobs[0]!)).data.toString()).toBe(first);
      kept.close();
    } finally {
      pool.close();
    }
    await expect.poll(batchProcesses).toEqual([]);
  });
});

describe('trees', () => {
  const entry = (name: string | Uint8Array, mode = '100644') => ({ mode, name, oid: BLOB });

  test('every mode has its type, old spellings included', () => {
    const modes = ['100644', '100755', '120000', '40000', '160000', '100664', '040000'];
    const entries = parseTree(BLOB, treeBytes(modes.map((mode, i) => entry(`f${i}`, mode))));
    expect(entries.map(({ type }) => type)).toEqual([
      'file',
      'executable',
      'symlink',
      'tree',
      'submodule',
      'file',
      'tree',
    ]);
    expect(entries.map(({ mode }) => mode)).toEqual([
      '100644',
      '100755',
      '120000',
      '40000',
      '160000',
      '100644',
      '40000',
    ]);
  });

  test.each([
    ['.git', '.git'],
    ['.GIT', '.GIT'],
    ['dot', '.'],
    ['dot dot', '..'],
    ['a slash', 'a/b'],
    ['nothing', ''],
    ['not UTF-8', Buffer.from([0x61, 0xff])],
  ])('a name that is %s is refused', (_what, name) => {
    expect(() => parseTree(BLOB, treeBytes([entry(name)]))).toThrow(
      expect.objectContaining({ code: 'context_invalid', where: 'tree e69de29bb2d1' }),
    );
  });

  test('a name that occurs twice is refused, also as file and directory', () => {
    expect(() => parseTree(BLOB, treeBytes([entry('a', '120000'), entry('a', '40000')]))).toThrow(
      '"a" occurs twice',
    );
  });

  test('names keep every byte that is UTF-8', () => {
    const names = ['é', 'e\u0301', ' -rf', '\ufeffbom', 'line\nfeed', '雪', '\u{1f6a2}'];
    expect(parseTree(BLOB, treeBytes(names.map((name) => entry(name)))).map(({ name }) => name)).toEqual(
      names,
    );
  });

  test('a mode that git does not know is refused', () => {
    expect(() => parseTree(BLOB, treeBytes([entry('dev', '60000')]))).toThrow('has the mode "60000"');
  });

  test('any damage is refused as such, never misread or a crash', () => {
    const good = treeBytes([entry('a'), entry('b')]);
    for (let length = 1; length < good.length; length += 1) {
      if (length === good.length / 2) continue;
      expect(() => parseTree(BLOB, good.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'context_invalid' }),
      );
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseTree(BLOB, bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: 'context_invalid' });
        }
      }),
    );
  });

  test('a hostile tree in the repository is refused when it is read', async () => {
    const gitDir = await bareRepository();
    const tree = await writeObject(gitDir, 'tree', treeBytes([entry('..', '40000')]));
    await expect(open(gitDir).tree(tree)).rejects.toMatchObject({ code: 'context_invalid' });
  });
});

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Compression, type LayerEntry, openLayerWriter, type WrittenLayer } from '../../native/index.js';
import { hasPython, run, testDirectory } from './support.js';
import { sha256 } from './tar.js';

const base = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000 } as const;
const file = (path: string, text = path, more: Partial<LayerEntry> = {}): LayerEntry => ({
  path,
  type: 'file',
  data: Buffer.from(text),
  ...base,
  ...more,
});

async function written(
  path: string,
  batches: readonly (readonly LayerEntry[])[],
  compression: Compression = 'gzip',
): Promise<WrittenLayer> {
  const writer = openLayerWriter({ path, compression });
  try {
    for (const batch of batches) await writer.write(batch);
    return await writer.finish();
  } finally {
    await writer.abort();
  }
}

describe('the layer writer', () => {
  const everything: LayerEntry[] = [
    { path: 'etc', type: 'directory', ...base, mode: 0o755 },
    file('etc/motd', 'hello\n', { mode: 0o4755, uid: 1000, gid: 100 }),
    { path: 'etc/link', type: 'symlink', linkname: '../motd', ...base, mode: 0o777 },
    { path: 'etc/same', type: 'hardlink', linkname: 'etc/motd', ...base },
    { path: 'etc/pipe', type: 'fifo', ...base },
    { path: 'etc/null', type: 'char', rdevMajor: 1, rdevMinor: 3, ...base },
    { path: 'etc/disk', type: 'block', rdevMajor: 7, rdevMinor: 300, ...base },
    { path: 'etc/gone', type: 'whiteout', ...base },
    file('empty', ''),
  ];

  it('writes what the system tar lists: types, modes, owners, times, links', async () => {
    const directory = testDirectory();
    const path = join(directory, 'layer');
    const layer = await written(path, [everything]);
    const listed = execFileSync('tar', ['--numeric-owner', '--utc', '--full-time', '-tvzf', path], {
      encoding: 'utf8',
    });
    expect(listed.trim().split('\n')).toEqual([
      expect.stringMatching(/^drwxr-xr-x 0\/0 +0 2023-11-14 22:13:20 etc\/$/),
      expect.stringMatching(/^-rwsr-xr-x 1000\/100 +6 2023-11-14 22:13:20 etc\/motd$/),
      expect.stringMatching(/^lrwxrwxrwx 0\/0 +0 .* etc\/link -> ..\/motd$/),
      expect.stringMatching(/^hrw-r--r-- 0\/0 +0 .* etc\/same link to etc\/motd$/),
      expect.stringMatching(/^prw-r--r-- .* etc\/pipe$/),
      expect.stringMatching(/^crw-r--r-- 0\/0 +1,3 .* etc\/null$/),
      expect.stringMatching(/^brw-r--r-- 0\/0 +7,300 .* etc\/disk$/),
      expect.stringMatching(/etc\/\.wh\.gone$/),
      expect.stringMatching(/ 0 .* empty$/),
    ]);
    expect(layer).toMatchObject({ entries: 9, contentBytes: 6 });
  });

  it.each(['gzip', 'zstd', 'none'] as const)(
    'states the digests and size of what it wrote with %s',
    async (compression) => {
      const path = join(testDirectory(), 'layer');
      const layer = await written(path, [[file('a', 'x'.repeat(1_000_000))]], compression);
      const blob = readFileSync(path);
      const plain = {
        gzip: () => gunzipSync(blob),
        zstd: () => execFileSync('zstd', ['-dc', path], { maxBuffer: 1 << 28 }),
        none: () => blob,
      };
      expect(layer.digest).toBe(sha256(blob));
      expect(layer.sizeBytes).toBe(blob.length);
      expect(layer.diffId).toBe(sha256(plain[compression]()));
    },
  );

  it('gives the same bytes however the entries are batched', async () => {
    const directory = testDirectory();
    const noise = Buffer.from(Array.from({ length: 700_001 }, (_, i) => (i * 2654435761) >>> 13));
    const entries = Array.from({ length: 40 }, (_, i) =>
      file(`f${i}`, '', { data: noise.subarray(i * 1000) }),
    );
    const together = await written(join(directory, 'a'), [entries]);
    const apart = await written(
      join(directory, 'b'),
      entries.map((entry) => [entry]),
    );
    expect(apart).toEqual(together);
    expect(readFileSync(join(directory, 'a')).equals(readFileSync(join(directory, 'b')))).toBe(true);
  });

  it('puts neither a time nor a name into the gzip header', async () => {
    const path = join(testDirectory(), 'layer');
    await written(path, [[file('a')]]);
    expect(readFileSync(path).subarray(0, 8).toString('hex')).toBe('1f8b080000000000');
  });

  it.skipIf(!hasPython)('uses pax only where ustar cannot say it, and python reads both', async () => {
    const path = join(testDirectory(), 'layer');
    const long = `${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(120)}`;
    const fits = `${'p'.repeat(150)}/${'n'.repeat(100)}`;
    await written(path, [
      [
        file(fits),
        file(long, 'long', { uid: 3_000_000_000, gid: 2_097_152 }),
        { path: 'l', type: 'symlink', linkname: long, ...base },
        file('attributes', 'x', {
          xattrs: { 'user.b': Buffer.from([0, 10, 255]), 'user.a': Buffer.from('1') },
        }),
        file('old', 'x', { mtime: -1.5 }),
        { path: `${'q'.repeat(99)}`, type: 'directory', ...base },
        { path: `${'r'.repeat(100)}`, type: 'directory', ...base },
      ],
    ]);
    const script = `
import tarfile, json, sys
with tarfile.open(sys.argv[1]) as t:
  print(json.dumps([[m.name, m.uid, m.gid, m.linkname, m.mtime, sorted(m.pax_headers)] for m in t]))`;
    const members = JSON.parse(run(['python3', '-c', script, path]));
    expect(members).toEqual([
      [fits, 0, 0, '', 1_700_000_000, []],
      [long, 3_000_000_000, 2_097_152, '', 1_700_000_000, ['gid', 'path', 'uid']],
      ['l', 0, 0, long, 1_700_000_000, ['linkpath']],
      ['attributes', 0, 0, '', 1_700_000_000, ['SCHILY.xattr.user.a', 'SCHILY.xattr.user.b']],
      ['old', 0, 0, '', -2, ['mtime']],
      ['q'.repeat(99), 0, 0, '', 1_700_000_000, []],
      ['r'.repeat(100), 0, 0, '', 1_700_000_000, ['path']],
    ]);
  });

  it('reads content from files of this machine, but through no symlink', async () => {
    const directory = testDirectory();
    const source = join(directory, 'source');
    writeFileSync(source, 'from the disk');
    symlinkSync(source, join(directory, 'link'));
    const path = join(directory, 'layer');
    const entry = (from: string): LayerEntry => ({ path: 'a', type: 'file', file: from, ...base });
    await written(path, [[entry(source)]]);
    expect(run(['tar', '-xzOf', path])).toBe('from the disk');
    await expect(written(path, [[entry(join(directory, 'link'))]])).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(written(path, [[entry(directory)]])).rejects.toMatchObject({ code: 'ENTRY_INVALID' });
  });

  it.each(['/abs', './a', 'a/../b', '..', 'a//b', 'a/', '', '.wh.a', 'd/.wh.x/f', '.'])(
    'refuses the path "%s"',
    async (path) => {
      await expect(written(join(testDirectory(), 'layer'), [[file(path)]])).rejects.toMatchObject({
        code: 'ENTRY_INVALID',
      });
    },
  );

  it('refuses a path twice, whatever its types, and says which', async () => {
    const directory = testDirectory();
    const twice = [file('a/b'), { path: 'a/b', type: 'directory', ...base } as const];
    await expect(written(join(directory, 'layer'), [twice])).rejects.toMatchObject({
      code: 'ENTRY_INVALID',
      path: 'a/b',
    });
    const deleted = { path: 'x', type: 'whiteout', ...base } as const;
    await expect(written(join(directory, 'layer'), [[deleted], [deleted]])).rejects.toMatchObject({
      code: 'ENTRY_INVALID',
    });
  });

  it.each([
    { mode: 0o10000 },
    { uid: -1 },
    { gid: 2 ** 32 },
    { mtime: Number.NaN },
    { type: 'directory' },
    { type: 'symlink', data: undefined },
    { type: 'door' },
    { path: 'a\0b' },
    { file: '/etc/hostname' },
  ])('refuses an entry with %o', async (wrong) => {
    const entry = { ...file('a'), ...wrong } as LayerEntry;
    await expect(written(join(testDirectory(), 'layer'), [[entry]])).rejects.toMatchObject({
      code: 'ENTRY_INVALID',
    });
  });

  it('fails what follows a failure, and leaves no file behind when aborted', async () => {
    const path = join(testDirectory(), 'layer');
    const writer = openLayerWriter({ path, compression: 'gzip' });
    await expect(writer.write([file('..')])).rejects.toMatchObject({ code: 'ENTRY_INVALID' });
    await expect(writer.write([file('fine')])).rejects.toMatchObject({ code: 'ENTRY_INVALID' });
    await expect(writer.finish()).rejects.toMatchObject({ code: 'ENTRY_INVALID' });
    expect(existsSync(path)).toBe(true);
    await writer.abort();
    expect(existsSync(path)).toBe(false);
  });

  it('keeps the order of writes that are not awaited', async () => {
    const path = join(testDirectory(), 'layer');
    const writer = openLayerWriter({ path, compression: 'gzip' });
    const names = Array.from({ length: 50 }, (_, i) => `n${i}`);
    await Promise.all(names.map((name) => writer.write([file(name)])));
    await writer.finish();
    expect(run(['tar', '-tzf', path]).trim().split('\n')).toEqual(names);
  });

  it('says that the disk is full with the code of the system', async () => {
    const directory = testDirectory();
    run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
    const noise = Buffer.from(
      Array.from({ length: 3_000_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 11) ^ i),
    );
    const attempt = written(join(directory, 'layer'), [[file('a', '', { data: noise })]], 'none');
    await expect(attempt).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it('says where it cannot write', async () => {
    const path = join(testDirectory(), 'no', 'layer');
    await expect(written(path, [[file('a')]])).rejects.toMatchObject({ code: 'ENOENT', path });
  });

  it('refuses a file of this machine that has other bytes than it should', async () => {
    const directory = testDirectory();
    const from = join(directory, 'file');
    writeFileSync(from, 'the bytes');
    const entry = (hash: string): LayerEntry => ({
      path: 'f',
      type: 'file',
      file: from,
      sha256: hash,
      ...base,
    });
    const right = sha256(Buffer.from('the bytes')).slice(7);
    expect((await written(join(directory, 'layer'), [[entry(right)]])).contentBytes).toBe(9);
    const wrong = sha256(Buffer.from('the bytez')).slice(7);
    await expect(written(join(directory, 'layer'), [[entry(wrong)]])).rejects.toMatchObject({
      code: 'FILE_CHANGED',
      path: 'f',
    });
  });
});

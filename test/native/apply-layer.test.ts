import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { applied, appliedTar, attributesOf, hasPython, run, subdirectory, testDirectory } from './support.js';
import { sha256, tar } from './tar.js';

const isWhiteout = (path: string): boolean =>
  lstatSync(path).isCharacterDevice() && lstatSync(path).rdev === 0;
const isOpaque = (path: string): boolean => attributesOf(path).includes('trusted.overlay.opaque=y\n');

describe('applying a layer', () => {
  it('sets owners, modes with setuid, times, links, devices and attributes', async () => {
    const directory = testDirectory();
    const capability = '\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
    const root = await appliedTar(
      directory,
      tar([
        { path: './', type: '5', mode: 0o711 },
        { path: 'bin/', type: '5', mode: 0o2755, gid: 5, mtime: 1000 },
        {
          path: 'bin/su',
          data: 'su',
          mode: 0o4755,
          uid: 1,
          gid: 2,
          mtime: 2000,
          pax: { 'SCHILY.xattr.user.k': 'v', 'SCHILY.xattr.security.capability': capability },
        },
        { path: 'bin/link', type: '2', link: '/etc/passwd', uid: 3, mtime: 3000 },
        { path: 'bin/hard', type: '1', link: './bin/su' },
        { path: 'bin/hardlink-to-link', type: '1', link: 'bin/link' },
        { path: 'bin/null', type: '3', rdev: [1, 3], mode: 0o666 },
        { path: 'bin/pipe', type: '6' },
      ]),
    );
    expect(lstatSync(root).mode & 0o7777).toBe(0o711);
    const bin = lstatSync(join(root, 'bin'));
    expect([bin.mode & 0o7777, bin.gid, bin.mtimeMs]).toEqual([0o2755, 5, 1_000_000]);
    const su = lstatSync(join(root, 'bin/su'));
    expect([su.mode & 0o7777, su.uid, su.gid, su.mtimeMs, su.nlink]).toEqual([0o4755, 1, 2, 2_000_000, 2]);
    expect(lstatSync(join(root, 'bin/hard')).ino).toBe(su.ino);
    const link = lstatSync(join(root, 'bin/link'));
    expect([readlinkSync(join(root, 'bin/link')), link.uid, link.mtimeMs, link.nlink]).toEqual([
      '/etc/passwd',
      3,
      3_000_000,
      2,
    ]);
    expect(lstatSync(join(root, 'bin/null')).rdev).toBe(0x103);
    expect(lstatSync(join(root, 'bin/null')).mode & 0o777).toBe(0o666);
    expect(lstatSync(join(root, 'bin/pipe')).isFIFO()).toBe(true);
    expect(attributesOf(join(root, 'bin/su'))).toContain('user.k=v\n');
    expect(attributesOf(join(root, 'bin/su'))).toContain(`security.capability=${capability}\n`);
  });

  it('turns whiteouts and opaque markers into what overlayfs reads, in any order', async () => {
    const root = await appliedTar(
      testDirectory(),
      tar([
        { path: 'a/.wh.gone' },
        { path: 'a/new', data: 'n' },
        { path: 'o/x', data: 'x' },
        { path: 'o/.wh..wh..opq' },
        { path: '.wh.back' },
        { path: 'back/', type: '5' },
        { path: 'back2/', type: '5' },
        { path: '.wh.back2' },
        { path: '.wh.implied' },
        { path: 'implied/f', data: 'f' },
        { path: 'stays', data: 's' },
        { path: '.wh.stays' },
        { path: '.wh..wh.plnk/', type: '5' },
      ]),
    );
    expect(isWhiteout(join(root, 'a/gone'))).toBe(true);
    for (const name of ['o', 'back', 'back2', 'implied']) expect(isOpaque(join(root, name))).toBe(true);
    expect(isOpaque(join(root, 'a'))).toBe(false);
    expect(readFileSync(join(root, 'stays'), 'utf8')).toBe('s');
    expect(existsSync(join(root, '.wh..wh.plnk'))).toBe(false);
  });

  it('reads GNU long names, base-256 numbers, v7 and pax headers as the system tar writes them', async () => {
    const directory = testDirectory();
    const source = subdirectory(directory, 'source');
    const long = join('d'.repeat(110), 'e'.repeat(150));
    mkdirSync(join(source, 'd'.repeat(110)));
    writeFileSync(join(source, long), 'long');
    symlinkSync('t'.repeat(180), join(source, 'l'));
    for (const format of ['gnu', 'pax']) {
      const archive = execFileSync(
        'tar',
        [`--format=${format}`, '--owner=3000000000', '--group=5', '-C', source, '-c', '.'],
        { maxBuffer: 1 << 28 },
      );
      const root = await appliedTar(directory, archive);
      expect(readFileSync(join(root, long), 'utf8')).toBe('long');
      expect(lstatSync(join(root, long)).uid).toBe(3_000_000_000);
      expect(readlinkSync(join(root, 'l'))).toBe('t'.repeat(180));
    }
    const old = tar([
      { path: 'dir/', type: '\0', magic: 'v7' },
      { path: 'dir/f', type: '\0', data: 'v7', magic: 'v7' },
    ]);
    expect(readFileSync(join(await appliedTar(directory, old), 'dir/f'), 'utf8')).toBe('v7');
  });

  it.skipIf(!hasPython)(
    'reads what python writes: fractions of seconds, large ids, a name in pax',
    async () => {
      const script = `
import tarfile, io, sys, base64
b = io.BytesIO()
with tarfile.open(fileobj=b, mode='w', format=tarfile.PAX_FORMAT) as t:
  i = tarfile.TarInfo('p' * 200 + '/' + 'q' * 200); i.size = 3; i.mtime = 12.75; i.uid = 4000000000
  t.addfile(i, io.BytesIO(b'abc'))
print(base64.b64encode(b.getvalue()).decode())`;
      const root = await appliedTar(testDirectory(), Buffer.from(run(['python3', '-c', script]), 'base64'));
      const stats = lstatSync(join(root, 'p'.repeat(200), 'q'.repeat(200)));
      expect([stats.size, stats.mtimeMs, stats.uid]).toEqual([3, 12_000, 4_000_000_000]);
    },
  );

  it('refuses a name that no file system takes', async () => {
    const attempt = appliedTar(testDirectory(), tar([{ path: 'x', pax: { path: 'p'.repeat(300) } }]));
    await expect(attempt).rejects.toMatchObject({ code: 'LAYER_INVALID', path: 'p'.repeat(300) });
  });

  it('reads several gzip members, several zstd frames and plain tar', async () => {
    const directory = testDirectory();
    const archive = tar([
      { path: 'a', data: 'x'.repeat(100_000) },
      { path: 'b', data: 'end' },
    ]);
    const pieces = [archive.subarray(0, 700), archive.subarray(700, 60_000), archive.subarray(60_000)];
    const zstd = (piece: Buffer): Buffer => execFileSync('zstd', ['-c'], { input: piece });
    const blobs = [
      Buffer.concat(pieces.map((piece) => gzipSync(piece))),
      Buffer.concat(pieces.map(zstd)),
      archive,
      gzipSync(archive, { level: 0 }),
    ];
    for (const blob of blobs) {
      const root = await applied(directory, blob, { diffId: sha256(archive), digest: sha256(blob) });
      expect(readFileSync(join(root, 'b'), 'utf8')).toBe('end');
    }
  });

  it('finds what the layer implies in the layers below: metadata of parents and hard links', async () => {
    const directory = testDirectory();
    const below = await appliedTar(
      directory,
      tar([
        { path: 'srv/', type: '5', mode: 0o750, uid: 7, gid: 8 },
        { path: 'srv/deep/', type: '5', mode: 0o700 },
        { path: 'srv/data', data: 'from below', mode: 0o640, uid: 9, mtime: 77 },
      ]),
    );
    const above = await appliedTar(
      directory,
      tar([
        { path: 'srv/new', data: 'n' },
        { path: 'top', type: '1', link: 'srv/data' },
        { path: 'fresh/f' },
      ]),
      [below],
    );
    const srv = lstatSync(join(above, 'srv'));
    expect([srv.mode & 0o7777, srv.uid, srv.gid]).toEqual([0o750, 7, 8]);
    expect(existsSync(join(above, 'srv/deep'))).toBe(false);
    const top = lstatSync(join(above, 'top'));
    expect([readFileSync(join(above, 'top'), 'utf8'), top.mode & 0o777, top.uid, top.mtimeMs]).toEqual([
      'from below',
      0o640,
      9,
      77_000,
    ]);
    expect(lstatSync(join(above, 'fresh')).mode & 0o777).toBe(0o755);
    const hidden = await appliedTar(directory, tar([{ path: '.wh.srv' }]), [below]);
    await expect(
      appliedTar(directory, tar([{ path: 'top', type: '1', link: 'srv/data' }]), [hidden, below]),
    ).rejects.toMatchObject({ code: 'LAYER_INVALID' });
  });

  it('lets the last of duplicate paths win, whatever they are', async () => {
    const root = await appliedTar(
      testDirectory(),
      tar([
        { path: 'a', data: 'first' },
        { path: 'keep', type: '1', link: 'a' },
        { path: 'a', data: 'second', mode: 0o600 },
        { path: 'd/', type: '5', mode: 0o700 },
        { path: 'd/in', data: 'x' },
        { path: 'd/', type: '5', mode: 0o711 },
        { path: 'gone/', type: '5' },
        { path: 'gone/deep/x', data: 'x' },
        { path: 'gone', data: 'a file now' },
        { path: 'l', type: '2', link: '/etc' },
        { path: 'l/', type: '5' },
        { path: 'l/x', data: 'inside' },
      ]),
    );
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('second');
    expect(readFileSync(join(root, 'keep'), 'utf8')).toBe('first');
    expect([lstatSync(join(root, 'd')).mode & 0o777, existsSync(join(root, 'd/in'))]).toEqual([0o711, true]);
    expect(readFileSync(join(root, 'gone'), 'utf8')).toBe('a file now');
    expect(readFileSync(join(root, 'l/x'), 'utf8')).toBe('inside');
  });

  it('gives files the present time when that is asked for, with its fraction', async () => {
    const archive = tar([
      { path: 'd/', type: '5', mtime: 6 },
      { path: 'd/f', data: 'x', mtime: 5 },
    ]);
    const before = Date.now();
    const root = await applied(testDirectory(), archive, { diffId: sha256(archive), freshTimes: true });
    // The kernel's clock for files ticks every few milliseconds.
    expect(lstatSync(join(root, 'd/f')).mtimeMs).toBeGreaterThan(before - 20);
    expect(lstatSync(join(root, 'd')).mtimeMs).toBe(6000);
  });
});

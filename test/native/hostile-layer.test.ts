import { execFileSync, spawn } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { applyLayer } from '../../native/index.js';
import { applied, appliedTar, attributesOf, openBelow, run, subdirectory, testDirectory } from './support.js';
import { type RawEntry, sha256, tar } from './tar.js';

describe('a hostile layer', () => {
  const refused: [string, RawEntry[], RegExp][] = [
    ['a path with ..', [{ path: '../out', data: 'x' }], /\.\./],
    ['.. in the middle', [{ path: 'a/../../out', data: 'x' }], /\.\./],
    ['.. in a pax path', [{ path: 'ok', pax: { path: 'x/../../out' }, data: 'x' }], /\.\./],
    ['a NUL in a pax path', [{ path: 'ok', pax: { path: 'a\0b' }, data: 'x' }], /NUL/],
    ['a hard link outside', [{ path: 'h', type: '1', link: '../secret' }], /\.\./],
    ['a hard link to nothing', [{ path: 'h', type: '1', link: 'nowhere' }], /does not exist/],
    [
      'a hard link to a directory',
      [
        { path: 'd/', type: '5' },
        { path: 'h', type: '1', link: 'd' },
      ],
      /directory/,
    ],
    ['a hard link to a whiteout', [{ path: '.wh.w' }, { path: 'h', type: '1', link: 'w' }], /deletes/],
    [
      'a redirect of overlay',
      [{ path: 'd/', type: '5', pax: { 'SCHILY.xattr.trusted.overlay.redirect': '/etc' } }],
      /trusted\.overlay\.redirect/,
    ],
    [
      'a redirect of an overlay without privileges',
      [{ path: 'd/', type: '5', pax: { 'SCHILY.xattr.user.overlay.redirect': '/etc' } }],
      /user\.overlay\.redirect/,
    ],
    [
      'a file whose content is elsewhere',
      [{ path: 'f', data: 'x', pax: { 'SCHILY.xattr.trusted.overlay.metacopy': '' } }],
      /trusted\.overlay\.metacopy/,
    ],
    [
      'an opaque attribute on a symlink',
      [{ path: 'l', type: '2', link: 'x', pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y' } }],
      /trusted\.overlay/,
    ],
    ['a 0:0 device', [{ path: 'c', type: '3', rdev: [0, 0] }], /0:0/],
    ['a whiteout of nothing', [{ path: 'd/.wh.' }], /whiteout/],
    ['a whiteout of ..', [{ path: 'd/.wh...' }], /whiteout/],
    ['a whiteout of .', [{ path: 'd/.wh..' }], /whiteout/],
    ['a whiteout of nothing in the root', [{ path: '.wh.' }], /whiteout/],
    ['a directory named as a whiteout', [{ path: '.wh.d/f', data: 'x' }], /\.wh\./],
    [
      'a file as a parent, where a directory was',
      [
        { path: 'd/f', data: 'x' },
        { path: 'd', data: 'x' },
        { path: 'd/g', data: 'x' },
      ],
      /not a directory/,
    ],
    [
      'a file as a parent',
      [
        { path: 'f', data: 'x' },
        { path: 'f/g', data: 'x' },
      ],
      /not a directory/,
    ],
    [
      'a symlink in a circle as a parent',
      [
        { path: 'l', type: '2', link: 'l' },
        { path: 'l/x', data: 'x' },
      ],
      /symbolic links/,
    ],
    ['a symlink to nothing', [{ path: 'l', type: '2', link: '' }], /target/],
    ['a GNU sparse file', [{ path: 's', type: 'S', magic: 'gnu' }], /sparse/],
    ['a pax sparse file', [{ path: 's', pax: { 'GNU.sparse.major': '1' } }], /sparse/],
    ['an unknown type', [{ path: 's', type: 'Z' }], /type/],
    ['a mode that is no number', [{ path: 's', patch: (header) => void header.fill('9', 100, 104) }], /mode/],
    ['a number out of range', [{ path: 's', patch: (header) => void header.fill(0x81, 124, 136) }], /size/],
    ['a root that is a file', [{ path: './', type: '0', data: 'x' }], /root/],
    [
      'damaged capabilities',
      [{ path: 'f', pax: { 'SCHILY.xattr.security.capability': 'zz' } }],
      /capability/,
    ],
    ['an owner out of range', [{ path: 'f', pax: { uid: '4294967295' } }], /owner/],
    ['a size that is a lie', [{ path: 'f', size: 8 ** 11 - 1, data: 'x' }], /too early/],
    ['a path that no program can name', [{ path: 'ok', pax: { path: 'a/'.repeat(2500) } }], /4095/],
    [
      'a hard link to a path that no program can name',
      [{ path: 'h', type: '1', pax: { linkpath: 'a/'.repeat(300_000) } }],
      /4095|name too long/i,
    ],
    [
      'directories that symlinks stack up',
      Array.from({ length: 12 }, (_, i) => [
        { path: `${i}`, type: '2', pax: { linkpath: `${i === 0 ? '' : `${i - 1}/`}${'a/'.repeat(400)}` } },
        { path: `${i}/f`, data: 'x' },
      ]).flat(),
      /4095|name too long/i,
    ],
    [
      'pax headers without end',
      Array.from({ length: 40 }, (_, i) => ({
        path: 'PaxHeaders/x',
        type: 'x',
        data: `60012 ${`a${i}`.padEnd(4, '_')}=${'x'.repeat(60_000)}\n`,
      })),
      /1 MiB/,
    ],
    ['a size beyond all numbers', [{ path: 'f', pax: { size: '18446744073709551615' } }], /size/],
  ];

  it.each(refused)('is refused for %s', async (_, entries, why) => {
    const directory = testDirectory();
    writeFileSync(join(directory, 'secret'), 'untouched');
    const attempt = appliedTar(directory, tar(entries));
    await expect(attempt).rejects.toMatchObject({ code: 'LAYER_INVALID' });
    await expect(attempt).rejects.toThrow(why);
    expect(existsSync(join(directory, 'out'))).toBe(false);
    expect(lstatSync(join(directory, 'secret')).nlink).toBe(1);
  });

  it('writes through its own symlinks only inside the root', async () => {
    const directory = testDirectory();
    const outside = subdirectory(directory, 'outside');
    const root = await appliedTar(
      directory,
      tar([
        { path: 'abs', type: '2', link: outside },
        { path: 'abs/f', data: 'x' },
        { path: 'up', type: '2', link: '../../../../..' },
        { path: 'up/g', data: 'x' },
        { path: 'usr/lib/', type: '5' },
        { path: 'lib', type: '2', link: 'usr/lib' },
        { path: 'lib/h', data: 'x' },
        { path: 'abs/hard', type: '1', link: 'lib/h' },
      ]),
    );
    expect(existsSync(join(outside, 'f'))).toBe(false);
    expect(readFileSync(join(root, outside, 'f'), 'utf8')).toBe('x');
    expect(readFileSync(join(root, 'g'), 'utf8')).toBe('x');
    expect(readFileSync(join(root, 'usr/lib/h'), 'utf8')).toBe('x');
    expect(lstatSync(join(root, outside, 'hard')).nlink).toBe(2);
  });

  it('keeps absolute names inside the root', async () => {
    const root = await appliedTar(testDirectory(), tar([{ path: '/slipway-test-absolute', data: 'x' }]));
    expect(existsSync('/slipway-test-absolute')).toBe(false);
    expect(existsSync(join(root, 'slipway-test-absolute'))).toBe(true);
  });

  it('never changes a file outside by way of a symlink that it replaces', async () => {
    const directory = testDirectory();
    const secret = join(directory, 'secret');
    writeFileSync(secret, 'untouched', { mode: 0o600 });
    await appliedTar(
      directory,
      tar([
        { path: 'l', type: '2', link: secret },
        { path: 'l', data: 'mine', mode: 0o777 },
      ]),
    );
    expect([readFileSync(secret, 'utf8'), lstatSync(secret).mode & 0o777]).toEqual(['untouched', 0o600]);
  });

  it('is refused as a bomb: by its bytes, by the ratio that only zstd reaches, and by its entries', async () => {
    const directory = testDirectory();
    const archive = tar([{ path: 'zeros', data: Buffer.alloc(100 << 20) }]);
    const diffId = sha256(archive);
    const gzip = gzipSync(archive);
    const zstd = execFileSync('zstd', ['-19', '-c'], { input: archive });
    await expect(applied(directory, zstd, { diffId })).rejects.toMatchObject({
      code: 'LAYER_TOO_LARGE',
      message: expect.stringMatching(/1100 times/),
    });
    await expect(applied(directory, gzip, { diffId, maxBytes: 1 << 20 })).rejects.toMatchObject({
      code: 'LAYER_TOO_LARGE',
    });
    // What a RUN of ours may write must also be laid out elsewhere.
    await applied(directory, gzip, { diffId, maxBytes: archive.length });
    const many = tar(Array.from({ length: 50 }, (_, i) => ({ path: `${i}` })));
    await applied(directory, many, { diffId: sha256(many), maxEntries: 50 });
    await expect(applied(directory, many, { diffId: sha256(many), maxEntries: 49 })).rejects.toMatchObject({
      code: 'LAYER_TOO_LARGE',
    });
  });

  it('says nothing of all entries at once: a global header is passed over, as docker does', async () => {
    const root = await appliedTar(
      testDirectory(),
      tar([
        { path: 'g', type: 'g', data: '12 path=all\n' + '22 size=18446744073709\n' + '14 uid=123456\n' },
        { path: 'f', data: 'x' },
      ]),
    );
    expect(readdirSync(root)).toEqual(['f']);
    expect(lstatSync(join(root, 'f')).uid).toBe(0);
  });

  it('may say twice what it holds: the last counts, and what it replaced is gone', async () => {
    const directory = testDirectory();
    const root = await appliedTar(
      directory,
      tar([
        { path: 'a', data: 'first' },
        { path: 'b', type: '1', link: 'a' },
        { path: 'a', data: 'second' },
        { path: 'd/', type: '5' },
        { path: 'd/x', data: 'x' },
        { path: 'd', type: '2', link: '..' },
        { path: 'd', data: 'file' },
        { path: 'e', data: 'file' },
        { path: 'e/', type: '5', mode: 0o700 },
        { path: 'e/', type: '5', mode: 0o711 },
        { path: '.wh.e' },
        { path: '.wh..wh..opq' },
        { path: '.wh..wh..opq' },
      ]),
    );
    expect(['a', 'b', 'd'].map((name) => readFileSync(join(root, name), 'utf8'))).toEqual([
      'second',
      'first',
      'file',
    ]);
    expect(lstatSync(join(root, 'e')).mode & 0o777).toBe(0o711);
    expect(attributesOf(root)).toContain('trusted.overlay.opaque=y');
  });

  it('is refused when it is truncated, damaged or not a tar at all', async () => {
    const directory = testDirectory();
    const archive = tar([
      { path: 'a', data: Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) >>> 3)) },
    ]);
    const gzip = gzipSync(archive);
    const zstd = execFileSync('zstd', ['-c'], { input: archive });
    const damaged = Buffer.from(gzip);
    damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 0x55, damaged.length >> 1);
    const bad = [
      gzip.subarray(0, -5),
      gzip.subarray(0, 1000),
      zstd.subarray(0, -3),
      damaged,
      Buffer.from('hello'),
      Buffer.alloc(0),
      Buffer.concat([gzip, Buffer.from('junk')]),
      archive.subarray(0, 3000),
      Buffer.from('x'.repeat(600)),
    ];
    const flipped = Buffer.from(archive);
    flipped[3] = 0x55;
    await expect(applied(directory, flipped, { diffId: sha256(archive) })).rejects.toThrow(/checksum/);
    for (const blob of bad) {
      await expect(applied(directory, blob, { diffId: sha256(archive) })).rejects.toMatchObject({
        code: 'LAYER_INVALID',
      });
    }
  });

  it('is refused when the bytes are others than promised, compressed or not', async () => {
    const directory = testDirectory();
    const archive = tar([{ path: 'a', data: 'x' }]);
    const blob = gzipSync(archive);
    const other = sha256(Buffer.from('other'));
    await expect(applied(directory, blob, { diffId: other })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    await expect(applied(directory, blob, { diffId: sha256(archive), digest: other })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    const tail = Buffer.concat([archive, Buffer.from('after the end of the archive')]);
    await expect(applied(directory, tail, { diffId: sha256(archive) })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    await applied(directory, tail, { diffId: sha256(tail) });
  });

  it('fails with the system code when the disk is full, and leaks no descriptor', async () => {
    const directory = testDirectory();
    run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', subdirectory(directory, 'small')]);
    const archive = tar([{ path: 'big', data: Buffer.alloc(3 << 20, 'x') }]);
    const blob = join(directory, 'blob');
    writeFileSync(blob, archive);
    for (let i = 0; i < 20; i++) {
      const target = subdirectory(directory, `small/t${i}`);
      const attempt = applyLayer({ blob, diffId: sha256(archive), target, lowers: [directory, target] });
      await expect(attempt).rejects.toMatchObject({ code: 'ENOSPC', path: 'big' });
    }
    expect(openBelow(directory)).toEqual([]);
  });

  it('stops when it is cancelled, with the reason of the signal', async () => {
    const directory = testDirectory();
    const blob = join(directory, 'pipe');
    run(['mkfifo', blob]);
    const archive = tar(Array.from({ length: 2000 }, (_, i) => ({ path: `f${i}`, data: 'x'.repeat(600) })));
    const controller = new AbortController();
    const target = subdirectory(directory, 'target');
    // The pipe never ends, so only the signal can end this.
    const feeder = spawn('dd', ['if=/dev/zero', `of=${blob}`, 'bs=64k'], { stdio: 'ignore' });
    const attempt = applyLayer({
      blob,
      diffId: sha256(archive),
      target,
      lowers: [],
      maxRatio: 1e9,
      signal: controller.signal,
    });
    controller.abort(new Error('the build was cancelled'));
    await expect(attempt).rejects.toThrow('the build was cancelled');
    feeder.kill('SIGKILL');
    await expect(
      applyLayer({ blob, diffId: sha256(archive), target, lowers: [], signal: controller.signal }),
    ).rejects.toThrow('the build was cancelled');
  });
});

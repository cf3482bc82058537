/** Archives of ADD taken apart: what is one, what is in it, and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ArchivedEntry, unpackArchive } from '../../native/index.js';
import { run, testDirectory } from './support.js';
import { tar } from './tar.js';

const LIMITS = { maxBytes: 1 << 30, maxRatio: 200, maxEntries: 100 };

async function taken(
  bytes: Buffer,
  limits: Partial<typeof LIMITS> = {},
): Promise<{ entries: ArchivedEntry[] | undefined; text: (path: string) => string }> {
  const directory = testDirectory();
  const archive = join(directory, 'archive');
  const spool = join(directory, 'spool');
  writeFileSync(archive, bytes);
  const entries = await unpackArchive({ archive, spool, ...LIMITS, ...limits });
  const text = (path: string): string => {
    const entry = entries?.find((one) => one.path === path);
    if (entry === undefined) throw new Error(`no ${path}`);
    return readFileSync(spool)
      .subarray(entry.offset, entry.offset + entry.size)
      .toString();
  };
  return { entries, text };
}

const TWO = tar([
  { path: './d/', type: '5', mode: 0o700, uid: 5 },
  { path: '../one', data: 'first', pax: { 'SCHILY.xattr.user.k': 'v', 'SCHILY.xattr.trusted.t': 'v' } },
  { path: 'two', data: 'the second' },
  { path: 'l', type: '1', link: 'two' },
]);

describe('an archive', () => {
  it('gives its entries as they are written, and the bytes of its files', async () => {
    const { entries, text } = await taken(TWO);
    expect(entries?.map(({ path, type }) => `${type} ${path}`)).toEqual([
      'directory ./d/',
      'file ../one',
      'file two',
      'hardlink l',
    ]);
    expect(entries?.[0]).toMatchObject({ mode: 0o700, uid: 5 });
    expect(entries?.[1]?.xattrs).toEqual({ 'user.k': Buffer.from('v') });
    expect([text('../one'), text('two')]).toEqual(['first', 'the second']);
  });

  it.each(['gzip', 'zstd'])('may be compressed with %s', async (program) => {
    const plain = join(testDirectory(), 'plain');
    writeFileSync(plain, TWO);
    run([program, '-q', plain]);
    const packed = readFileSync(`${plain}.${program === 'gzip' ? 'gz' : 'zst'}`);
    expect((await taken(packed)).text('two')).toBe('the second');
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('hello\n')],
    ['text of more than a block', Buffer.alloc(2000, 'x')],
    ['compressed text', gzipSync(Buffer.alloc(2000, 'x'))],
    ['zeros', Buffer.alloc(10_240)],
    ['the mark of gzip and nothing of it', Buffer.from([0x1f, 0x8b, 9, 9, 9, 9])],
  ])('is not what begins otherwise: %s', async (_what, bytes) => {
    expect((await taken(bytes)).entries).toBeUndefined();
  });

  it('fails when it is damaged further on', async () => {
    const damaged = Buffer.concat([tar([{ path: 'a', data: 'a' }], false), Buffer.alloc(512, 'x')]);
    await expect(taken(damaged)).rejects.toMatchObject({ code: 'LAYER_INVALID' });
    await expect(taken(tar([{ path: 'a', data: 'a', size: 9000 }]))).rejects.toMatchObject({
      code: 'LAYER_INVALID',
    });
  });

  it('is refused as a bomb: by its bytes, by its entries', async () => {
    const big = gzipSync(tar([{ path: 'a', data: Buffer.alloc(3_000_000) }]));
    await expect(taken(big, { maxBytes: 1_000_000 })).rejects.toMatchObject({ code: 'LAYER_TOO_LARGE' });
    await expect(taken(TWO, { maxEntries: 3 })).rejects.toMatchObject({ code: 'LAYER_TOO_LARGE' });
  });
});

/**
 * Archives that were damaged, or made to do damage: whatever their bytes, they are laid out inside the target or refused by
 * name, soon, and nothing beside the target is touched.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyLayer, repackLayer, unpackArchive } from '../../native/index.js';
import { picture, subdirectory, testDirectory } from './support.js';
import { type RawEntry, sha256, tar } from './tar.js';

/** Small, whatever it is. */
const SOON_MS = 2000;

const name = fc.constantFrom(
  'a',
  'b',
  'd',
  'l',
  '..',
  '.',
  '',
  '.wh.a',
  '.wh..wh..opq',
  '.wh.',
  '.wh..',
  'canary',
);
const path = fc
  .tuple(
    fc.constantFrom('', '', '/', './', '../'),
    fc.array(name, { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '/'),
  )
  .map(([before, parts, after]) => before + parts.join('/') + after);
const target = fc.oneof(
  path,
  fc.constantFrom('/', '/etc/passwd', '../../canary', '../canary/secret', '/proc/self/root', 'a/../..'),
);
const record = fc.tuple(
  fc.constantFrom(
    ...[
      'path',
      'linkpath',
      'size',
      'uid',
      'gid',
      'mtime',
      'SCHILY.xattr.user.a',
      'SCHILY.xattr.security.capability',
    ],
    ...[
      'SCHILY.xattr.trusted.overlay.opaque',
      'SCHILY.xattr.trusted.overlay.redirect',
      'SCHILY.xattr.user.overlay.opaque',
      'GNU.sparse.name',
      'comment',
    ],
  ),
  fc.oneof(
    target,
    fc.constantFrom('0', '-1', '1.5', '99999999999999999999', 'y', '/etc', '\0'),
    fc.string({ maxLength: 8 }),
  ),
);
const entry: fc.Arbitrary<RawEntry> = fc
  .record({
    path,
    type: fc.constantFrom(...'00000055555112234677xgLKSVZ\0'.split('')),
    data: fc.constantFrom('', 'x', 'x'.repeat(600)),
    link: target,
    mode: fc.constantFrom(0, 0o644, 0o755, 0o7777, 0o100644),
    uid: fc.constantFrom(0, 1000, 2_097_151),
    rdev: fc.constantFrom([0, 0] as const, [1, 3] as const, [2_097_151, 2_097_151] as const),
    magic: fc.constantFrom('ustar' as const, 'ustar' as const, 'gnu' as const, 'v7' as const),
    records: fc.option(
      fc.dictionary(
        record.map(([key]) => key),
        record.map(([, value]) => value),
        { maxKeys: 3 },
      ),
    ),
    lie: fc.option(fc.constantFrom(0, 1, 511, 513, 8 ** 11 - 1), { freq: 8 }),
  })
  .map(({ records, lie, ...rest }) => ({
    ...rest,
    ...(records === null ? {} : { pax: records }),
    ...(lie === null ? {} : { size: lie }),
  }));

/** Bytes of the header changed with a checksum that holds, bytes anywhere changed, cut, or doubled. */
const damage = fc.array(
  fc.record({
    kind: fc.constantFrom('header', 'header', 'header', 'byte', 'bit', 'cut', 'double'),
    at: fc.nat(1 << 20),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x2f, 0x30, 0x37, 0x80, 0xff)),
  }),
  { maxLength: 5 },
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(archive: Buffer, changes: Damage): Buffer {
  let bytes = Buffer.from(archive);
  for (const { kind, at, value } of changes) {
    const place = at % Math.max(bytes.length, 1);
    if (bytes.length < 512) return bytes;
    if (kind === 'cut') bytes = bytes.subarray(0, place);
    else if (kind === 'double') bytes = Buffer.concat([bytes.subarray(0, place & ~511), bytes]);
    else if (kind === 'bit') bytes[place] = (bytes[place] ?? 0) ^ (1 << (value & 7));
    else if (kind === 'byte') bytes[place] = value;
    else {
      const start = Math.min(place & ~511, bytes.length - 512) & ~511;
      const header = bytes.subarray(start, start + 512);
      header[at % 345] = value;
      header.fill(' ', 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    }
  }
  return bytes;
}

const REFUSED = ['LAYER_INVALID', 'LAYER_TOO_LARGE', 'DIGEST_MISMATCH'];

/** Done, or refused for what the bytes are; and in time. */
async function answered(work: () => Promise<unknown>): Promise<void> {
  const before = performance.now();
  try {
    await work();
  } catch (error) {
    expect(REFUSED, String(error)).toContain((error as { code?: string }).code);
    expect((error as Error).message).not.toBe('');
  }
  expect(performance.now() - before).toBeLessThan(SOON_MS);
}

it('touch nothing outside, and are answered', async () => {
  const directory = testDirectory();
  const canary = subdirectory(directory, 'canary');
  writeFileSync(join(canary, 'secret'), 'untouched', { mode: 0o600 });
  const below = subdirectory(directory, 'below');
  mkdirSync(join(below, 'd'));
  writeFileSync(join(below, 'a'), 'below');
  writeFileSync(join(below, 'd/b'), 'below');
  symlinkSync('../../canary', join(below, 'l'));
  const before = [await picture(canary), await picture(below)];
  const pack = fc.constantFrom(
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    gzipSync,
    (bytes: Buffer) => execFileSync('zstd', ['-c'], { input: bytes }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { minLength: 1, maxLength: 8 }),
      damage,
      pack,
      damage,
      async (entries, inside, packed, outside) => {
        const archive = damaged(tar(entries), inside);
        const scratch = mkdtempSync(join(directory, 'case-'));
        const blob = join(scratch, 'blob');
        // Damage of the compressed stream in one of a few cases: else hardly any would get beyond it.
        const bytes = outside.length > 3 ? damaged(packed(archive), outside.slice(0, 1)) : packed(archive);
        writeFileSync(blob, bytes);
        const layer = { blob, diffId: sha256(archive) };
        await answered(() =>
          applyLayer({ ...layer, target: subdirectory(scratch, 'target'), lowers: [below] }),
        );
        const limits = { maxBytes: 1 << 30, maxRatio: 1000, maxEntries: 1000 };
        await answered(() => unpackArchive({ archive: blob, spool: join(scratch, 'spool'), ...limits }));
        const again = { ...layer, digest: sha256(bytes), path: join(scratch, 'again'), newest: 5 };
        await answered(() => repackLayer({ ...again, compression: 'gzip' }));
        expect([await picture(canary), await picture(below)]).toEqual(before);
        rmSync(scratch, { recursive: true });
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);

/** Blobs that are chains of gzip members or zstd frames: the same whatever made them, read by everybody, refused damaged. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  applyLayer,
  type LayerEntry,
  openLayerWriter,
  repackLayer,
  type WrittenLayer,
  writeUpperLayer,
} from '../../native/index.js';
import { applied, run, subdirectory, testDirectory } from './support.js';
import { sha256 } from './tar.js';

const MEMBER_BYTES = 512 * 1024;
const THREADS = [1, 2, 3, 16];

const base = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 1 } as const;

/** Text that gets harder to compress, and noise in between. */
function content(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) data[i] = i % 7 === 0 ? (i * 2654435761) >>> 13 : 97 + (i % 11);
  return data;
}

async function written(
  path: string,
  entries: readonly LayerEntry[],
  options: { compression?: 'gzip' | 'zstd' | 'none'; threads?: number } = {},
): Promise<WrittenLayer> {
  const writer = openLayerWriter({ path, compression: 'gzip', ...options });
  try {
    await writer.write(entries);
    return await writer.finish();
  } finally {
    await writer.abort();
  }
}

/** Where the members of a gzip begin that node can read one by one. */
function members(blob: Buffer): number[] {
  const starts: number[] = [];
  for (let at = blob.indexOf('1f8b0800', 0, 'hex'); at >= 0; at = blob.indexOf('1f8b0800', at + 1, 'hex'))
    starts.push(at);
  return starts;
}

it('gives the same bytes on any number of threads', async () => {
  const directory = testDirectory();
  const sizes = fc.array(fc.integer({ min: 0, max: 900_000 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.constantFrom('gzip', 'zstd', 'none'), async (bytes, compression) => {
      const entries = bytes.map((size, i): LayerEntry => ({ path: `f${i}`, data: content(size), ...base }));
      const layers: WrittenLayer[] = [];
      for (const threads of THREADS) {
        const path = join(directory, `${threads}`);
        layers.push(await written(path, entries, { compression, threads }));
        expect(layers.at(-1)?.digest).toBe(sha256(readFileSync(path)));
      }
      for (const layer of layers) expect(layer).toEqual(layers[0]);
    }),
    { numRuns: 20 },
  );
});

it('gives one blob for a tree, written as a layer, from an upper directory, or repacked', async () => {
  const directory = testDirectory();
  const data = content(3 * MEMBER_BYTES);
  const entries: LayerEntry[] = ['a', 'b'].map((path) => ({ path, data, ...base }));
  const layer = await written(join(directory, 'written'), entries);
  const target = subdirectory(directory, 'upper');
  await applyLayer({ blob: join(directory, 'written'), diffId: layer.diffId, target, lowers: [] });
  for (const threads of THREADS) {
    const path = join(directory, 'again');
    const upper = await writeUpperLayer({ upper: target, lowers: [], path, compression: 'gzip', threads });
    expect(upper).toEqual(layer);
    const { digest, diffId } = layer;
    const blob = join(directory, 'written');
    expect(await repackLayer({ blob, digest, diffId, path, compression: 'gzip', threads })).toMatchObject({
      digest,
      diffId,
    });
  }
});

it.each([0, 1, 511])(
  'cuts members of 512 KiB; the last holds what is left, with %i bytes more',
  async (more) => {
    const directory = testDirectory();
    const path = join(directory, 'layer');
    // Header and end are 3 blocks of 512 bytes.
    const layer = await written(path, [
      { path: 'a', data: content(2 * MEMBER_BYTES - 1536 + more), ...base },
    ]);
    const blob = readFileSync(path);
    const starts = members(blob);
    expect(starts.length).toBe(more === 0 ? 2 : 3);
    const sizes = starts.map((at, i) => gunzipSync(blob.subarray(at, starts[i + 1])).length);
    expect(sizes).toEqual([MEMBER_BYTES, MEMBER_BYTES, ...(more === 0 ? [] : [512])]);
    expect(sha256(gunzipSync(blob))).toBe(layer.diffId);
    expect(sha256(execFileSync('gzip', ['-dc', path], { maxBuffer: 1 << 28 }))).toBe(layer.diffId);
    expect(run(['tar', '-tzf', path])).toBe('a\n');
  },
);

it('stores what cannot be compressed, with hardly a byte more', async () => {
  const directory = testDirectory();
  const noise = execFileSync('head', ['-c', '3000000', '/dev/urandom'], { maxBuffer: 1 << 28 });
  const layer = await written(join(directory, 'layer'), [{ path: 'a', data: noise, ...base }]);
  expect(layer.sizeBytes).toBeLessThan(noise.length + 3000);
});

it('is refused when any one of its members is damaged, cut off or left out', async () => {
  const directory = testDirectory();
  const path = join(directory, 'layer');
  const { diffId } = await written(path, [{ path: 'a', data: content(4 * MEMBER_BYTES), ...base }]);
  const blob = readFileSync(path);
  const starts = members(blob);
  expect(starts.length).toBe(5);
  const refused = { code: expect.stringMatching(/^(LAYER_INVALID|DIGEST_MISMATCH)$/) };
  for (const [i, at] of starts.entries()) {
    const end = starts[i + 1] ?? blob.length;
    for (const place of [at + 1, (at + end) >> 1, end - 6, end - 2]) {
      const damaged = Buffer.from(blob);
      damaged.writeUInt8(damaged.readUInt8(place) ^ 0x55, place);
      await expect(applied(directory, damaged, { diffId })).rejects.toMatchObject(refused);
    }
    const without = Buffer.concat([blob.subarray(0, at), blob.subarray(end)]);
    await expect(applied(directory, without, { diffId })).rejects.toMatchObject(refused);
    await expect(applied(directory, blob.subarray(0, end - 1), { diffId })).rejects.toMatchObject(refused);
  }
  await applied(directory, blob, { diffId });
});

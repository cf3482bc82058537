import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressLog } from '../../src/logs/compressed-log.js';
import { followLog, readLog } from '../../src/logs/log-reader.js';
import { temporaryDirectory } from '../support/directories.js';

const run = promisify(execFile);

/** Several blocks of lines, and one that cannot be compressed. */
const TEXT = Buffer.concat([
  Buffer.from(Array.from({ length: 20_000 }, (_, line) => `-----> line ${line} ä\n`).join('')),
  randomBytes(100_000),
]);

async function compressed(content: Uint8Array = TEXT): Promise<string> {
  const path = join(await temporaryDirectory(), 'log');
  await writeFile(path, content);
  expect(await compressLog(path)).toBeLessThan(content.length + 1);
  expect(await readdir(dirname(path))).toEqual(['log.gz']);
  return path;
}

describe('a compressed log', () => {
  it('is read from any offset as it was', async () => {
    const path = await compressed();
    const asked = fc.record({
      from: fc.nat(TEXT.length + 10),
      bytes: fc.oneof(fc.nat(200), fc.nat(200_000)),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ from, bytes }) => {
        const { data, nextOffset } = await readLog(path, from, bytes);
        expect(data.equals(TEXT.subarray(from, from + bytes))).toBe(true);
        expect(nextOffset).toBe(from + data.length);
      }),
      { numRuns: 60, examples: [[{ from: 65_280, bytes: 1 }], [{ from: 65_279, bytes: 2 }]] },
    );
  });

  it('is followed from an offset to its end', async () => {
    const path = await compressed();
    const parts: Buffer[] = [];
    let next = 70_000;
    for await (const { offset, data } of followLog(path, next, Promise.resolve())) {
      expect(offset).toBe(next);
      next += data.length;
      parts.push(data);
    }
    expect(Buffer.concat(parts).equals(TEXT.subarray(70_000))).toBe(true);
  });

  it('is gzip to everybody else', async () => {
    const path = await compressed();
    expect(gunzipSync(await readFile(`${path}.gz`)).equals(TEXT)).toBe(true);
    const { stdout } = await run('zcat', [`${path}.gz`], { encoding: 'buffer', maxBuffer: 1e8 });
    expect(stdout.equals(TEXT)).toBe(true);
  });

  it('may be empty, or not be there at all', async () => {
    const path = await compressed(Buffer.alloc(0));
    expect(await readLog(path, 0, 10)).toEqual({ data: Buffer.alloc(0), nextOffset: 0 });
    expect(await compressLog(path)).toBeUndefined();
    expect(await compressLog(join(dirname(path), 'other'))).toBeUndefined();
  });

  it('is made again after a compression that was cut off, and the log holds until then', async () => {
    const path = await compressed(Buffer.from('half'));
    await writeFile(path, TEXT);
    expect((await readLog(path, 0, TEXT.length)).data.equals(TEXT)).toBe(true);
    await compressLog(path);
    expect((await readLog(path, 0, TEXT.length)).data.equals(TEXT)).toBe(true);
  });

  it('is still followed to its end by who had begun before', async () => {
    const path = join(await temporaryDirectory(), 'log');
    await writeFile(path, TEXT);
    const following = followLog(path, 0, Promise.resolve());
    const first = await following.next();
    await compressLog(path);
    let length = first.value === undefined ? 0 : first.value.data.length;
    for await (const { data } of following) length += data.length;
    expect(length).toBe(TEXT.length);
  });
});

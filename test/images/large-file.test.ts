/** A file of more than 8 GiB: its size does not fit into the header of a tar. */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { writeUpperLayer } from '../../native/index.js';
import { temporaryDirectory } from '../support/directories.js';

const SIZE = 8 * 1024 ** 3 + 4097;

test('the size of a file of more than 8 GiB is in a pax header', async () => {
  const directory = await temporaryDirectory();
  const upper = join(directory, 'upper');
  await mkdir(upper);
  await using file = await open(join(upper, 'large'), 'w');
  await file.truncate(SIZE);
  const path = join(directory, 'layer');
  // The beginning says it; nobody waits for 8 GiB of zeros.
  const stop = new AbortController();
  const written = writeUpperLayer({ upper, lowers: [], path, compression: 'none', signal: stop.signal });
  written.catch(() => undefined);
  const head = await firstBytes(path, 1536).finally(() => stop.abort(new Error('enough')));
  await expect(written).rejects.toThrow('enough');
  expect(String.fromCharCode(head[156] ?? 0)).toBe('x');
  expect(head.subarray(512, 1024).toString('latin1')).toContain(` size=${SIZE}\n`);
  expect(head.subarray(1024, 1029).toString()).toBe('large');
});

/** Of a file that is being written. */
async function firstBytes(path: string, bytes: number): Promise<Buffer> {
  const until = Date.now() + 20_000;
  for (;;) {
    const file = await open(path, 'r').catch(() => undefined);
    if (file !== undefined) {
      await using reading = file;
      const { bytesRead, buffer } = await reading.read(Buffer.alloc(bytes), 0, bytes, 0);
      if (bytesRead === bytes) return buffer;
    }
    if (Date.now() > until) throw new Error('nothing was written');
    await sleep(5);
  }
}

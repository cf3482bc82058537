import { readdirSync, readlinkSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { followLog, type LogPart, readLog } from '../../src/logs/log-reader.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-log-'));
  path = join(directory, 'log');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Reads to the end, checking that the parts join without a gap. */
async function collect(
  parts: AsyncIterable<LogPart>,
  from: number,
  seen: (bytes: number) => void = () => {},
): Promise<Buffer> {
  const data: Buffer[] = [];
  let offset = from;
  for await (const part of parts) {
    expect(part.offset).toBe(offset);
    offset += part.data.length;
    data.push(Buffer.from(part.data));
    seen(offset);
  }
  return Buffer.concat(data);
}

/** A reader that can be waited for: `reached(n)` resolves when it has read to offset n. */
function follower(from: number, done: Promise<unknown> | AbortSignal, signal?: AbortSignal) {
  let at = from;
  let wake = (): void => {};
  const all = collect(followLog(path, from, done, signal), from, (offset) => {
    at = offset;
    wake();
  });
  return {
    all,
    async reached(offset: number): Promise<void> {
      while (at < offset) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

function openLogs(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;
}

describe('reading a log', () => {
  test('parts from any offset, of any size, join to the exact bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 400 }),
        fc.nat(450),
        fc.integer({ min: 1, max: 90 }),
        async (bytes, from, size) => {
          await writeFile(path, bytes);
          const parts: Buffer[] = [];
          let offset = from;
          for (;;) {
            const { data, nextOffset } = await readLog(path, offset, size);
            expect(nextOffset).toBe(offset + data.length);
            if (data.length === 0) break;
            parts.push(data);
            offset = nextOffset;
          }
          expect(Buffer.concat(parts)).toEqual(Buffer.from(bytes.subarray(from)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test('of a file that does not exist yet is empty', async () => {
    expect(await readLog(path, 7, 100)).toEqual({ data: Buffer.alloc(0), nextOffset: 7 });
  });

  test('a path that is no file is an error', async () => {
    await expect(readLog(directory, 0, 10)).rejects.toThrow();
  });
});

describe('following a log', () => {
  test('gives the exact bytes from any offset however they are written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 12 }),
        fc.nat(300),
        async (writes, from) => {
          await rm(path, { force: true });
          const whole = Buffer.concat(writes);
          const writer = (async () => {
            for (const bytes of writes) await appendFile(path, bytes);
          })();
          expect(await collect(followLog(path, from, writer), from)).toEqual(whole.subarray(from));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('resumes at the exact byte and ends when the log is final and read to its end', async () => {
    await writeFile(path, 'first\nsecond\n');
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => (finish = resolve));
    const reading = follower(6, done);
    await reading.reached(13);
    await appendFile(path, 'third\n');
    await reading.reached(19);
    await appendFile(path, 'last\n');
    finish();
    expect((await reading.all).toString()).toBe('second\nthird\nlast\n');
  });

  test('waits for a file, and for its directory, that do not exist yet', async () => {
    path = join(directory, 'later', 'log');
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => (finish = resolve));
    const reading = follower(0, done);
    await mkdir(join(directory, 'later'));
    await writeFile(path, 'here now\n');
    await reading.reached(9);
    finish();
    expect((await reading.all).toString()).toBe('here now\n');
  });

  test('ends empty when the deployment ended without a log', async () => {
    expect(await collect(followLog(path, 0, Promise.resolve()), 0)).toEqual(Buffer.alloc(0));
    expect(await collect(followLog(path, 0, AbortSignal.abort()), 0)).toEqual(Buffer.alloc(0));
  });

  test('ends on a signal that the deployment is final', async () => {
    const final = new AbortController();
    const reading = follower(0, final.signal);
    await writeFile(path, 'all\n');
    await reading.reached(4);
    final.abort();
    expect((await reading.all).toString()).toBe('all\n');
  });

  test('leaves at once when the viewer goes, and frees the file', async () => {
    await writeFile(path, 'some\n');
    const viewer = new AbortController();
    const reading = follower(0, new Promise(() => {}), viewer.signal);
    await reading.reached(5);
    expect(openLogs()).toBe(1);
    viewer.abort();
    expect((await reading.all).toString()).toBe('some\n');
    expect(openLogs()).toBe(0);
    expect(await collect(followLog(path, 0, new Promise(() => {}), AbortSignal.abort()), 0)).toEqual(
      Buffer.alloc(0),
    );
  });

  test('throws what the wait for the end throws', async () => {
    await writeFile(path, 'some\n');
    await expect(collect(followLog(path, 0, Promise.reject(new Error('journal gone'))), 0)).rejects.toThrow(
      'journal gone',
    );
    expect(openLogs()).toBe(0);
  });

  test('throws when the file cannot be read', async () => {
    await mkdir(path);
    await expect(collect(followLog(path, 0, new Promise(() => {})), 0)).rejects.toThrow(/EISDIR/);
  });

  test('a log larger than one part is read whole, and a follower far behind reads the same', async () => {
    const whole = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`).join(''));
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => (finish = resolve));
    await writeFile(path, whole.subarray(0, 100));
    const early = follower(0, done);
    await early.reached(100);
    await appendFile(path, whole.subarray(100));
    await early.reached(whole.length);
    const late = follower(50, done);
    finish();
    expect((await early.all).equals(whole)).toBe(true);
    expect((await late.all).equals(whole.subarray(50))).toBe(true);
  });

  test('500 followers share one descriptor and all see every byte', async () => {
    await writeFile(path, 'start\n');
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => (finish = resolve));
    const readers = Array.from({ length: 500 }, () => follower(0, done));
    await Promise.all(readers.map((reader) => reader.reached(6)));
    expect(openLogs()).toBe(1);
    const lines: string[] = [];
    for (let i = 0; i < 100; i++) {
      lines.push(`line ${i}\n`);
      await appendFile(path, `line ${i}\n`);
    }
    finish();
    const expected = `start\n${lines.join('')}`;
    for (const reader of readers) expect((await reader.all).toString()).toBe(expected);
    expect(openLogs()).toBe(0);
  });
});

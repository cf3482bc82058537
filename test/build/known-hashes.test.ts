/** Files of a directory that are known from an earlier build are not read again, and a changed one is never taken for known. */
import { chmod, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDirectoryContext } from '../../src/build/context/directory-context.js';
import { plainSelector } from '../../src/build/copy/copy-source.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { parseIgnore } from '../../src/dockerfile/ignore.js';
import { temporaryDirectory } from '../support/directories.js';

const signal = new AbortController().signal;
let directory: string;
let hashes: string;
beforeEach(async () => {
  directory = await temporaryDirectory();
  hashes = await temporaryDirectory();
});

/** Names what a COPY of all would copy. `known`: with what earlier builds have hashed. */
async function content(known = true): Promise<string> {
  const context = await openDirectoryContext(directory, DEFAULT_LIMITS, signal, known ? hashes : undefined);
  const source = await context.source(parseIgnore(''), '.dockerignore');
  const [selection] = await source.select(plainSelector('.'));
  return selection?.content ?? expect.unreachable();
}

/** As if it had been written long ago: its times alone would not say that it was changed. */
async function write(name: string, text: string, seconds = 1_000_000): Promise<void> {
  await writeFile(join(directory, name), text);
  await utimes(join(directory, name), seconds, seconds);
}

/** What was written just now could be written again within one tick of the clock, and is not kept: later it is. */
function settle(): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
}
afterEach(() => {
  vi.useRealTimers();
});

describe('a directory that was built before', () => {
  it('is not read again where it did not change', async () => {
    await write('a', 'one');
    await write('b', 'two');
    settle();
    const first = await content();
    const [file] = await readdir(hashes);
    expect(file).toMatch(/^[0-9a-f]{64}\.hashes$/);
    const text = join(hashes, file ?? '');
    const before = (await stat(text)).mtimeMs;
    expect(await content()).toBe(first);
    expect(await content(false)).toBe(first);
    // What was known was enough: nothing was added.
    expect((await stat(text)).mtimeMs).toBe(before);
  });

  it.each([
    ['is written again, with the old size and time', async () => write('a', 'eno')],
    [
      'is replaced by another of the same size and time',
      async () => {
        await write('c', 'eno');
        await rename(join(directory, 'c'), join(directory, 'a'));
      },
    ],
    ['has another mode', async () => chmod(join(directory, 'a'), 0o755)],
    ['is gone', async () => rm(join(directory, 'a'))],
    [
      'is a directory now',
      async () => {
        await rm(join(directory, 'a'));
        await mkdir(join(directory, 'a'));
      },
    ],
  ])('is another where a file %s', async (_what, change) => {
    await write('a', 'one');
    await write('b', 'two');
    settle();
    const first = await content();
    await change();
    const second = await content();
    expect(second).toBe(await content(false));
    expect(second).not.toBe(first);
  });

  it('does not trust a file that was written a moment ago', async () => {
    for (let round = 0; round < 50; round++) {
      await writeFile(join(directory, 'a'), `round ${String(round).padStart(3)}`);
      expect(await content()).toBe(await content(false));
    }
  });

  it('is hashed anew where what was known is damaged', async () => {
    await write('a', 'one');
    settle();
    const first = await content();
    const [file = ''] = await readdir(hashes);
    for (const text of ['', 'slipway-hashes-1\0a', 'nonsense\0a\0b\0c']) {
      await writeFile(join(hashes, file), text);
      expect(await content()).toBe(first);
    }
  });
});

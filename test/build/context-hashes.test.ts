/** How the files of a directory context are hashed: many with one call of the addon, each once, and only what is taken. */
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import * as native from '../../native/index.js';
import type { ContextEntry } from '../../src/build/context/context.js';
import { DirectoryFiles } from '../../src/build/context/directory-files.js';
import { temporaryDirectory } from '../support/directories.js';

vi.mock('../../native/index.js', async (original) => {
  const real = await original<typeof native>();
  return { ...real, scanTree: vi.fn(real.scanTree) };
});
const scan = vi.mocked(native.scanTree);
beforeEach(() => {
  scan.mockClear();
});

const never = new AbortController().signal;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

async function filesOf(texts: Readonly<Record<string, string>>): Promise<[string, ContextEntry[]]> {
  const root = await temporaryDirectory();
  const entries: ContextEntry[] = [];
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    entries.push({ path, type: 'file', mode: 0o644, oid: '', sizeBytes: text.length });
  }
  return [root, entries];
}

it('hashes the small files of a directory together', async () => {
  const texts = Object.fromEntries(
    ['', 'a/', 'a/b/'].flatMap((at) => Array.from({ length: 50 }, (_, n) => [`${at}f${n}`, `${at}${n}`])),
  );
  const [root, entries] = await filesOf({ ...texts, 'lone/f': 'alone' });
  const files = new DirectoryFiles(root, never);
  const identified = await files.identify(entries);
  expect(identified.map(({ path, oid }) => [path, oid])).toEqual(
    Object.entries({ ...texts, 'lone/f': 'alone' }).map(([path, text]) => [path, sha256(text)]),
  );
  expect(scan).toHaveBeenCalledTimes(4);
  expect(await files.content(entries[3] as ContextEntry)).toMatchObject({ sha256: sha256('3') });
  await Promise.all([files.identify(entries), files.identify(entries)]);
  expect(scan).toHaveBeenCalledTimes(4);
});

it('reads only what is asked for', async () => {
  const [root, entries] = await filesOf({ 'd/a': 'a', 'd/b': 'b', 'd/ignored': 'x' });
  await new DirectoryFiles(root, never).identify(entries.slice(0, 2));
  expect(scan.mock.calls.map(([{ path, hashOnly }]) => [path, hashOnly])).toEqual([['d', ['a', 'b']]]);
});

it('hashes a large file by itself, beside the others', async () => {
  const large = 'x'.repeat(2 * 1024 * 1024);
  const [root, entries] = await filesOf({ 'd/a': 'a', 'd/b': 'b', 'd/large': large });
  const identified = await new DirectoryFiles(root, never).identify(entries);
  expect(identified.map(({ oid }) => oid)).toEqual([sha256('a'), sha256('b'), sha256(large)]);
  expect(scan.mock.calls.map(([{ path }]) => path).sort()).toEqual(['d', 'd/large']);
});

it('says which file went away meanwhile', async () => {
  const [root, entries] = await filesOf({ 'd/a': 'a', 'd/b': 'b' });
  await rm(join(root, 'd/b'));
  await expect(new DirectoryFiles(root, never).identify(entries)).rejects.toMatchObject({
    code: 'context_invalid',
    message: expect.stringContaining('d/b'),
  });
});

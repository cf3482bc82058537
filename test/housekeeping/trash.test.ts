import { mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emptyTrash } from '../../src/housekeeping/trash.js';
import { temporaryDirectory } from '../support/directories.js';

const signal = new AbortController().signal;

async function trashWith(name: string): Promise<string> {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, '.trash'));
  await mkdir(join(directory, 'hello.git', 'objects'), { recursive: true });
  await writeFile(join(directory, 'hello.git', 'objects', 'pack'), 'x');
  await utimes(join(directory, 'hello.git'), 1, 1);
  await rename(join(directory, 'hello.git'), join(directory, '.trash', name));
  return directory;
}

it('removes what has lain in the trash long enough', async () => {
  const directory = await trashWith('hello-1');
  await emptyTrash(directory, 0, signal);
  expect(await readdir(join(directory, '.trash'))).toEqual([]);
});

it('keeps what was thrown away just now, however old its files are', async () => {
  const directory = await trashWith('hello-1');
  await emptyTrash(directory, 60_000, signal);
  expect(await readdir(join(directory, '.trash'))).toEqual(['hello-1']);
});

it('takes a directory without a trash for a tidy one', async () => {
  await expect(emptyTrash(await temporaryDirectory(), 0, signal)).resolves.toBeUndefined();
});

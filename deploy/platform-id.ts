/** The name that this platform's containers carry, so that two platforms on one engine never touch each other's. */
import { randomInt } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '../src/errors.js';

const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789';
const PLATFORM_ID = /^[a-z0-9]{8}$/;

/** Reads `$HOME/platform.id`, or draws one. Throws `invalid_config` when the file holds something else. */
export async function platformId(home: string): Promise<string> {
  const path = join(home, 'platform.id');
  const known = await read(path);
  if (known !== undefined) return known;
  await mkdir(home, { recursive: true });
  const id = Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  const staged = `${path}.${process.pid}.${id}`;
  const file = await open(staged, 'wx', 0o644);
  try {
    await file.writeFile(`${id}\n`);
    await file.sync();
    await file.close();
    // link(2) fails when another process was first; then its id holds.
    await link(staged, path).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error;
    });
  } finally {
    await file.close().catch(() => undefined);
    await rm(staged, { force: true });
  }
  return (await read(path)) ?? id;
}

async function read(path: string): Promise<string | undefined> {
  try {
    const id = (await readFile(path, 'utf8')).trim();
    if (PLATFORM_ID.test(id)) return id;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  throw new SlipwayError('invalid_config', 'this is not a platform id', {
    where: path,
    hint: 'restore the file: containers are found by the 8 letters and digits in it',
  });
}

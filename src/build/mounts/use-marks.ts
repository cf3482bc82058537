/**
 * Who uses a directory: a file for each user in `users/`, named by process, kind and chance. Processes on one machine
 * agree by it; what a dead process left counts for nothing. Whoever finds a conflict withdraws and may come again, so
 * that two never hold what only one may.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../errors.js';
import { isAlive, ownerOf, ownName } from '../sandbox/owner.js';

/** Many may share a directory; what is exclusive has it alone. */
export type Use = 'shared' | 'exclusive';

const USERS = 'users';

/** Says that the directory is used, and gives what ends the use; undefined when others use it otherwise. */
export async function tryUse(directory: string, use: Use): Promise<(() => Promise<void>) | undefined> {
  return inTurn(directory, async () => {
    const end = await mark(directory, use);
    if (end === undefined) return undefined;
    const marks = await livingMarks(directory);
    const others = marks.filter((name) => name !== end.name);
    const conflicts = use === 'exclusive' ? others : others.filter((name) => useOf(name) === 'exclusive');
    // Without the own one, the directory was moved away to be removed.
    if (conflicts.length === 0 && marks.includes(end.name)) return end.remove;
    await end.remove();
    return undefined;
  });
}

/** A directory that nobody else knows yet is used from its beginning. */
export async function useNew(directory: string, use: Use): Promise<string> {
  await mkdir(join(directory, USERS), { mode: 0o700 });
  const name = await newName(use);
  await writeFile(join(directory, USERS, name), '');
  return name;
}

/** Ends a use that `useNew` began. */
export async function endUse(directory: string, name: string): Promise<void> {
  await rm(join(directory, USERS, name), { force: true });
}

export async function countUses(directory: string): Promise<number> {
  return (await livingMarks(directory)).length;
}

async function mark(
  directory: string,
  use: Use,
): Promise<{ name: string; remove: () => Promise<void> } | undefined> {
  const name = await newName(use);
  try {
    await writeFile(join(directory, USERS, name), '', { flag: 'wx' });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined; // it was removed meanwhile
    throw error;
  }
  return { name, remove: () => endUse(directory, name) };
}

async function newName(use: Use): Promise<string> {
  return `${await ownName()}-${use}-${randomBytes(8).toString('hex')}`;
}

function useOf(name: string): Use {
  return name.includes('-shared-') ? 'shared' : 'exclusive';
}

async function livingMarks(directory: string): Promise<string[]> {
  const living: string[] = [];
  for (const name of await readdir(join(directory, USERS)).catch((): string[] => [])) {
    const owner = ownerOf(name);
    if (owner !== undefined && (await isAlive(owner))) living.push(name);
    else await endUse(directory, name);
  }
  return living;
}

/** Within this process one after the other: its own steps never make each other withdraw. */
const turns = new Map<string, Promise<unknown>>();

async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(key) ?? Promise.resolve();
  const mine = before.then(work, work);
  turns.set(key, mine);
  try {
    return await mine;
  } finally {
    if (turns.get(key) === mine) turns.delete(key);
  }
}

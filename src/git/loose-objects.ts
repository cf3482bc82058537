/**
 * Objects and refs as files, read and written as git itself does (gitrepository-layout(5), gitformat-loose(5)): for the few
 * small ones that every push waits for, where starting git takes longer than its work. What is in packs is git's business.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { syncDirectory } from '../durable.js';
import { isErrno, SlipwayError } from '../errors.js';

export type LooseType = 'commit' | 'tree' | 'blob';

export interface TreeLine {
  readonly mode: '100644' | '40000';
  readonly name: string;
  readonly oid: string;
}

/** Documents are small; anything else is not read this way. */
const MAX_BYTES = 16 * 1024 * 1024;
const OID = /^[0-9a-f]{40}$/;
/** A ref's lock file is held for milliseconds; one this old was left by a killed process. */
const DEAD_LOCK_MS = 30_000;

export function objectId(type: LooseType, data: Uint8Array): string {
  return createHash('sha1').update(header(type, data)).update(data).digest('hex');
}

/** Undefined when it is not there as a file, or is not what its name says. */
export async function readLoose(gitDir: string, oid: string): Promise<Buffer | undefined> {
  const packed = await readFile(objectPath(gitDir, oid)).catch(() => undefined);
  if (packed === undefined) return undefined;
  try {
    const bytes = inflateSync(packed, { maxOutputLength: MAX_BYTES });
    if (createHash('sha1').update(bytes).digest('hex') !== oid) return undefined;
    return bytes.subarray(bytes.indexOf(0) + 1);
  } catch {
    return undefined;
  }
}

/**
 * Its bytes are on disk when it returns, and its name with the next directory that is synced, as with git (a journaling file
 * system keeps their order). Nothing happens when it is there.
 */
export async function writeLoose(gitDir: string, type: LooseType, data: Uint8Array): Promise<string> {
  const oid = objectId(type, data);
  const path = objectPath(gitDir, oid);
  if (await isThereToStay(path)) return oid;
  const directory = dirname(path);
  await orDiskFull(makeDirectory(directory));
  // The name that git gives what it writes, and that its clean-up knows.
  const temporary = join(directory, `tmp_obj_${randomBytes(6).toString('hex')}`);
  try {
    const bytes = deflateSync(Buffer.concat([header(type, data), data]), { level: 1 });
    await orDiskFull(writeSynced(temporary, bytes, 0o444));
    await orDiskFull(link(temporary, path));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  return oid;
}

/** git-mktree(1): sorted as if a directory's name ended with a slash. */
export function treeData(lines: readonly TreeLine[]): Buffer {
  const key = ({ mode, name }: TreeLine): Buffer => Buffer.from(mode === '40000' ? `${name}/` : name);
  return Buffer.concat(
    [...lines]
      .sort((a, b) => Buffer.compare(key(a), key(b)))
      .flatMap(({ mode, name, oid }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')]),
  );
}

/** What a ref names, when it is a file of its own. */
export async function readLooseRef(gitDir: string, ref: string): Promise<string | undefined> {
  const text = await readFile(join(gitDir, ref), 'latin1').catch(() => '');
  return OID.test(text.trimEnd()) ? text.trimEnd() : undefined;
}

/**
 * Moves a ref that is a file of its own. False when it is not, names something else by now, or another writer has it: git's
 * own lock file keeps both apart. On disk when it returns.
 */
export async function moveLooseRef(gitDir: string, ref: string, from: string, to: string): Promise<boolean> {
  const path = join(gitDir, ref);
  const lock = await lockRef(path, to);
  if (lock === undefined) return false;
  try {
    if ((await readLooseRef(gitDir, ref)) !== from) {
      await unlink(lock);
      return false;
    }
    await rename(lock, path);
  } catch (error) {
    await unlink(lock).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Makes a ref that nobody else makes. False when it cannot be made this way. On disk when it returns. */
export async function createLooseRef(gitDir: string, ref: string, to: string): Promise<boolean> {
  const path = join(gitDir, ref);
  const lock = await lockRef(path, to);
  if (lock === undefined) return false;
  try {
    await link(lock, path);
  } catch {
    return false;
  } finally {
    await unlink(lock).catch(() => undefined);
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Nobody could move the ref any more, git neither. */
export async function removeDeadLock(gitDir: string, ref: string): Promise<void> {
  const path = join(gitDir, `${ref}.lock`);
  const lock = await stat(path).catch(() => undefined);
  if (lock !== undefined && Date.now() - lock.mtimeMs > DEAD_LOCK_MS)
    await unlink(path).catch(() => undefined);
}

/** git's own lock of the ref at `path`, with what the ref is to be in it. Undefined when it cannot be had. */
async function lockRef(path: string, to: string): Promise<string | undefined> {
  const lock = `${path}.lock`;
  try {
    await orDiskFull(writeSynced(lock, Buffer.from(`${to}\n`), 0o644));
    return lock;
  } catch (error) {
    // ENOENT: its directory is not there yet, or was empty and git has just cleared it away.
    if (isErrno(error, 'EEXIST') || isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Leaves nothing when it throws, and leaves alone what was there. */
async function writeSynced(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** Not `recursive`: Node then says ENOENT when the disk is full. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error;
  });
}

async function orDiskFull<T>(writing: Promise<T>): Promise<T> {
  try {
    return await writing;
  } catch (error) {
    if (!isErrno(error, 'ENOSPC') && !isErrno(error, 'EDQUOT')) throw error;
    throw new SlipwayError('disk_full', 'the disk is full: git cannot write', {
      hint: 'free some space or give SLIPWAY_HOME a larger disk, then try again',
      temporary: true,
      cause: error,
    });
  }
}

function header(type: LooseType, data: Uint8Array): Buffer {
  return Buffer.from(`${type} ${data.length}\0`);
}

function objectPath(gitDir: string, oid: string): string {
  return join(gitDir, 'objects', oid.slice(0, 2), oid.slice(2));
}

/** As new: git-prune(1) takes what nothing names and what is old, and nothing names this yet. */
async function isThereToStay(path: string): Promise<boolean> {
  const now = new Date();
  return utimes(path, now, now).then(
    () => true,
    () => false,
  );
}

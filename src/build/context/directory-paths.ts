/** Paths inside a directory context, and what it means when one of them is not what it was. */
import { join } from 'node:path';
import { resolveIn } from '../../../native/index.js';
import { isErrno, SlipwayError } from '../../errors.js';

/** `path` with its symlinks followed inside the root; a loop of them is a path that is not there. */
export async function resolvedIn(root: string, path: string): Promise<string> {
  try {
    return await resolveIn(root, path);
  } catch (error) {
    if (isErrno(error, 'ELOOP')) return path;
    throw error;
  }
}

/** For a `stat` that may find nothing. */
export function absent(error: unknown): undefined {
  if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR') || isErrno(error, 'ELOOP')) return undefined;
  throw error;
}

/** Names the file that cannot be read, or is gone again. */
export function readFailure(root: string, thrown: unknown): unknown {
  const { code, path = '' } = thrown as NodeJS.ErrnoException;
  const place = join(root, path).replace(/\/$/, '');
  if (isErrno(thrown, 'EACCES') || isErrno(thrown, 'EPERM')) {
    return new SlipwayError('context_invalid', `${place} cannot be read: permission denied`, {
      hint: 'make it readable, or ignore it with a .dockerignore',
      cause: thrown,
    });
  }
  if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') return thrown;
  return new SlipwayError('context_invalid', `${place} changed while it was being built`, {
    hint: 'build again, and leave the files alone until the build has ended',
    cause: thrown,
  });
}

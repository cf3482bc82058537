/** What the addon and the file system throw, as this room's errors. */
import { statfs } from 'node:fs/promises';
import { SlipwayError } from '../errors.js';

const INVALID = new Set(['LAYER_INVALID', 'LAYER_TOO_LARGE', 'DIGEST_MISMATCH', 'ENTRY_INVALID']);
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Runs `work`; throws `disk_full` with the bytes that are free where `directory` is, or `layer_invalid` with `subject`
 * (what was being made or read) in front. Anything else is thrown as it is.
 */
export async function translated<T>(directory: string, subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof SlipwayError || code === undefined) throw error;
    if (FULL.has(code)) throw await diskFull(directory, error);
    if (INVALID.has(code))
      throw new SlipwayError('layer_invalid', `${subject}: ${(error as Error).message}`, {
        cause: error,
        ...hintFor(code),
      });
    if (code === 'FILE_CHANGED')
      throw new SlipwayError(
        'context_invalid',
        `a file changed while it was being built: ${(error as Error).message}`,
        {
          hint: 'build again, and leave the files alone until the build has ended',
          cause: error,
        },
      );
    throw error;
  }
}

function hintFor(code: string): { hint?: string } {
  if (code === 'DIGEST_MISMATCH')
    return { hint: 'the registry or a proxy changed the bytes, or they were damaged: try again' };
  if (code === 'LAYER_TOO_LARGE')
    return { hint: 'the image is refused: it would fill the disk of the builder' };
  return {};
}

async function diskFull(directory: string, cause: unknown): Promise<SlipwayError> {
  const free = await statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return new SlipwayError('disk_full', `the disk of ${directory} is full: ${free} bytes are free`, {
    where: directory,
    hint: 'free some space, lower SLIPWAY_STORE_BUDGET_BYTES, or put SLIPWAY_HOME on a larger disk, then try again',
    cause,
  });
}

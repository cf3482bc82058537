/**
 * Many blobs of one repository in one go, from a `git cat-file --batch` of its own straight to a layer writer: their bytes
 * never pass through JavaScript. One after the other, in the order in which they are asked for.
 */
import { closeSync } from 'node:fs';
import { type ObjectPipe, openObjectPipe } from '../../native/index.js';
import { SlipwayError } from '../errors.js';
import { cleanStderr, type Git } from './git.js';

export interface ObjectStream extends AsyncDisposable {
  readonly pipe: ObjectPipe;
  /** What to throw when reading from the pipe failed with `error`. */
  failure(error: unknown): Promise<unknown>;
}

const STDERR_CHARS = 4096;

/** Full ids. Git starts to read before anybody takes; an abort ends it. */
export function openObjectStream(
  { git, gitDir }: { readonly git: Git; readonly gitDir: string },
  oids: readonly string[],
  signal: AbortSignal,
): ObjectStream {
  signal.throwIfAborted();
  const pipe = openObjectPipe();
  // --buffer: git writes when it has much, not after each object.
  const child = git.spawn(['cat-file', '--batch', '--buffer'], { gitDir, stdout: pipe.writer });
  closeSync(pipe.writer);
  let said = '';
  let how = '';
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      how = `cannot start git: ${error.message}`;
      resolve();
    });
    child.on('close', (code, killed) => {
      how ||= cleanStderr(said, gitDir) || (killed ?? (code === 0 ? '' : `exit code ${code}`));
      resolve();
    });
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    if (said.length < STDERR_CHARS) said += chunk.toString('utf8');
  });
  // EPIPE when git ends before it has read all; how it ended tells why.
  child.stdin?.on('error', () => {});
  child.stdin?.end(`${oids.join('\n')}\n`);
  // SIGKILL: cat-file only reads, it has nothing to clean up.
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  return {
    pipe,
    failure: async (error) => {
      if (signal.aborted) return signal.reason;
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'OBJECTS_ENDED') return error;
      const [, missing] = /^git answered: ([0-9a-f]+) missing$/.exec(message) ?? [];
      if (missing !== undefined)
        return new SlipwayError('not_found', `the object "${missing}" is not in the repository`);
      stop();
      await ended;
      const why = how === '' || how === 'SIGKILL' ? message : how;
      return new SlipwayError('unavailable', `git cat-file ended: ${why}`, { temporary: true, cause: error });
    },
    [Symbol.asyncDispose]: async () => {
      signal.removeEventListener('abort', stop);
      stop();
      await ended;
      pipe.close();
    },
  };
}

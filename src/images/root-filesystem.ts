/** What a container of the image would see, flattened: as a directory (`type=local`) or as a tar (`type=tar`). */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { writeUpperLayer } from '../../native/index.js';
import { isErrno, SlipwayError } from '../errors.js';
import { translated } from '../layers/failures.js';
import type { LayerStore } from '../layers/layer-store.js';
import { mountedOverlay } from '../layers/overlay.js';
import type { ExportableImage } from './exportable.js';

const run = promisify(execFile);

/** Calls `use` with the path of the image's root, read-only. */
export async function withRoot<T>(
  { image, blob }: ExportableImage,
  store: LayerStore,
  signal: AbortSignal,
  use: (root: string, scratch: string) => Promise<T>,
): Promise<T> {
  await Promise.all(image.layers.map((layer) => blob(layer)));
  const lowers = await store.layout(image.layers, signal);
  const scratch = await store.newScratch();
  try {
    await using overlay = await mountedOverlay({ scratch, lowers });
    return await use(overlay.path, scratch);
  } finally {
    await store.removeScratch(scratch);
  }
}

/** A person chose the place: what is in its way is theirs to change. */
function notDirectory(error: unknown, dest: string): unknown {
  const say = (problem: string, hint: string): SlipwayError =>
    new SlipwayError('bad_request', `the files cannot be written to ${dest}: ${problem}`, {
      hint,
      cause: error,
    });
  if (isErrno(error, 'EEXIST') || isErrno(error, 'ENOTDIR'))
    return say('there is a file in its place', 'name a directory, new or empty');
  if (isErrno(error, 'EACCES') || isErrno(error, 'EROFS'))
    return say('the directory cannot be made there', 'name a place that you may write to');
  return error;
}

/**
 * Copies the root over what is in `dest`, with owners, modes, times, links, devices and attributes. No symlink that is
 * there already is followed.
 */
export async function copyRoot(
  image: ExportableImage,
  dest: string,
  store: LayerStore,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dest, { recursive: true }).catch((error: unknown) => {
    throw notDirectory(error, dest);
  });
  await withRoot(image, store, signal, async (root) => {
    try {
      // Without --remove-destination, cp would write through a symlink that is there.
      await run('cp', ['-a', '--remove-destination', '--no-target-directory', '--', root, dest], {
        signal,
        env: { ...process.env, LC_ALL: 'C' },
      });
    } catch (error) {
      signal.throwIfAborted();
      const said =
        String((error as { stderr?: unknown }).stderr ?? '')
          .trim()
          .split('\n')[0] ?? '';
      if (/No space left on device/.test(said))
        throw new SlipwayError('disk_full', `the disk of ${dest} is full`, { where: dest, cause: error });
      throw new SlipwayError(
        'bad_request',
        `the files cannot be written to ${dest}: ${said.replaceAll(root, '')}`,
        {
          hint: 'write them to an empty directory',
          cause: error,
        },
      );
    }
  });
}

/** The root as one tar, the same for the same image. */
export async function writeRootTar(
  image: ExportableImage,
  to: NodeJS.WritableStream,
  store: LayerStore,
  signal: AbortSignal,
): Promise<void> {
  await withRoot(image, store, signal, async (root, scratch) => {
    const path = `${scratch}/root.tar`;
    try {
      await translated(scratch, 'the tar', () =>
        writeUpperLayer({ upper: root, lowers: [], path, compression: 'none', signal }),
      );
      await pipeline(createReadStream(path), to, { signal, end: false });
    } finally {
      await rm(path, { force: true });
    }
  });
}

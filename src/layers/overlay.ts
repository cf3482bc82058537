/** A mounted overlay that goes away with its scope: `await using overlay = await mountedOverlay(…)`. */
import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mountOverlay, unmount } from '../../native/index.js';
import { translated } from './failures.js';

export interface OverlayRequest {
  /** A directory for the mount point and for overlay's work; on the file system of `upper`. */
  readonly scratch: string;
  /** Lay-outs, the topmost first. May be empty: a step on `scratch`. */
  readonly lowers: readonly string[];
  /** Takes the changes; made if it is not there. Without it the mount is read-only. */
  readonly upper?: string;
}

export interface MountedOverlay extends AsyncDisposable {
  /** The merged root. */
  readonly path: string;
}

export async function mountedOverlay(request: OverlayRequest): Promise<MountedOverlay> {
  const { scratch, lowers, upper } = request;
  const target = join(scratch, 'merged');
  const work = join(scratch, 'work');
  await translated(scratch, 'the overlay', async () => {
    await mkdir(target, { recursive: true });
    if (upper !== undefined) {
      await mkdir(work, { recursive: true });
      await makeUpper(upper, lowers[0]);
    }
    const readOnlyNothing = upper === undefined && lowers.length === 0;
    if (readOnlyNothing) return; // the empty directory is what there is to see
    await mountOverlay({ target, lowers, ...(upper === undefined ? {} : { upper, work }) });
  });
  return { path: target, [Symbol.asyncDispose]: () => unmount(target) };
}

/** The merged root has the metadata of the upper one, so this one looks like the root below. */
async function makeUpper(upper: string, below: string | undefined): Promise<void> {
  await mkdir(upper, { recursive: true });
  const like = below === undefined ? { mode: 0o755, uid: 0, gid: 0 } : await stat(below);
  await chown(upper, like.uid, like.gid);
  await chmod(upper, like.mode & 0o7777);
}

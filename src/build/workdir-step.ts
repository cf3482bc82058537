/** WORKDIR: the directory and what is missing above it (0755), the directory itself owned by the current USER. */

import { SlipwayError } from '../errors.js';
import { CONTEXT_MTIME } from './context-selection.js';
import type { Owner, PlannedEntry } from './copy.js';
import type { Destination } from './destination.js';

/** The entries of the step's layer; none when the directory was there, which still makes an (empty) layer. */
export async function planWorkdir(
  path: string,
  owner: Owner,
  onto: Destination,
): Promise<readonly PlannedEntry[]> {
  const target = await onto.resolve(path);
  const existing = target === '' ? undefined : await onto.lstat(target);
  if (existing !== undefined && existing.type !== 'directory') {
    throw new SlipwayError(
      'context_invalid',
      `the working directory "${path}" is not a directory in the image`,
    );
  }
  if (target === '' || existing !== undefined) return [];
  const planned: PlannedEntry[] = [];
  const parts = target.split('/');
  for (let depth = 1; depth <= parts.length; depth++) {
    const at = parts.slice(0, depth).join('/');
    const there = await onto.lstat(at);
    if (there !== undefined) {
      planned.push({
        entry: {
          path: at,
          type: 'directory',
          mode: there.mode,
          uid: there.uid,
          gid: there.gid,
          mtime: there.mtime,
        },
      });
    } else {
      planned.push({ entry: { path: at, type: 'directory', mode: 0o755, ...owner, mtime: CONTEXT_MTIME } });
    }
  }
  return planned;
}

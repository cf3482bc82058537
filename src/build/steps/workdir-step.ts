/** WORKDIR: the directory and what is missing above it, 0755 and owned by the current USER. */
import { SlipwayError } from '../../errors.js';
import { CONTEXT_MTIME } from '../context/context-selection.js';
import type { Owner } from '../copy/copy.js';
import type { Destination } from '../copy/destination.js';
import type { PlannedEntry } from '../copy/layer-plan.js';

/** The entries of the step's layer; none when the directory was there, which still makes an (empty) layer. */
export async function planWorkdir(
  path: string,
  owner: Owner,
  onto: Destination,
): Promise<readonly PlannedEntry[]> {
  const parts = (await onto.resolve(path)).split('/').filter((part) => part !== '');
  const planned: PlannedEntry[] = [];
  let isNew = false;
  for (const depth of parts.keys()) {
    const at = parts.slice(0, depth + 1).join('/');
    const there = await onto.lstat(at);
    if (there !== undefined && there.type !== 'directory') {
      throw new SlipwayError(
        'context_invalid',
        `"/${at}" is not a directory in the image, so "${path}" cannot be the working directory`,
      );
    }
    isNew = there === undefined;
    const kept = there?.xattrs === undefined ? {} : { xattrs: there.xattrs };
    const { mode, uid, gid, mtime } = there ?? { mode: 0o755, ...owner, mtime: CONTEXT_MTIME };
    planned.push({ entry: { path: at, type: 'directory', mode, uid, gid, mtime, ...kept } });
  }
  return isNew ? planned : [];
}

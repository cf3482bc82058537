/** What the mounts of a RUN take from the context, a stage or an image: what names it in the key, and where it is. */
import { join } from 'node:path';
import { resolveIn } from '../../../native/index.js';
import type { Origin } from '../../dockerfile/build-plan.js';
import type { BindMount, CacheMount, Mount } from '../../dockerfile/step.js';
import { SlipwayError } from '../../errors.js';
import { type CopySource, cleanSourcePath, plainSelector, type Selection } from '../copy/copy-source.js';
import type { Origins } from '../origins.js';
import { statOrUndefined } from '../sandbox/rootfs.js';
import type { Materialised } from './materialise.js';

export interface MountSource {
  readonly mount: BindMount | CacheMount;
  /** Identity of all that is mounted, or that a new cache begins with. */
  readonly content: string;
  /** Of the context's: the path in it. */
  readonly path?: string;
  /** The files on this machine. They are not to be changed. */
  open(materialise: Materialise): Promise<Materialised>;
}

export type Materialise = (selection: Selection, source: CopySource) => Promise<Materialised>;

/** Of binds, and of caches that begin with something. Throws `source_missing`. */
export async function mountSources(
  mounts: readonly Mount[],
  origins: Origins,
): Promise<ReadonlyMap<Mount, MountSource>> {
  const sources = new Map<Mount, MountSource>();
  for (const mount of mounts) {
    const isSeeded = mount.kind === 'cache' && mount.from !== undefined;
    if (mount.kind === 'bind' || isSeeded) sources.set(mount, await mountSource(mount, origins));
  }
  return sources;
}

async function mountSource(mount: BindMount | CacheMount, origins: Origins): Promise<MountSource> {
  const { from, source: wanted } = mount;
  const path = cleanSourcePath(wanted);
  if (from !== undefined && from.kind !== 'context') return treeSource(mount, from, path, origins);
  const source = await origins.source(from);
  const selection = await select(source, path, wanted);
  return {
    mount,
    content: selection.content,
    ...(from === undefined ? { path: selection.path } : {}),
    open: (materialise) => materialise(selection, source),
  };
}

async function treeSource(
  mount: BindMount | CacheMount,
  from: Extract<Origin, { kind: 'stage' | 'image' }>,
  path: string,
  origins: Origins,
): Promise<MountSource> {
  // The whole of it has a name already; a part is known by its files, whatever stage they are of.
  const selection = path === '' ? undefined : await select(await origins.source(from), path, mount.source);
  return {
    mount,
    content: selection?.content ?? `tree ${await origins.identity(from)}`,
    open: async () => {
      // A cache may have named the content: the result must not be kept as that of other files.
      await selection?.entries();
      const root = await origins.directory(from);
      const at = join(root, await resolveIn(root, path));
      const found = await statOrUndefined(at);
      if (found?.isDirectory() || found?.isFile()) {
        return { path: at, type: found.isFile() ? 'file' : 'directory' };
      }
      throw new SlipwayError('source_missing', `"${mount.source}" is neither a file nor a directory`, {
        hint: 'only these can be mounted',
      });
    },
  };
}

/** A mount's source is one path: what looks like a wildcard is a name. */
async function select(source: CopySource, path: string, wanted: string): Promise<Selection> {
  const [found] = await source.select(plainSelector(path.replace(/[*?[\\]/g, '\\$&')));
  if (found !== undefined) return found;
  throw new SlipwayError('source_missing', `"${wanted}" is not there to be mounted`, {
    hint: 'check the path: wildcards have no meaning in the source of a mount',
  });
}

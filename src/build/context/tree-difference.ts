/** Where two git trees differ, found by reading only the trees that do. */
import type { ObjectReader } from '../../git/objects.js';
import type { TreeEntry } from '../../git/tree.js';

export interface DifferentPath {
  readonly path: string;
  /** A directory in both trees: what differs in it follows. Of anything else, this is all that is said of it and what is below. */
  readonly isInBoth: boolean;
}

/** In the order of a walk of both trees. Undefined when more than `most` paths differ. Throws `not_found` where a tree is gone. */
export async function differentPaths(
  objects: Pick<ObjectReader, 'tree'>,
  before: string,
  after: string,
  most: number,
): Promise<readonly DifferentPath[] | undefined> {
  const found: DifferentPath[] = [];
  const isComplete = await compare(before, after, '');
  return isComplete ? found : undefined;

  async function compare(one: string, other: string, directory: string): Promise<boolean> {
    if (one === other) return true;
    const [was, is] = await Promise.all([objects.tree(one).then(byName), objects.tree(other).then(byName)]);
    for (const name of new Set([...was.keys(), ...is.keys()])) {
      const [old, now] = [was.get(name), is.get(name)];
      if (old?.oid === now?.oid && old?.mode === now?.mode) continue;
      if (found.length >= most) return false;
      const path = directory === '' ? name : `${directory}/${name}`;
      const isInBoth = old?.type === 'tree' && now?.type === 'tree';
      found.push({ path, isInBoth });
      if (isInBoth && !(await compare(old.oid, now.oid, path))) return false;
    }
    return true;
  }
}

function byName(entries: readonly TreeEntry[]): ReadonlyMap<string, TreeEntry> {
  return new Map(entries.map((entry) => [entry.name, entry]));
}

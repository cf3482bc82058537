/** The first file that differs between two git trees, found by reading only the trees on the way to it. */
import type { ObjectReader } from '../../git/objects.js';
import type { TreeEntry } from '../../git/tree.js';

type Trees = Pick<ObjectReader, 'tree'>;

/**
 * `before` and `after` name trees or commits. In git's order, at or below `path`; undefined when nothing differs there.
 * Throws `not_found` where one of them is gone.
 */
export async function firstDifference(
  objects: Trees,
  before: string,
  after: string,
  path: string,
): Promise<string | undefined> {
  const [one, other] = await Promise.all([objects.tree(before), objects.tree(after)]);
  return inTrees(objects, one, other, '', path === '' ? [] : path.split('/'));
}

/** `wanted` is what is left of the path; all is wanted when nothing is left. */
async function inTrees(
  objects: Trees,
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
  directory: string,
  [name, ...rest]: readonly string[],
): Promise<string | undefined> {
  const was = byKey(before);
  const is = byKey(after);
  for (const key of sorted([...was.keys(), ...is.keys()])) {
    const [old, now] = [was.get(key), is.get(key)];
    const own = (old ?? now)?.name ?? '';
    if (name !== undefined && own !== name) continue;
    if (old?.oid === now?.oid && old?.mode === now?.mode) continue;
    const path = directory === '' ? own : `${directory}/${own}`;
    if (!key.endsWith('/')) {
      if (rest.length > 0) continue; // a file has nothing below it
      return path;
    }
    const inside = (entry: TreeEntry | undefined): Promise<readonly TreeEntry[]> =>
      entry === undefined ? Promise.resolve([]) : objects.tree(entry.oid);
    const [one, other] = await Promise.all([inside(old), inside(now)]);
    const found = await inTrees(objects, one, other, path, rest);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A file and a directory of the same name are two things. git sorts a directory as if its name ended with a slash. */
function byKey(entries: readonly TreeEntry[]): ReadonlyMap<string, TreeEntry> {
  return new Map(entries.map((entry) => [entry.type === 'tree' ? `${entry.name}/` : entry.name, entry]));
}

function sorted(keys: readonly string[]): readonly string[] {
  return [...new Set(keys)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

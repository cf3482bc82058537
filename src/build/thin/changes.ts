/**
 * What has to be laid over one layer so that the tree becomes that of another: the entries that differ, the directories
 * above them, and whiteouts for what is gone (image-spec layer.md, "Whiteouts"). Pure.
 */
import { comparePaths, parentPath } from '../copy/copy-source.js';
import type { PlannedEntry } from '../copy/layer-plan.js';

/** All that a layer says of a path, in one line; the same line, the same entry. By path. */
export type LayerIndex = ReadonlyMap<string, string>;

/** Undefined for a layer that more can be said of than fits: whiteouts, hard links, attributes, contents without an id. */
export function indexOf(planned: readonly PlannedEntry[]): LayerIndex | undefined {
  const index = new Map<string, string>();
  for (const { entry, from } of planned) {
    const { path, type, mode, uid, gid, mtime, linkname = '', xattrs } = entry;
    const content = from?.file.contentId;
    if (type === 'file' && content === undefined) return undefined;
    if (type !== 'file' && type !== 'directory' && type !== 'symlink') return undefined;
    if (xattrs !== undefined) return undefined;
    index.set(path, `${type} ${mode} ${uid} ${gid} ${mtime} ${content ?? linkname}`);
  }
  return index;
}

export interface Changes {
  /** In the order of a walk; whiteouts come before what else is in their directory. */
  readonly entries: readonly PlannedEntry[];
  /** Paths that the layer had and that must not be in the layers below it: there they would come to light again. */
  readonly uncovered: readonly string[];
  /** Of the files that differ. */
  readonly contentBytes: number;
}

/** `planned` and `now` are the new layer, in the order of a walk; `before` is the one that is laid over. */
export function changesBetween(
  before: LayerIndex,
  planned: readonly PlannedEntry[],
  now: LayerIndex,
): Changes {
  const needed = new Set<string>();
  const uncovered: string[] = [];
  let contentBytes = 0;
  const need = (path: string): void => {
    for (let at = path; at !== '' && !needed.has(at); at = parentPath(at)) needed.add(at);
  };
  for (const { entry, from } of planned) {
    const { path } = entry;
    const was = before.get(path);
    const is = now.get(path);
    if (was === is) continue;
    need(path);
    contentBytes += from?.file.sizeBytes ?? 0;
    // A file that was there hid a directory of the layers below; a directory would show what is in it.
    if (was !== undefined && isDirectory(was) !== isDirectory(is)) uncovered.push(path);
  }
  /** By the directory that they are gone from. */
  const gone = new Map<string, string[]>();
  for (const path of before.keys()) {
    if (now.has(path)) continue;
    uncovered.push(path);
    const above = parentPath(path);
    // With the directory that it was in it is gone already, or under the file that is there now.
    if (above !== '' && !isDirectory(now.get(above))) continue;
    need(above);
    const others = gone.get(above);
    if (others === undefined) gone.set(above, [path]);
    else others.push(path);
  }
  const whiteouts = (directory: string): readonly PlannedEntry[] =>
    (gone.get(directory) ?? []).sort(comparePaths).map(whiteout);
  const entries: PlannedEntry[] = [...whiteouts('')];
  for (const each of planned) {
    if (!needed.has(each.entry.path)) continue;
    entries.push(each);
    entries.push(...whiteouts(each.entry.path));
  }
  return { entries, uncovered, contentBytes };
}

function isDirectory(line: string | undefined): boolean {
  return line?.startsWith('directory ') ?? false;
}

function whiteout(path: string): PlannedEntry {
  return { entry: { path, type: 'whiteout', mode: 0, uid: 0, gid: 0, mtime: 0 } };
}

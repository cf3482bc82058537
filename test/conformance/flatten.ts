/**
 * An image's layers, one over the other, as one list of what is at each path (image-spec layer.md). Each path has one
 * line that says type, mode, owner, content or target, other names of the same file, and extended attributes.
 */
import { createHash } from 'node:crypto';
import { readTar, type TarEntry, type TarType } from './tar.js';

/** Absolute path to its line. */
export type FileSystem = ReadonlyMap<string, string>;

/** What several paths share when they are hard links of each other. */
interface Inode {
  readonly type: Exclude<TarType, 'hardlink'> | 'implied';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content: string;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** What is longer holds no Dockerfile and is never shown. */
const READABLE_BYTES = 1024 * 1024;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

export function flatten(layers: readonly Buffer[]): FileSystem {
  const paths = new Map<string, Inode>();
  for (const layer of layers) apply(paths, readTar(layer));
  const names = new Map<Inode, string[]>();
  for (const [path, inode] of paths) names.set(inode, [...(names.get(inode) ?? []), path]);
  return new Map(
    [...paths]
      .map(([path, inode]): [string, string] => [path, describe(inode, path, names.get(inode) ?? [])])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Whiteouts are for the layers below only, wherever they are in the archive. */
function apply(paths: Map<string, Inode>, entries: readonly TarEntry[]): void {
  for (const { path } of entries) {
    const slash = path.lastIndexOf('/');
    const [parent, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
    if (name === OPAQUE) removeBelow(paths, `/${parent}`);
    else if (name.startsWith(WHITEOUT)) {
      const removed = `/${parent === '' ? '' : `${parent}/`}${name.slice(WHITEOUT.length)}`;
      removeBelow(paths, removed);
      paths.delete(removed);
    }
  }
  for (const entry of entries) {
    if (entry.path.slice(entry.path.lastIndexOf('/') + 1).startsWith(WHITEOUT)) continue;
    const path = `/${entry.path}`;
    const before = paths.get(path);
    // Nothing is below what is no directory, and each look for it takes all paths.
    if (entry.type !== 'directory' && before !== undefined && isDirectory(before)) removeBelow(paths, path);
    addParents(paths, path);
    paths.delete(path);
    paths.set(path, inodeOf(entry, paths));
  }
}

function inodeOf(entry: TarEntry, paths: ReadonlyMap<string, Inode>): Inode {
  if (entry.type === 'hardlink') {
    const target = paths.get(`/${entry.linkname.replace(/^(?:\.?\/)+/, '')}`);
    if (target === undefined)
      throw new Error(`${entry.path}: a hard link to ${entry.linkname}, which is not there`);
    return target;
  }
  const { type, mode, uid, gid, xattrs } = entry;
  return { type, mode, uid, gid, xattrs, content: contentOf(entry) };
}

function contentOf({ type, data, linkname, device }: TarEntry): string {
  if (type === 'file') return summary(data);
  if (type === 'symlink') return `-> ${linkname}`;
  return type === 'char' || type === 'block' ? device : '';
}

/** Short text as it is, so that a difference can be read. */
export function summary(data: Uint8Array): string {
  if (data.length > READABLE_BYTES) return hashed(data);
  // The registry's port is another in each run; a Dockerfile that was copied has it.
  const text = Buffer.from(data)
    .toString('utf8')
    .replace(/127\.0\.0\.1:\d+\//g, 'REGISTRY/');
  const short = text.length <= 400 && !text.includes('\uFFFD');
  return short ? JSON.stringify(text) : hashed(data);
}

function hashed(data: Uint8Array): string {
  return `${data.length} sha256:${createHash('sha256').update(data).digest('hex')}`;
}

function describe(inode: Inode, path: string, names: readonly string[]): string {
  const others = names.filter((name) => name !== path).sort();
  return [
    inode.type,
    // The mode of a symbolic link means nothing on Linux.
    ...(inode.type === 'symlink' ? [] : [inode.mode.toString(8).padStart(4, '0')]),
    `${inode.uid}:${inode.gid}`,
    ...(inode.content === '' ? [] : [inode.content]),
    ...(others.length === 0 ? [] : [`is also ${others.join(' ')}`]),
    ...[...inode.xattrs].sort().map(([name, value]) => `${name}=${value.toString('hex')}`),
  ].join(' ');
}

function isDirectory(inode: Inode): boolean {
  return inode.type === 'directory' || inode.type === 'implied';
}

function removeBelow(paths: Map<string, Inode>, path: string): void {
  const prefix = path === '/' ? path : `${path}/`;
  for (const name of [...paths.keys()]) if (name !== '/' && name.startsWith(prefix)) paths.delete(name);
}

/** A directory that no entry describes. */
function addParents(paths: Map<string, Inode>, path: string): void {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    const parent = path.slice(0, at);
    if (paths.has(parent)) continue;
    paths.set(parent, { type: 'implied', mode: 0o755, uid: 0, gid: 0, content: '', xattrs: new Map() });
  }
}

/** What is to be said of `system` by who knows `base`; null for what is gone. */
export function changes(base: FileSystem, system: FileSystem): Record<string, string | null> {
  const result: Record<string, string | null> = {};
  for (const path of [...new Set([...base.keys(), ...system.keys()])].sort()) {
    const line = system.get(path) ?? null;
    if (line !== (base.get(path) ?? null)) result[path] = line;
  }
  return result;
}

/**
 * The short way to documents: git's objects as files (src/git/loose-objects.ts), where `git fast-import` and its kin take ten
 * times as long to start as they work. Makes the same commits; what it cannot do it leaves to git (documents.ts).
 */
import {
  moveLooseRef,
  objectId,
  readLoose,
  type TreeLine,
  treeData,
  writeLoose,
} from '../git/loose-objects.js';

export interface DocumentsAt {
  /** Path → content. */
  readonly files: ReadonlyMap<string, string>;
  /** Blob id → content. */
  readonly blobs: ReadonlyMap<string, string>;
}

/** Undefined when some of it is in a pack, or is not what documents look like. */
export async function loadFiles(
  gitDir: string,
  head: string,
  known: ReadonlyMap<string, string>,
): Promise<DocumentsAt | undefined> {
  const commit = await readLoose(gitDir, head);
  const [, tree] = /^tree ([0-9a-f]{40})\n/.exec(commit?.toString('latin1', 0, 46) ?? '') ?? [];
  if (tree === undefined) return undefined;
  const files = new Map<string, string>();
  const blobs = new Map<string, string>();
  const isWhole = await visit(tree, '');
  return isWhole ? { files: new Map([...files].sort(byPath)), blobs } : undefined;

  async function visit(oid: string, prefix: string): Promise<boolean> {
    const data = await readLoose(gitDir, oid);
    const lines = data === undefined ? undefined : parseLines(data);
    if (lines === undefined) return false;
    const done = await Promise.all(
      lines.map(async (line) => {
        const path = `${prefix}${line.name}`;
        if (line.mode === '40000') return visit(line.oid, `${path}/`);
        const content = known.get(line.oid) ?? (await readLoose(gitDir, line.oid))?.toString('utf8');
        if (content === undefined) return false;
        files.set(path, content);
        blobs.set(line.oid, content);
        return true;
      }),
    );
    return done.every(Boolean);
  }
}

export interface CommitText {
  readonly author: string;
  readonly message: string;
  readonly seconds: number;
  /** A second parent. */
  readonly keeps?: string;
}

/**
 * Writes the documents as a commit on top of `parent`, and moves the ref there. Undefined when the ref could not be moved:
 * whoever it was that was faster, nothing has changed.
 */
export async function commitFiles(
  gitDir: string,
  ref: string,
  parent: string,
  files: ReadonlyMap<string, string>,
  changed: ReadonlySet<string>,
  { author, message, seconds, keeps }: CommitText,
): Promise<string | undefined> {
  const writing: Promise<string>[] = [];
  const tree = treeOf(files);
  await Promise.all(writing);
  const commit = Buffer.from(
    [
      `tree ${tree}`,
      `parent ${parent}`,
      ...(keeps === undefined || keeps === parent ? [] : [`parent ${keeps}`]),
      `author ${author} <${author}> ${seconds} +0000`,
      `committer slipway <slipway> ${seconds} +0000`,
      '',
      message,
    ].join('\n'),
  );
  const oid = await writeLoose(gitDir, 'commit', commit);
  return (await moveLooseRef(gitDir, ref, parent, oid)) ? oid : undefined;

  /** Writes what is new on the way. */
  function treeOf(entries: ReadonlyMap<string, string>, prefix = ''): string {
    const lines: TreeLine[] = [];
    const directories = new Map<string, Map<string, string>>();
    let isChanged = prefix === '';
    for (const [path, content] of entries) {
      const slash = path.indexOf('/');
      if (slash < 0) lines.push({ mode: '100644', name: path, oid: blobOf(`${prefix}${path}`, content) });
      else {
        const name = path.slice(0, slash);
        const inside = directories.get(name) ?? new Map<string, string>();
        directories.set(name, inside.set(path.slice(slash + 1), content));
      }
    }
    for (const [name, inside] of directories)
      lines.push({ mode: '40000', name, oid: treeOf(inside, `${prefix}${name}/`) });
    isChanged ||= [...changed].some((path) => path.startsWith(prefix));
    const data = treeData(lines);
    if (isChanged) writing.push(writeLoose(gitDir, 'tree', data));
    return objectId('tree', data);
  }

  function blobOf(path: string, content: string): string {
    const data = Buffer.from(content);
    if (changed.has(path)) writing.push(writeLoose(gitDir, 'blob', data));
    return objectId('blob', data);
  }
}

/** git-ls-tree(1)'s order. */
function byPath([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}

/** Undefined when there is anything but files and directories. */
function parseLines(data: Buffer): TreeLine[] | undefined {
  const lines: TreeLine[] = [];
  for (let at = 0; at < data.length; ) {
    const zero = data.indexOf(0, at);
    if (zero < 0 || zero + 21 > data.length) return undefined;
    const [mode = '', ...name] = data.toString('utf8', at, zero).split(' ');
    if (mode !== '100644' && mode !== '40000') return undefined;
    lines.push({ mode, name: name.join(' '), oid: data.toString('hex', zero + 1, zero + 21) });
    at = zero + 21;
  }
  return lines;
}

/** Any trees, any series of COPY and ADD: the layers give what doing the same with files one after the other gives. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ArchivedEntry } from '../../native/index.js';
import { type CopiedSource, planCopy } from '../../src/build/copy/copy.js';
import type { CopySource, SourceEntry } from '../../src/build/copy/copy-source.js';
import { Destination, type TreeEntry } from '../../src/build/copy/destination.js';

type Node = Map<string, Node> | { readonly text: string } | { readonly to: string };
type Tree = Map<string, Node>;

const isTree = (node: Node | undefined): node is Tree => node instanceof Map;

/** Entries in any order, any of them more than once; a directory without what is in it. */
type Archive = readonly { readonly path: readonly string[]; readonly node: Node }[];

class Refused extends Error {}

/** A file system that copies as fsutil and BuildKit's unpacking do, written down as plainly as can be. */
class Model {
  readonly root: Tree = new Map();

  copy(name: string, source: Node, destination: string): void {
    if (destination.endsWith('/')) this.makeAll(this.resolve(destination));
    const target = this.resolve(destination);
    if (isTree(source)) {
      this.makeAll(target);
      this.merge(source, target);
      return;
    }
    const path = isTree(this.at(target)) ? [...target, name] : target;
    this.makeAll(path.slice(0, -1));
    this.leaf(source, path);
  }

  /** As entries of an archive: each replaces what is there, but a directory a directory. */
  unpack(archive: Archive, destination: string): void {
    const target = this.resolve(destination);
    this.makeAll(target);
    for (const { path, node } of archive) {
      const parts = [...target, ...this.follow(target, path.slice(0, -1)), path.at(-1) ?? ''];
      this.makeAll(parts.slice(0, -1));
      const above = this.at(parts.slice(0, -1)) as Tree;
      const name = parts.at(-1) ?? '';
      if (!isTree(node)) above.set(name, node);
      else if (!isTree(above.get(name))) above.set(name, new Map());
    }
  }

  at(path: readonly string[]): Node | undefined {
    let node: Node | undefined = this.root;
    for (const part of path) node = isTree(node) ? node.get(part) : undefined;
    return node;
  }

  private merge(source: Tree, target: readonly string[]): void {
    for (const [name, node] of source) {
      const path = [...target, name];
      if (!isTree(node)) this.leaf(node, path);
      else {
        const there = this.at(path);
        if (there !== undefined && !isTree(there)) throw new Refused('a directory onto something else');
        if (there === undefined) (this.at(target) as Tree).set(name, new Map());
        this.merge(node, path);
      }
    }
  }

  private leaf(node: Node, path: readonly string[]): void {
    if (isTree(this.at(path)) || path.length === 0) throw new Refused('a file onto a directory');
    (this.at(path.slice(0, -1)) as Tree).set(path.at(-1) ?? '', node);
  }

  private makeAll(path: readonly string[]): void {
    let at = this.root;
    for (const part of path) {
      const next = at.get(part);
      if (next !== undefined && !isTree(next)) throw new Refused('not a directory');
      const made = next ?? new Map<string, Node>();
      at.set(part, made);
      at = made;
    }
  }

  private resolve(path: string): string[] {
    let left = path.split('/').filter(Boolean);
    let at: string[] = [];
    for (let links = 0; left.length > 0; ) {
      const [part = '', ...rest] = left;
      left = rest;
      const node = this.at([...at, part]);
      if (part === '..') at.pop();
      else if (node === undefined || !('to' in node)) at.push(part);
      else {
        if (++links > 40) throw new Refused('a loop');
        if (node.to.startsWith('/')) at = [];
        left = [...node.to.split('/').filter(Boolean), ...left];
      }
    }
    return at;
  }

  /** Below `base`, which nothing may leave. */
  private follow(base: readonly string[], path: readonly string[]): string[] {
    let left = [...path];
    let at: string[] = [];
    for (let links = 0; left.length > 0; ) {
      const [part = '', ...rest] = left;
      left = rest;
      const node = this.at([...base, ...at, part]);
      if (part === '..' && at.pop() === undefined) throw new Refused('out of the archive');
      if (part === '..') continue;
      if (node === undefined || isTree(node)) at.push(part);
      else if ('text' in node) throw new Refused('not a directory');
      else {
        if (++links > 255) throw new Refused('a loop');
        if (node.to.startsWith('/')) at = [];
        left = [...node.to.split('/').filter(Boolean), ...left];
      }
    }
    return at;
  }
}

function* walk(
  tree: Tree,
  above: readonly string[] = [],
): Generator<{ path: readonly string[]; node: Node }> {
  for (const [name, node] of tree) {
    const path = [...above, name];
    yield { path, node };
    if (isTree(node)) yield* walk(node, path);
  }
}

/** What the layers so far show, as overlayfs would merge them. */
type Merged = Map<string, TreeEntry & { readonly text?: string }>;

function source(name: string, node: Node, archive: Archive | undefined): CopiedSource {
  const common = { mode: 0o755, uid: 0, gid: 0, mtime: 0, sizeBytes: 0 };
  const entry = (path: string, at: Node): SourceEntry => {
    if (isTree(at)) return { ...common, path, type: 'directory', handle: '' };
    if ('to' in at) return { ...common, path, type: 'symlink', linkname: at.to, handle: '' };
    return { ...common, path, type: 'file', handle: at.text };
  };
  const below = archive ?? (isTree(node) ? [...walk(node)] : []);
  const entries = [entry('', node), ...below.map((one) => entry(one.path.join('/'), one.node))];
  const from: CopySource = { select: async () => [], content: async () => ({ data: new Uint8Array() }) };
  const selection = { name, path: name, content: name, entries: async () => entries };
  if (archive === undefined) return { source: from, selection };
  const archived = entries.slice(1).map(
    ({ path, type, linkname, handle }): ArchivedEntry => ({
      ...common,
      path,
      type: type as ArchivedEntry['type'],
      size: 0,
      offset: handle === '' ? 0 : Number(handle),
      ...(linkname === undefined ? {} : { linkname }),
    }),
  );
  return { source: from, selection, archive: { name, entries: archived, source: from } };
}

async function layered(merged: Merged, one: CopiedSource, destination: string): Promise<void> {
  const onto = new Destination({ lstat: async (path) => merged.get(path) }, new Map());
  const plan = await planCopy([one], onto, { destination, directoryMtime: 0 });
  const planned = plan.entries();
  const remove = (path: string, itself: boolean): void => {
    for (const at of [...merged.keys()])
      if ((itself && at === path) || at.startsWith(`${path}/`)) merged.delete(at);
  };
  for (const { entry } of planned) if (entry.type === 'whiteout') remove(entry.path, true);
  for (const { entry, from } of planned) {
    if (entry.type === 'whiteout') continue;
    if (entry.type !== 'directory') remove(entry.path, false);
    const text = from === undefined ? {} : { text: from.file.handle };
    merged.set(entry.path, { ...(entry as TreeEntry), ...text });
  }
}

const name = fc.constantFrom('a', 'b', 'c');
const leaf = fc.oneof(
  fc.nat(9).map((digit): Node => ({ text: String(digit) })),
  fc.constantFrom('a', '../b', '/c', '/a/b', 'c/a', 'b').map((to): Node => ({ to })),
);
const { tree } = fc.letrec<{ tree: Tree; node: Node }>((tie) => ({
  tree: fc.uniqueArray(fc.tuple(name, tie('node')), { maxLength: 3, selector: ([key]) => key }).map((all) => {
    // In the order of a walk, as every source lists them.
    return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  }),
  node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('tree')),
}));
const step = fc.record({
  source: fc.oneof(
    tree,
    tree,
    leaf.filter((node) => 'text' in node),
  ),
  name,
  destination: fc
    .tuple(fc.array(name, { maxLength: 3 }), fc.boolean())
    .map(([parts, slash]) => `/${parts.join('/')}${slash && parts.length > 0 ? '/' : ''}`),
  archive: fc.option(
    fc.array(
      fc.record({
        path: fc.array(name, { minLength: 1, maxLength: 3 }),
        node: fc.oneof(leaf, fc.constant<Node>(new Map())),
      }),
      { maxLength: 6 },
    ),
    { nil: undefined },
  ),
});

it('gives what copying file by file gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
      const model = new Model();
      const merged: Merged = new Map();
      for (const { source: from, name: called, destination, archive } of steps) {
        let refused = false;
        try {
          if (archive !== undefined) model.unpack(archive, destination);
          else model.copy(called, from, destination);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          refused = true;
        }
        const done = layered(merged, source(called, from, archive), destination);
        if (refused) {
          await expect(done).rejects.toMatchObject({ code: 'context_invalid' });
          return;
        }
        await done;
      }
      const shown = [...merged].map(([path, { type, linkname, text }]) => [path, linkname ?? text ?? type]);
      const expected = [...walk(model.root)].map(({ path, node }) => [
        path.join('/'),
        isTree(node) ? 'directory' : 'to' in node ? node.to : node.text,
      ]);
      expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected));
    }),
    { numRuns: 3000 },
  );
});

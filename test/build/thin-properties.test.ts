/** A thin layer over the whole layer of an earlier COPY shows what the whole layer of this one shows, whatever lies below. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type LayerEntry, type ScannedEntry, scanTree } from '../../native/index.js';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import { CONTEXT_MTIME } from '../../src/build/context/context-selection.js';
import { inside, planCopy } from '../../src/build/copy/copy.js';
import type { CopySource, SourceEntry } from '../../src/build/copy/copy-source.js';
import { Destination } from '../../src/build/copy/destination.js';
import type { LayerPlan, PlannedEntry } from '../../src/build/copy/layer-plan.js';
import { writeLayer } from '../../src/build/steps/copy-step.js';
import { rememberWhole, thinChange, thinCopy } from '../../src/build/thin/thin-copy.js';
import type { WholeLayer } from '../../src/build/thin/whole-layers.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import type { Layer } from '../../src/layers/layer.js';
import { mountedOverlay } from '../../src/layers/overlay.js';
import { StackView } from '../../src/layers/stack-view.js';
import { temporaryDirectory } from '../support/directories.js';
import { withoutClashes } from '../support/git-trees.js';

interface Leaf {
  readonly type: 'file' | 'symlink';
  readonly text: string;
  readonly mode: number;
}
type Tree = ReadonlyMap<string, Leaf>;

const name = fc.constantFrom('a', 'b', 'c', 'd.x', 'd');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const leaf: fc.Arbitrary<Leaf> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('file' as const),
      text: fc.constantFrom('one', 'two', ''),
      mode: fc.constantFrom(0o644, 0o755),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('symlink' as const),
      text: fc.constantFrom('a', '../b', '/x'),
      mode: fc.constant(0o777),
    }),
  },
);
const tree = fc.array(fc.tuple(path, leaf), { maxLength: 10 }).map((pairs): Tree => withoutClashes(pairs));

const signal = new AbortController().signal;
const BOUNDS = { leastEntries: 0, leastBytes: 0, mostOfWhole: Number.POSITIVE_INFINITY };
let store: BuilderStore;
beforeAll(async () => {
  store = await openBuilderStore(await temporaryDirectory(), DEFAULT_LIMITS);
});

function entriesOf(files: Tree): SourceEntry[] {
  const common = { uid: 0, gid: 0, mtime: CONTEXT_MTIME };
  const entries = new Map<string, SourceEntry>();
  const directory = (at: string): void => {
    if (at !== '') directory(at.includes('/') ? at.slice(0, at.lastIndexOf('/')) : '');
    if (!entries.has(at))
      entries.set(at, { path: at, type: 'directory', mode: 0o755, sizeBytes: 0, handle: at, ...common });
  };
  directory('');
  for (const [at, { type, text, mode }] of files) {
    directory(at.includes('/') ? at.slice(0, at.lastIndexOf('/')) : '');
    const own =
      type === 'file' ? { contentId: text, sizeBytes: text.length } : { linkname: text, sizeBytes: 0 };
    entries.set(at, { path: at, type, mode, handle: text, ...own, ...common });
  }
  return [...entries.values()];
}

/** Where two trees differ, as a selection says it, and what is there then. */
function changeOf(before: Tree, after: Tree): { paths: string[]; entries: SourceEntry[] } {
  const one = new Map(entriesOf(before).map((entry) => [entry.path, entry]));
  const other = new Map(entriesOf(after).map((entry) => [entry.path, entry]));
  const isDirectory = (at: string): boolean =>
    one.get(at)?.type === 'directory' && other.get(at)?.type === 'directory';
  const leaf = (tree: Tree, at: string): string => JSON.stringify(tree.get(at) ?? null);
  const differ = [...new Set([...before.keys(), ...after.keys()])].filter(
    (at) => leaf(before, at) !== leaf(after, at),
  );
  const paths = new Set<string>();
  for (const at of differ) {
    const parts = at.split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const above = parts.slice(0, depth).join('/');
      paths.add(above);
      if (!isDirectory(above)) break;
    }
  }
  const isTop = (at: string): boolean => paths.has(at) && !isDirectory(at);
  const entries = [...other.values()].filter(
    ({ path: at }) =>
      at === '' || paths.has(at) || [...paths].some((top) => isTop(top) && at.startsWith(`${top}/`)),
  );
  return { paths: [...paths], entries };
}

async function plan(files: Tree, onto: Destination, destination: string): Promise<LayerPlan> {
  return planOf(entriesOf(files), onto, destination);
}

async function planOf(
  entries: readonly SourceEntry[],
  onto: Destination,
  destination: string,
): Promise<LayerPlan> {
  const source: CopySource = {
    select: async () => [],
    content: async ({ handle }) => ({ data: Buffer.from(handle) }),
  };
  const selection = { name: 'x', path: '', content: '', entries: async () => entries };
  return planCopy([{ source, selection }], onto, { destination, directoryMtime: CONTEXT_MTIME, signal });
}

async function baseLayer(files: Tree): Promise<Layer> {
  const entries = entriesOf(files).filter(({ path: at }) => at !== '');
  const planned = entries.map((file): PlannedEntry => {
    const { type, mode, uid, gid, mtime, linkname, path: at, handle } = file;
    const entry: LayerEntry = {
      path: at,
      type,
      mode,
      uid,
      gid,
      mtime: mtime - 9,
      ...(linkname === undefined ? {} : { linkname }),
    };
    const source: CopySource = {
      select: async () => [],
      content: async () => ({ data: Buffer.from(handle) }),
    };
    return { entry, ...(type === 'file' ? { from: { source, file } } : {}) };
  });
  return writeLayer(planned, store, signal);
}

async function shown(layers: readonly Layer[]): Promise<unknown> {
  const scratch = await store.layers.newScratch();
  try {
    await using overlay = await mountedOverlay({ scratch, lowers: await store.layers.layout(layers) });
    const entries: ScannedEntry[] = await scanTree({ root: overlay.path, path: '', hash: true });
    return entries.map(({ path: at, type, mode, uid, gid, linkname, sha256 }) => ({
      at,
      type,
      mode,
      uid,
      gid,
      linkname,
      sha256,
    }));
  } finally {
    await store.layers.removeScratch(scratch);
  }
}

describe('a thin layer', () => {
  it('shows over the whole layer below it what a whole layer shows', async () => {
    let thins = 0;
    let wholes = 0;
    await fc.assert(
      fc.asyncProperty(
        tree,
        tree,
        tree,
        fc.constantFrom('/', '/a', '/n/m'),
        async (below, before, after, destination) => {
          const base = await baseLayer(below);
          const onto = (): Promise<Destination> =>
            store.layers.layout([base]).then((lowers) => new Destination(new StackView(lowers), new Map()));
          let first: LayerPlan;
          let second: LayerPlan;
          try {
            first = await plan(before, await onto(), destination);
            second = await plan(after, await onto(), destination);
          } catch {
            return; // a file where the base has a directory, or the other way round
          }
          const place = 'a'.repeat(64);
          const whole = await writeLayer(first.entries(), store, signal);
          await rememberWhole(place, first.entries(), { layer: whole }, store, BOUNDS);
          const thin = await thinCopy(place, second.entries(), await onto(), store, BOUNDS);
          const change = changeOf(before, after);
          const target = await (await onto()).resolve(destination);
          const quick = await thinChange(
            (await store.wholes.get(place)) as WholeLayer,
            {
              paths: change.paths.map((at) => inside(target, at)),
              planned: (await planOf(change.entries, await onto(), destination)).entries(),
            },
            await onto(),
            store,
            BOUNDS,
          );
          expect(quick?.entries.map(({ entry }) => entry)).toEqual(thin?.entries.map(({ entry }) => entry));
          if (thin === undefined) {
            wholes++;
            return;
          }
          thins++;
          expect(thin.under).toEqual(whole);
          const layer = await writeLayer(thin.entries, store, signal);
          const instead = await writeLayer(second.entries(), store, signal);
          expect(await shown([base, whole, layer])).toEqual(await shown([base, instead]));
        },
      ),
      { numRuns: 150 },
    );
    // Neither way is the only one that was tried.
    expect(thins).toBeGreaterThan(20);
    expect(wholes).toBeGreaterThan(0);
  });

  it('reads of the whole layer what it is asked for, whether that is little or much', async () => {
    const names = Array.from({ length: 60 }, (_, at) => `d/f${at}`);
    const files: Tree = new Map(names.map((at) => [at, { type: 'symlink', text: `d/f0`, mode: 0o777 }]));
    const planned = (await plan(files, new Destination(new StackView([]), new Map()), '/')).entries();
    const place = 'c'.repeat(64);
    await rememberWhole(place, planned, { layer: await writeLayer(planned, store, signal) }, store, BOUNDS);
    const whole = (await store.wholes.get(place)) as WholeLayer;
    const all = whole.index();
    expect([...all.keys()].sort()).toEqual(['d', ...names].sort());
    for (const asked of [
      [...names.slice(0, 3), 'nowhere'],
      [...names.slice(7), 'nowhere', 'd/f'],
    ]) {
      const expected = new Map(asked.flatMap((at) => (all.has(at) ? [[at, all.get(at)] as const] : [])));
      expect(whole.index(new Set(asked))).toEqual(expected);
    }
  });

  it('is not made of a description that was cut off, or whose layer is gone', async () => {
    const directory = join(store.directory, 'cache', 'wholes');
    await rm(directory, { recursive: true });
    await mkdir(directory);
    const files: Tree = new Map([['f', { type: 'file', text: 'one', mode: 0o644 }]]);
    const onto = new Destination(new StackView([]), new Map());
    const planned = (await plan(files, onto, '/')).entries();
    const place = 'b'.repeat(64);
    expect(await thinCopy(place, planned, onto, store, BOUNDS)).toBeUndefined();
    const layer = await writeLayer(planned, store, signal);
    await rememberWhole(place, planned, { layer }, store, BOUNDS);
    expect(await thinCopy(place, planned, onto, store, BOUNDS)).toBeDefined();
    await store.blobs.remove(layer.digest);
    expect(await thinCopy(place, planned, onto, store, BOUNDS)).toBeUndefined();
  });
});

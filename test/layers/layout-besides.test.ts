/** A lay-out that is made while its layer is written is the one that is made of its blob; and it is in nobody's way. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { applyTar, type LayerEntry, newTarCopy, openLayerWriter, scanTree } from '../../native/index.js';
import { BlobStore } from '../../src/layers/blob-store.js';
import type { Layer } from '../../src/layers/layer.js';
import { LayerStore } from '../../src/layers/layer-store.js';
import { LayoutBesides } from '../../src/layers/layout-besides.js';
import { temporaryDirectory } from '../support/directories.js';

let directory: string;
let blobs: BlobStore;
let layers: LayerStore;

beforeEach(async () => {
  directory = await temporaryDirectory();
  ({ blobs, layers } = await openStores(directory));
});

async function openStores(
  at: string,
  maxLayerBytes?: number,
): Promise<{ blobs: BlobStore; layers: LayerStore }> {
  const opened = new BlobStore(join(at, 'blobs'));
  await opened.open();
  const store = new LayerStore(
    join(at, 'layers'),
    opened,
    maxLayerBytes === undefined ? {} : { maxLayerBytes },
  );
  await store.open();
  return { blobs: opened, layers: store };
}

const common = { uid: 3, gid: 4, mtime: 99 };
const ENTRIES: readonly LayerEntry[] = [
  { path: 'd', type: 'directory', mode: 0o750, ...common },
  ...Array.from({ length: 40 }, (_, at): LayerEntry => {
    const data = Buffer.alloc(100_000, `${at}`);
    return { path: `d/f${at}`, type: 'file', mode: 0o600 + at, data, ...common };
  }),
  { path: 'd/link', type: 'symlink', mode: 0o777, linkname: 'f1', ...common },
  { path: 'd/same', type: 'hardlink', mode: 0o600, linkname: 'd/f0', ...common },
  { path: 'gone', type: 'whiteout', mode: 0, uid: 0, gid: 0, mtime: 0 },
];

async function write(besides?: LayoutBesides, entries = ENTRIES): Promise<Layer> {
  const temporary = await blobs.newTemporary();
  const copy = besides === undefined ? {} : { copy: besides.tar };
  const writer = openLayerWriter({ path: temporary, compression: 'gzip', ...copy });
  await writer.write(entries);
  const written = await writer.finish();
  await blobs.commit(temporary, written.digest);
  const { diffId, digest, sizeBytes } = written;
  return { diffId, digest, sizeBytes, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
}

const shown = async (root: string | undefined): Promise<unknown> =>
  (await scanTree({ root: root ?? '', path: '', hash: true })).map(({ inode, ...entry }) => ({
    ...entry,
    // The layer says nothing of its root, which is as old as the lay-out.
    mtime: entry.path === '' ? undefined : entry.mtime,
    isLinked: inode !== undefined,
  }));
const nothingIsLeft = async (): Promise<void> => {
  for (const part of ['layers', 'blobs']) expect(await readdir(join(directory, part, 'tmp'))).toEqual([]);
};

it('is the lay-out that the blob gives, on layers that are laid out or not', async () => {
  const below = await write(undefined, [{ path: 'below', type: 'directory', mode: 0o755, ...common }]);
  await using besides = await LayoutBesides.begin(layers, false);
  const layer = await write(besides);
  await besides.keep(layer, [below]);
  await besides[Symbol.asyncDispose]();
  // Were it not there, it could not be made.
  await blobs.remove(layer.digest);
  const [root] = await layers.layout([below, layer]);
  expect(await write()).toEqual(layer);
  const fromBlobs = new LayerStore(join(await temporaryDirectory(), 'layers'), blobs);
  await fromBlobs.open();
  expect(await shown(root)).toEqual(await shown((await fromBlobs.layout([below, layer]))[0]));
  await nothingIsLeft();
});

it('is not kept when the layer was not finished, and leaves nothing', async () => {
  const besides = await LayoutBesides.begin(layers, false);
  const temporary = await blobs.newTemporary();
  const writer = openLayerWriter({ path: temporary, compression: 'gzip', copy: besides.tar });
  await writer.write(ENTRIES);
  await writer.abort();
  await blobs.discard(temporary);
  const layer = await write();
  await besides.keep(layer, []);
  expect(await layers.list()).toEqual([]);
  await besides[Symbol.asyncDispose]();
  await nothingIsLeft();
});

it('holds up nobody when it cannot be made: the layer is written and laid out from its blob', async () => {
  const small = await openStores(directory, 1_000_000);
  await using besides = await LayoutBesides.begin(small.layers, false);
  const layer = await write(besides);
  await besides.keep(layer, []);
  expect(await small.layers.list()).toEqual([]);
  await expect(small.layers.layout([layer])).rejects.toMatchObject({ code: 'layer_invalid' });
  expect(await layers.layout([layer])).toHaveLength(1);
});

it('ends when it is given up before anything is written', async () => {
  const besides = await LayoutBesides.begin(layers, false);
  await besides[Symbol.asyncDispose]();
  await nothingIsLeft();
});

it('goes away as a reader where its target is in the way', async () => {
  const tar = newTarCopy();
  const target = join(directory, 'file');
  await writeFile(target, '');
  const applied = expect(applyTar({ tar, target, lowers: [] })).rejects.toThrow();
  const path = join(directory, 'blob');
  const writer = openLayerWriter({ path, compression: 'none', copy: tar });
  await writer.write(ENTRIES);
  await applied;
  expect((await writer.finish()).entries).toBe(ENTRIES.length);
});

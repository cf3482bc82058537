import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import { cleanStore } from '../../src/build/cache/clean-store.js';
import { remotesDirectory } from '../../src/build/cache/store-rooms.js';
import { CacheMounts } from '../../src/build/mounts/cache-mounts.js';
import { writeLayer } from '../../src/build/steps/copy-step.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import type { Layer } from '../../src/layers/layer.js';
import { temporaryDirectory } from '../support/directories.js';

describe('cleaning the store', () => {
  let store: BuilderStore;
  beforeEach(async () => {
    store = await openBuilderStore(await temporaryDirectory(), DEFAULT_LIMITS);
  });

  async function step(name: string): Promise<Layer> {
    const entry = {
      path: name,
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 0,
      data: Buffer.alloc(50_000, name),
    } as const;
    const layer = await writeLayer([{ entry }], store, new AbortController().signal);
    await store.layers.layout([layer]);
    await store.steps.put(`key-${name}`, { layer, ms: 1 });
    return layer;
  }

  it('removes nothing within the budget', async () => {
    const layer = await step('a');
    expect(await cleanStore(store, { bytes: 1e9, keepMs: 0 })).toMatchObject({ removedBytes: 0 });
    expect(await store.blobs.has(layer.digest)).toBe(true);
  });

  it('removes what was used longest ago until the budget is kept, and the steps that pointed to it', async () => {
    const old = await step('a');
    const { keptBytes: oldBytes } = await cleanStore(store, { bytes: 1e9, keepMs: 0 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const young = await step('b');
    const { keptBytes: allBytes } = await cleanStore(store, { bytes: 1e9, keepMs: 0 });
    // Blob and lay-out of one layer were used within the same moment: only a budget without both says which go.
    const bytes = allBytes - oldBytes;
    expect(await cleanStore(store, { bytes, keepMs: 0 })).toEqual({
      removedBytes: oldBytes,
      keptBytes: bytes,
    });
    expect(await store.blobs.has(old.digest)).toBe(false);
    expect(await store.layers.has(old.diffId)).toBe(false);
    expect(await store.steps.get('key-a')).toBeUndefined();
    expect(await store.layers.has(young.diffId)).toBe(true);
    expect(await store.steps.get('key-b')).toBeDefined();
  });

  it('keeps what was used within the time that a build may run, whatever the budget', async () => {
    const layer = await step('a');
    expect(await cleanStore(store, { bytes: 1, keepMs: 60_000 })).toMatchObject({ removedBytes: 0 });
    expect(await store.layers.has(layer.diffId)).toBe(true);
  });

  it('keeps what was used since the oldest build began that still runs, however long ago', async () => {
    const unused = await step('a');
    await new Promise((resolve) => setTimeout(resolve, 30));
    {
      await using _build = await store.running.begin();
      const used = await step('b');
      await cleanStore(store, { bytes: 1, keepMs: -60_000 });
      expect(await store.blobs.has(unused.digest)).toBe(false);
      expect(await store.blobs.has(used.digest)).toBe(true);
      expect(await store.layers.has(used.diffId)).toBe(true);
      // Another process looks at the same store.
      const again = await openBuilderStore(store.directory, DEFAULT_LIMITS);
      await cleanStore(again, { bytes: 1, keepMs: -60_000 });
      expect(await store.blobs.has(used.digest)).toBe(true);
    }
    await cleanStore(store, { bytes: 1, keepMs: -60_000 });
    expect(await store.blobs.list()).toEqual([]);
    expect(await store.steps.steps.list()).toEqual([]);
  });

  it('does not wait for a build whose process is gone', async () => {
    const running = join(store.directory, 'running');
    await writeFile(join(running, '4194303-1-0000'), '');
    expect(await store.running.oldest()).toBeUndefined();
    await openBuilderStore(store.directory, DEFAULT_LIMITS);
    expect(await readdir(running)).toEqual([]);
  });

  it('leaves what is used between its look and its hand', async () => {
    const layer = await step('a');
    const [blob] = await store.blobs.list();
    const [layout] = await store.layers.list();
    if (blob === undefined || layout === undefined) throw new Error('nothing is stored');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await store.blobs.use(layer.digest)).toBe(true);
    await store.layers.layout([layer]);
    expect(await store.blobs.removeUnused(blob)).toBe(false);
    expect(await store.layers.removeUnused(layout)).toBe(false);
    expect(await store.blobs.has(layer.digest)).toBe(true);
    expect(await store.layers.has(layer.diffId)).toBe(true);
    expect(await store.blobs.use(`sha256:${'0'.repeat(64)}`)).toBe(false);
  });

  it('counts and removes cache mounts and the commits of other repositories, too', async () => {
    const mounts = new CacheMounts(store.directory);
    const signal = new AbortController().signal;
    const request = {
      scope: 'app',
      id: 'npm',
      sharing: 'shared',
      mode: 0o755,
      uid: 0,
      gid: 0,
      signal,
    } as const;
    const held = await mounts.take(request);
    await writeFile(join(held.directory, 'file'), Buffer.alloc(100_000, 1));
    const remote = join(remotesDirectory(store.directory), 'abc.git');
    await mkdir(remote, { recursive: true });
    await writeFile(join(remote, 'pack'), Buffer.alloc(100_000, 1));
    const { keptBytes } = await cleanStore(store, { bytes: 1, keepMs: -60_000 });
    // The mount is in use.
    expect(keptBytes).toBeGreaterThan(100_000);
    expect(await readdir(remotesDirectory(store.directory))).toEqual([]);
    await held.release();
    await cleanStore(store, { bytes: 1, keepMs: -60_000 });
    expect(await mounts.list()).toEqual([]);
  });

  it('leaves nothing half removed', async () => {
    await step('a');
    await cleanStore(store, { bytes: 1, keepMs: -1000 });
    expect(await store.layers.list()).toEqual([]);
    expect(await readdir(join(store.directory, 'layers', 'tmp'))).toEqual([]);
  });
});

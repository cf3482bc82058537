import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import { cleanStore } from '../../src/build/cache/clean-store.js';
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

  it('leaves nothing half removed', async () => {
    await step('a');
    await cleanStore(store, { bytes: 1, keepMs: -1000 });
    expect(await store.layers.list()).toEqual([]);
    expect(await readdir(join(store.directory, 'layers', 'tmp'))).toEqual([]);
  });
});

import { lstat, mkdir, readdir, readFile, readlink, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import { CacheMounts, type HeldCache } from '../../src/build/mounts/cache-mounts.js';
import {
  exportCacheMounts,
  importCacheMounts,
  type ShareTools,
} from '../../src/build/mounts/share-cache-mounts.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(() => builder.stop());

const signal = new AbortController().signal;
const newStore = async (): Promise<BuilderStore> =>
  openBuilderStore(await temporaryDirectory(), DEFAULT_LIMITS);
const tools = (store: BuilderStore): ShareTools => ({ registry: builder.client, store, signal });
const place = (app: string) => ({
  registry: builder.registry.host,
  repository: `apps/${app}`,
  tag: 'cache-mounts',
});

async function take(store: BuilderStore, id: string, mode = 0o755): Promise<HeldCache> {
  return new CacheMounts(store.directory).take({
    ...{ scope: 'app', id, sharing: 'shared', mode, uid: 3, gid: 4, signal },
  });
}

async function fill(store: BuilderStore, id: string, text: string): Promise<void> {
  const held = await take(store, id, 0o700);
  await mkdir(join(held.directory, 'sub'), { recursive: true });
  await writeFile(join(held.directory, 'sub/file'), text);
  await symlink('sub/file', join(held.directory, 'link')).catch(() => undefined);
  await held.release();
}

describe('cache mounts in the registry', () => {
  it('may hold a large file of zeros', async () => {
    const [first, second] = [await newStore(), await newStore()];
    const held = await take(first, 'database');
    await writeFile(join(held.directory, 'pages'), '');
    await truncate(join(held.directory, 'pages'), 100 << 20);
    await held.release();
    await exportCacheMounts('app', place('zeros'), tools(first));
    expect([...(await importCacheMounts('app', place('zeros'), tools(second)))]).toEqual(['database']);
    const again = await take(second, 'database');
    expect((await lstat(join(again.directory, 'pages'))).size).toBe(100 << 20);
    await again.release();
  });

  it('come to a builder that has none, with owner, mode and links', async () => {
    const [first, second] = [await newStore(), await newStore()];
    await fill(first, '/root/.npm', 'modules');
    await fill(first, 'other', 'things');
    expect([...(await exportCacheMounts('app', place('one'), tools(first)))].sort()).toEqual([
      '/root/.npm',
      'other',
    ]);
    expect(await readdir(join(first.directory, 'blobs', 'tmp'))).toEqual([]);
    const imported = await importCacheMounts('app', place('one'), tools(second));
    expect([...imported].sort()).toEqual(['/root/.npm', 'other']);
    const held = await take(second, '/root/.npm');
    expect(held.isNew).toBe(false);
    expect(await readFile(join(held.directory, 'sub/file'), 'utf8')).toBe('modules');
    expect(await readlink(join(held.directory, 'link'))).toBe('sub/file');
    const { mode, uid, gid } = await lstat(held.directory);
    expect([mode & 0o7777, uid, gid]).toEqual([0o700, 3, 4]);
    await held.release();
  });

  it('never replace what is here, and keep what others wrote', async () => {
    const [first, second] = [await newStore(), await newStore()];
    await fill(first, 'a', 'of the first');
    await fill(second, 'b', 'of the second');
    await fill(second, 'a', 'own');
    await exportCacheMounts('app', place('two'), tools(first));
    expect(await importCacheMounts('app', place('two'), tools(second))).toEqual([]);
    const held = await take(second, 'a');
    expect(await readFile(join(held.directory, 'sub/file'), 'utf8')).toBe('own');
    // One in use is left out.
    expect(await exportCacheMounts('app', place('two'), tools(second))).toEqual(['b']);
    await held.release();
    const third = await newStore();
    expect([...(await importCacheMounts('app', place('two'), tools(third)))].sort()).toEqual(['a', 'b']);
  });

  it('are written again only when they were used', async () => {
    const store = await newStore();
    await fill(store, 'a', '1');
    expect(await exportCacheMounts('app', place('three'), tools(store))).toEqual(['a']);
    expect(await exportCacheMounts('app', place('three'), tools(store))).toEqual([]);
    await fill(store, 'a', '2');
    expect(await exportCacheMounts('app', place('three'), tools(store))).toEqual(['a']);
    const other = await newStore();
    await importCacheMounts('app', place('three'), tools(other));
    expect(await exportCacheMounts('app', place('three'), tools(other))).toEqual([]);
    const held = await take(other, 'a');
    expect(await readFile(join(held.directory, 'sub/file'), 'utf8')).toBe('2');
    await held.release();
  });

  it('that are not there are nothing', async () => {
    expect(await importCacheMounts('app', place('none'), tools(await newStore()))).toEqual([]);
    expect(await exportCacheMounts('app', place('none'), tools(await newStore()))).toEqual([]);
  });
});

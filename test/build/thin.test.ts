/** Builds whose COPY becomes a thin layer: the image they give, what a RUN sees, and when the layer is whole all the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scanTree } from '../../native/index.js';
import { openBuilderStore } from '../../src/build/builder-store.js';
import { RemoteCache } from '../../src/build/cache/remote-cache.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { mountedOverlay } from '../../src/layers/overlay.js';
import { type Built, type Files, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const DOCKERFILE =
  'FROM busybox\nWORKDIR /app\nCOPY . .\nRUN find . -type f | sort | xargs cat | md5sum > /sum\n';
const many = (word: string): Files =>
  Object.fromEntries(
    Array.from({ length: 240 }, (_, at) => [`src/d${at % 7}/f${at}.txt`, `${word} ${at}\n`]),
  );

async function shown({ image }: Built): Promise<unknown> {
  const { layers } = builder.store;
  const scratch = await layers.newScratch();
  try {
    await using overlay = await mountedOverlay({ scratch, lowers: await layers.layout(image.layers) });
    const entries = await scanTree({ root: overlay.path, path: '', hash: true });
    return entries.map(({ mtime: _mtime, ...entry }) => entry);
  } finally {
    await layers.removeScratch(scratch);
  }
}

describe('a COPY of almost what was copied before', () => {
  it('is a thin layer over the layer of that time, and the image shows the same', async () => {
    const first = await builder.build(await builder.commit({ Dockerfile: DOCKERFILE, ...many('thin') }), {
      thin: true,
    });
    expect(first.image.layers).toHaveLength(4);
    const commit = await builder.commit({
      'src/d1/f1.txt': 'changed\n',
      'src/d2/f2.txt': null,
      'new/file': 'new\n',
    });
    const thin = await builder.build(commit, { thin: true });
    expect(thin.image.layers).toHaveLength(5);
    expect(thin.image.layers.slice(0, 3)).toEqual(first.image.layers.slice(0, 3));
    expect(thin.image.layers[3]?.sizeBytes).toBeLessThan(1000);
    expect(thin.log).toContain('not cached: "." changed: new/file');
    const whole = await builder.build(commit, { scope: 'another app', thin: true, noCache: true });
    expect(whole.image.layers).toHaveLength(4);
    expect(await shown(thin)).toEqual(await shown(whole));
    const layered = thin.image.document.history?.filter(({ empty_layer }) => empty_layer !== true) ?? [];
    expect(layered.map(({ created_by }) => created_by?.split(' ')[0])).toEqual([
      'busybox',
      'WORKDIR',
      'COPY',
      'COPY',
      'RUN',
    ]);
    expect(thin.image.document.rootfs?.diff_ids).toHaveLength(5);
  });

  it('is cached as it is, here and for other builders', async () => {
    await builder.build(await builder.commit({ Dockerfile: DOCKERFILE, ...many('shared') }), { thin: true });
    const commit = await builder.commit({ 'src/d1/f1.txt': 'shared change\n' });
    const place = { registry: builder.registry.host, repository: 'apps/test', tag: 'slipway-cache' };
    const remote = (): RemoteCache =>
      new RemoteCache({
        registry: builder.client,
        from: [place],
        to: place,
        signal: new AbortController().signal,
      });
    const shared = remote();
    const made = await builder.build(commit, { thin: true, tools: { remote: shared } });
    expect(made.image.layers).toHaveLength(5);
    const again = await builder.build(commit, { thin: true });
    expect(again.steps).toEqual({ cached: 3, total: 3 });
    expect(again.image.digest).toBe(made.image.digest);
    await shared.export(builder.store.blobs, new AbortController().signal);
    const elsewhere = await openBuilderStore(await temporaryDirectory(), DEFAULT_LIMITS);
    const there = await builder.build(commit, { thin: true, store: elsewhere, tools: { remote: remote() } });
    expect(there.steps).toEqual({ cached: 3, total: 3 });
    expect(there.image.digest).toBe(made.image.digest);
    expect(await elsewhere.blobs.list()).toEqual([]);
  });

  it('shows all of it to the next COPY, also where no RUN follows', async () => {
    const lines = ['FROM busybox', 'COPY . /app/', 'COPY src/d1/f1.txt /app/src/d1/', 'WORKDIR /app/src'];
    const files = { ...many('next'), '.dockerignore': 'notes\n', notes: 'one' };
    await builder.build(await builder.commit({ Dockerfile: lines.join('\n'), ...files }), { thin: true });
    const commit = await builder.commit({ 'src/d2/f2.txt': 'next change\n', notes: 'two' });
    const thin = await builder.build(commit, { thin: true });
    expect(thin.image.layers.at(-3)?.sizeBytes).toBeLessThan(1000);
    const whole = await builder.build(commit, { scope: 'another app', thin: true, noCache: true });
    expect(await shown(thin)).toEqual(await shown(whole));
    const wrong = await builder.commit({
      Dockerfile:
        'FROM busybox\nCOPY . /app/\nCOPY src/d1/f1.txt /app/src/d1\nCOPY src/d1/f1.txt /app/src\nCOPY src/d1 /app/src/f1.txt\n',
      'src/d2/f2.txt': 'last change\n',
    });
    await expect(builder.build(wrong, { thin: true })).rejects.toThrow('is not a directory');
  });

  it('is always one layer over one whole layer, and whole again when too much has changed', async () => {
    await builder.build(await builder.commit({ Dockerfile: DOCKERFILE, ...many('depth') }), { thin: true });
    for (const at of [1, 2, 3]) {
      const built = await builder.build(
        await builder.commit({ [`src/d0/f${7 * at}.txt`]: `depth ${at} again\n` }),
        { thin: true },
      );
      expect(built.image.layers).toHaveLength(5);
    }
    const rewritten = await builder.build(await builder.commit(many('depth and all new')), { thin: true });
    expect(rewritten.image.layers).toHaveLength(4);
    const next = await builder.build(await builder.commit({ 'src/d1/f1.txt': 'one more\n' }), { thin: true });
    expect(next.image.layers).toHaveLength(5);
    expect(next.image.layers[2]).toEqual(rewritten.image.layers[2]);
  });

  it('never lies over the layer of another app, or of one that stands on other layers', async () => {
    await builder.build(await builder.commit({ Dockerfile: DOCKERFILE, ...many('apart') }), {
      thin: true,
      scope: 'one',
    });
    const commit = await builder.commit({ 'src/d1/f1.txt': 'apart change\n' });
    expect((await builder.build(commit, { thin: true, scope: 'two' })).image.layers).toHaveLength(4);
    const moved = await builder.commit({
      Dockerfile: DOCKERFILE.replace('/app', '/srv'),
      'src/d1/f1.txt': 'other\n',
    });
    expect((await builder.build(moved, { thin: true, scope: 'one' })).image.layers).toHaveLength(4);
  });

  it.each([
    ['another app', { scope: 'two', thin: true }],
    ['a build that asks for whole ones', { scope: 'one' }],
  ])('is not found in the cache by %s', async (who, options) => {
    const files = { Dockerfile: DOCKERFILE, ...many(`not for ${who}`) };
    await builder.build(await builder.commit({ ...files, 'src/secret': 'x\n' }), {
      scope: 'one',
      thin: true,
    });
    const commit = await builder.commit({ 'src/secret': null });
    const thin = await builder.build(commit, { scope: 'one', thin: true });
    expect(thin.image.layers).toHaveLength(5);
    const whole = await builder.build(commit, options);
    expect(whole.image.layers).toHaveLength(4);
    expect(await shown(whole)).toEqual(await shown(thin));
  });

  it('lies over what was built without the cache, once that was asked for', async () => {
    const options = { scope: 'anew', thin: true };
    const files = { Dockerfile: DOCKERFILE, ...many('anew'), 'src/secret': 'x\n' };
    const before = await builder.build(await builder.commit(files), options);
    const commit = await builder.commit({ 'src/secret': null });
    const anew = await builder.build(commit, { ...options, noCache: true });
    expect(anew.image.layers).toHaveLength(4);
    const next = await builder.build(await builder.commit({ 'src/d1/f1.txt': 'one\n' }), options);
    expect(next.image.layers).toHaveLength(5);
    expect(next.image.layers[2]).toEqual(anew.image.layers[2]);
    expect(next.image.layers[2]).not.toEqual(before.image.layers[2]);
  });

  it('is whole where nobody asked for thin layers, as in slipway build', async () => {
    await builder.build(await builder.commit({ Dockerfile: DOCKERFILE, ...many('plain') }));
    const built = await builder.build(await builder.commit({ 'src/d1/f1.txt': 'plain change\n' }));
    expect(built.image.layers).toHaveLength(4);
  });
});

/** Builders that share nothing but a registry. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import type { CachePlace } from '../../src/build/cache/cache-place.js';
import { RemoteCache } from '../../src/build/cache/remote-cache.js';
import {
  CACHE_TYPE,
  type CacheBounds,
  DEFAULT_BOUNDS,
  INDEX_BYTES,
  parseIndex,
} from '../../src/build/cache/remote-index.js';
import { pushBuiltImage } from '../../src/build/push-image.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { RegistryClient } from '../../src/registry/client.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

/** Tells which blobs were fetched. */
class CountingClient extends RegistryClient {
  readonly fetched: string[] = [];

  /** Of these it says that the registry has lost them. */
  readonly lost = new Set<string>();

  override async hasBlob(...args: Parameters<RegistryClient['hasBlob']>): Promise<boolean> {
    return !this.lost.has(args[1]) && super.hasBlob(...args);
  }

  override async fetchBlob(...args: Parameters<RegistryClient['fetchBlob']>): Promise<void> {
    this.fetched.push(args[1].digest);
    await super.fetchBlob(...args);
  }
}

/** A builder with a disk of its own. */
class Other {
  readonly store: BuilderStore;
  readonly registry: CountingClient;
  readonly notes: string[] = [];
  readonly #place: CachePlace;

  constructor(store: BuilderStore, registry: CountingClient, place: CachePlace) {
    this.store = store;
    this.registry = registry;
    this.#place = place;
  }

  static async start(app: string): Promise<Other> {
    const directory = await temporaryDirectory();
    const { host } = builder.registry;
    const registry = new CountingClient({
      mirrors: [{ from: 'docker.io', to: host }],
      pushAllowed: [host],
    });
    onTestFinished(async () => {
      registry.close();
      await rm(directory, { recursive: true, force: true });
    });
    const store = await openBuilderStore(directory, DEFAULT_LIMITS);
    return new Other(store, registry, { registry: host, repository: `apps/${app}`, tag: 'slipway-cache' });
  }

  cache(bounds: CacheBounds = DEFAULT_BOUNDS): RemoteCache {
    return new RemoteCache({
      registry: this.registry,
      from: [this.#place],
      to: this.#place,
      bounds,
      note: (text) => this.notes.push(text),
      signal: new AbortController().signal,
    });
  }

  /** Builds, pushes the image and exports, as the job of a push does. */
  async build(
    commit: string,
    { bounds = DEFAULT_BOUNDS, noCache = false } = {},
  ): Promise<Built & { exported: boolean }> {
    const remote = this.cache(bounds);
    const { store, registry } = this;
    const built = await builder.build(commit, { store, noCache, tools: { registry, remote } });
    const names = { app: this.#place.repository.slice('apps/'.length), buildId: 'b1', commit };
    const config = { registry: { host: builder.registry.host } };
    const signal = new AbortController().signal;
    await pushBuiltImage(config, registry, built, names.app, signal);
    return { ...built, exported: await remote.export(store.blobs, signal) };
  }

  async index(): Promise<NonNullable<ReturnType<typeof parseIndex>>> {
    const found = await this.registry.artifact({
      ...this.#place,
      configType: CACHE_TYPE,
      maxBytes: INDEX_BYTES,
    });
    const index = found && parseIndex(found.config);
    if (index === undefined) throw new Error('there is no index');
    return index;
  }
}

const STAGES = [
  'FROM busybox AS build',
  'WORKDIR /src',
  'COPY . .',
  'RUN cat a > /out; cat /proc/sys/kernel/random/uuid >> /out',
  'FROM busybox',
  'WORKDIR /app',
  'COPY --from=build /out /app/',
  'RUN cat /proc/sys/kernel/random/uuid > /built',
  '',
].join('\n');

const IGNORED = { '.dockerignore': 'Dockerfile\n' };

describe('the remote cache', () => {
  it('lets a builder with an empty disk build without executing a step or fetching a layer', async () => {
    const commit = await builder.commit({ ...IGNORED, Dockerfile: STAGES, a: '1' });
    const one = await Other.start('shared');
    const first = await one.build(commit);
    expect(first.steps).toEqual({ cached: 0, total: 6 });
    expect(first.exported).toBe(true);

    const two = await Other.start('shared');
    const again = await two.build(commit);
    expect(again.steps).toEqual({ cached: 6, total: 6 });
    expect(again.image.digest).toBe(first.image.digest);
    expect(two.registry.fetched).toEqual([]);
    expect(await two.store.blobs.list()).toEqual([]);
    expect(again.exported).toBe(false);
    expect([...one.notes, ...two.notes]).toEqual([]);
  });

  it('fetches what a step that must run stands on, and no more', async () => {
    const one = await Other.start('partly');
    await one.build(await builder.commit({ ...IGNORED, Dockerfile: STAGES, a: '1' }));
    const commit = await builder.commit({
      ...IGNORED,
      Dockerfile: STAGES.replace('> /built', '> /built2'),
      a: '1',
    });
    const two = await Other.start('partly');
    const built = await two.build(commit);
    expect(built.steps).toEqual({ cached: 5, total: 6 });
    // The base image, WORKDIR and COPY --from: not the stage that was copied from.
    expect(two.registry.fetched).toHaveLength(3);
    expect(built.exported).toBe(true);
    expect((await two.index()).steps).toHaveLength(7);
    const three = await Other.start('partly');
    expect((await three.build(commit)).steps).toEqual({ cached: 6, total: 6 });
  });

  it('is carried to another place whole, without a layer coming here', async () => {
    const commit = await builder.commit({ ...IGNORED, Dockerfile: STAGES, a: '8' });
    const one = await Other.start('here');
    await one.build(commit);
    const place = { registry: builder.registry.host, tag: 'slipway-cache' };
    const two = await Other.start('there');
    const signal = new AbortController().signal;
    const remote = new RemoteCache({
      registry: two.registry,
      from: [{ ...place, repository: 'apps/here' }],
      to: { ...place, repository: 'apps/there' },
      signal,
    });
    const built = await builder.build(commit, {
      store: two.store,
      tools: { registry: two.registry, remote },
    });
    expect(built.steps.cached).toBe(6);
    expect(await remote.export(two.store.blobs, signal)).toBe(true);
    expect(two.registry.fetched).toEqual([]);
    const three = await Other.start('there');
    expect((await three.build(commit)).steps.cached).toBe(6);
  });

  it('gives back a layer that this builder has lost', async () => {
    const one = await Other.start('lost');
    const commit = await builder.commit({ ...IGNORED, Dockerfile: STAGES, a: '2' });
    const first = await one.build(commit);
    for (const { digest } of await one.store.blobs.list()) await one.store.blobs.remove(digest);
    const again = await one.build(commit);
    expect(again.steps.cached).toBe(6);
    expect(again.image.digest).toBe(first.image.digest);
  });

  it('executes the step when the registry has lost its layer', async () => {
    const one = await Other.start('gone');
    const commit = await builder.commit({ Dockerfile: 'FROM scratch\nCOPY a /one\nCOPY a /two\n', a: '3' });
    const first = await one.build(commit);
    const two = await Other.start('gone');
    two.registry.lost.add(first.image.layers[0]?.digest ?? '');
    const built = await two.build(commit);
    expect(built.steps).toEqual({ cached: 1, total: 2 });
    expect(built.image.digest).toBe(first.image.digest);
  });

  it('asks a registry no more that stops answering, and executes the steps', async () => {
    const one = await Other.start('silent');
    const commit = await builder.commit({ Dockerfile: 'FROM scratch\nCOPY a /one\nCOPY a /two\n', a: '7' });
    const first = await one.build(commit);
    const two = await Other.start('silent');
    let asked = 0;
    two.registry.hasBlob = async () => {
      asked++;
      throw new SlipwayError('registry_unavailable', 'it is gone');
    };
    const built = await builder.build(commit, {
      store: two.store,
      tools: { registry: two.registry, remote: two.cache() },
    });
    expect(built.steps.cached).toBe(0);
    expect(built.image.digest).toBe(first.image.digest);
    expect(asked).toBe(1);
    expect(two.notes).toEqual([expect.stringContaining('it is gone')]);
  });

  it('keeps what several builders add at the same time', async () => {
    const commits: string[] = [];
    for (const n of [1, 2, 3])
      commits.push(await builder.commit({ Dockerfile: `FROM scratch\nCOPY a /${n}\n`, a: '4' }));
    const builders = await Promise.all(commits.map(() => Other.start('race')));
    await Promise.all(builders.map((one, n) => one.build(commits[n] ?? '')));
    const last = await Other.start('race');
    for (const commit of commits) expect((await last.build(commit)).steps.cached).toBe(1);
  });

  it('drops what is too much and what was not used for long', async () => {
    const one = await Other.start('bounded');
    const bounds = { ...DEFAULT_BOUNDS, steps: 2, keepExports: 2 };
    const build = async (n: number) =>
      one.build(await builder.commit({ Dockerfile: `FROM scratch\nCOPY a /${n}\n`, a: '5' }), { bounds });
    await build(1);
    const [first] = (await one.index()).steps;
    const place = { registry: builder.registry.host, repository: 'apps/bounded' };
    const before = await one.registry.headManifest(place, 'slipway-cache');
    await build(2);
    // Else what is dropped would never be freed.
    expect(await one.registry.headManifest(place, before ?? '')).toBeUndefined();
    expect((await one.index()).steps.map(({ key }) => key)).toContain(first?.key);
    await build(3);
    const left = (await one.index()).steps;
    expect(left).toHaveLength(2);
    expect(left.map(({ key }) => key)).not.toContain(first?.key);
  });

  it('gives the result of a build without the cache to others', async () => {
    const one = await Other.start('anew');
    const commit = await builder.commit({
      Dockerfile: 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /built\n',
    });
    const first = await one.build(commit);
    const anew = await one.build(commit, { noCache: true });
    expect(anew.image.digest).not.toBe(first.image.digest);
    const two = await Other.start('anew');
    expect((await two.build(commit)).image.digest).toBe(anew.image.digest);
  });

  it('only costs a note when the registry is silent, or the index is none', async () => {
    const commit = await builder.commit({ Dockerfile: 'FROM scratch\nCOPY a /x\n', a: '6' });
    const one = await Other.start('broken');
    const notes: string[] = [];
    const cache = (host: string, tag: string): RemoteCache =>
      new RemoteCache({
        registry: one.registry,
        from: [{ registry: host, repository: 'library/busybox', tag }],
        note: (text) => notes.push(text),
        signal: new AbortController().signal,
      });
    const wrong = cache(builder.registry.host, 'latest');
    const built = await builder.build(commit, { store: one.store, tools: { remote: wrong } });
    expect(built.steps).toEqual({ cached: 0, total: 1 });
    expect(notes).toEqual([expect.stringContaining('library/busybox:latest is of no help')]);
    const gone = cache('127.0.0.1:1', 'latest');
    await builder.build(commit, { store: one.store, noCache: true, tools: { remote: gone } });
    const two = await Other.start('broken');
    await builder.build(commit, { store: two.store, tools: { remote: gone } });
    expect(notes).toHaveLength(2);
  });
});

describe('an index', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const layer = {
    diffId: digest,
    digest,
    sizeBytes: 1,
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  };
  const step = { key: '0'.repeat(64), value: { layer, ms: 1 }, used: 1 };
  const found = { name: 'a', path: 'x/a', content: 'files 0' };
  const index = {
    version: 1,
    exports: 1,
    steps: [step],
    selections: [{ key: step.key, value: [found], used: 1 }],
  };
  const parsed = (value: unknown) => parseIndex(Buffer.from(JSON.stringify(value)));

  it('is read as it was written', () => {
    expect(parsed(index)?.steps).toEqual([step]);
  });

  it.each<[string, unknown]>([
    ['no JSON object', []],
    ['another version', { ...index, version: 2 }],
    ['a key that is a path', { ...index, steps: [{ ...step, key: '../x' }] }],
    [
      'a digest that is a path',
      { ...index, steps: [{ ...step, value: { layer: { ...layer, digest: 'sha256:../x' }, ms: 1 } }] },
    ],
    [
      'a layer that is none',
      { ...index, steps: [{ ...step, value: { layer: { ...layer, mediaType: 'text/html' }, ms: 1 } }] },
    ],
    [
      'a name that leaves the destination',
      { ...index, selections: [{ key: step.key, value: [{ ...found, name: '..' }], used: 1 }] },
    ],
    [
      'a name that is a path',
      { ...index, selections: [{ key: step.key, value: [{ ...found, name: 'a/b' }], used: 1 }] },
    ],
  ])('is refused with %s', (_what, value) => {
    expect(parsed(value)).toBeUndefined();
  });
});

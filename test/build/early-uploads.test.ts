/** Layers that are brought to the registry while the build goes on: which ones, and that nothing hangs on it. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BaseImages } from '../../src/build/base-images.js';
import { EarlyUploads } from '../../src/build/early-uploads.js';
import { pushBuiltImage } from '../../src/build/push-image.js';
import type { Layer } from '../../src/layers/layer.js';
import type { Uploaded } from '../../src/registry/upload.js';
import { TestBuilder } from '../support/builder.js';
import { until } from '../support/until.js';

const never = new AbortController().signal;

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const place = (): { registry: string; repository: string } => ({
  registry: builder.registry.host,
  repository: 'apps/early',
});

const inRepository = (digest: string): Promise<boolean> => {
  const link = join('_layers', digest.replace(':', '/'), 'link');
  return access(join(builder.registry.data, 'docker/registry/v2/repositories/apps/early', link)).then(
    () => true,
    () => false,
  );
};

describe('the layers that a build tells of', () => {
  const told = async (dockerfile: string, target?: string): Promise<{ seen: string[]; image: string[] }> => {
    const seen: string[] = [];
    const commit = await builder.commit({ Dockerfile: dockerfile, a: '1', b: '2' });
    const { image } = await builder.build(commit, {
      ...(target === undefined ? {} : { target }),
      tools: { onLayer: ({ digest }) => seen.push(digest) },
    });
    return { seen, image: image.layers.map(({ digest }) => digest) };
  };

  it.each([
    'FROM busybox\nCOPY a /a\nRUN echo 1 > /r\nWORKDIR /w\n',
    'FROM busybox AS other\nRUN echo other > /other\nFROM busybox AS one\nCOPY a /x\nFROM one AS two\nCOPY b /y\nFROM two\nCOPY --from=other /other /z\n',
  ])('are all of the image and no others, also when they are cached', async (dockerfile) => {
    for (let times = 0; times < 2; times++) {
      const { seen, image } = await told(dockerfile);
      expect([...new Set(seen)]).toEqual(image);
    }
  });
});

describe('early uploads', () => {
  it('bring a finished layer to the registry while the next step runs, and leave the push only the rest', async () => {
    const commit = await builder.commit({
      Dockerfile: 'FROM busybox\nCOPY a /first\nRUN echo waits && sleep 2 && echo 2 > /second\n',
      a: 'early',
    });
    await using uploads = new EarlyUploads(place(), {
      registry: builder.client,
      store: builder.store,
      signal: never,
    });
    const layers: Layer[] = [];
    const building = builder.build(commit, {
      tools: {
        onLayer: (layer, bases) => {
          layers.push(layer);
          uploads.start(layer, bases);
        },
      },
    });
    await until(async () => layers.length >= 2 && (await inRepository((layers[1] as Layer).digest)));
    // The RUN is not over.
    expect(layers.length).toBe(2);
    const built = await building;
    const there = await uploads.finished();
    const digests = built.image.layers.map(({ digest }) => digest);
    expect([...there.keys()].sort()).toEqual([...digests].sort());
    expect(there.get(digests[0] ?? '')).toBe('mounted');
    const config = { registry: { host: builder.registry.host } };
    const pushed = await pushBuiltImage(config, builder.client, built, 'early', never, there);
    expect(pushed.digest).toBe(built.image.digest);
    const own = built.image.layers.slice(1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(pushed.pushedBytes).toBe(own + built.image.config.length);
  });

  it('are believed only as far as the registry does: what it has lost is sent again', async () => {
    const commit = await builder.commit({ Dockerfile: 'FROM busybox\nCOPY a /a\n', a: 'lost' });
    const built = await builder.build(commit);
    const there = new Map<string, Uploaded>(built.image.layers.map(({ digest }) => [digest, 'sent']));
    const config = { registry: { host: builder.registry.host } };
    const pushed = await pushBuiltImage(config, builder.client, built, 'lost', never, there);
    expect(await builder.client.headManifest({ ...place(), repository: 'apps/lost' }, pushed.digest)).toBe(
      built.image.digest,
    );
  });

  const layer = (digit: string): Layer => ({
    diffId: `sha256:${digit.repeat(64)}`,
    digest: `sha256:${digit.repeat(64)}`,
    sizeBytes: 1,
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  });
  const bases = { repositoryOf: () => undefined } as unknown as BaseImages;

  it('that fail are no failure of the build, and each layer is tried once', async () => {
    let tries = 0;
    const uploadLayer = async (): Promise<Uploaded> => {
      tries++;
      throw new Error('the registry is away');
    };
    await using uploads = new EarlyUploads(place(), {
      registry: { uploadLayer },
      store: builder.store,
      signal: never,
    });
    for (const digit of ['a', 'b', 'a']) uploads.start(layer(digit), bases);
    expect([...(await uploads.finished())]).toEqual([]);
    expect(tries).toBe(2);
  });

  it('are ended with the build, those that wait as well; no more than four are under way', async () => {
    const begun: string[] = [];
    const uploadLayer = (
      _: unknown,
      { descriptor }: { descriptor: { digest: string } },
      signal?: AbortSignal,
    ) => {
      begun.push(descriptor.digest);
      return new Promise<Uploaded>((_, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
      );
    };
    const uploads = new EarlyUploads(place(), {
      registry: { uploadLayer },
      store: builder.store,
      signal: never,
    });
    for (const digit of '0123456789') uploads.start(layer(digit), bases);
    await until(async () => begun.length === 4);
    await uploads[Symbol.asyncDispose]();
    expect(begun.length).toBe(4);
    expect([...(await uploads.finished())]).toEqual([]);
  });
});

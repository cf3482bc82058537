import { randomBytes } from 'node:crypto';
import { open as openFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SlipwayError } from '../../src/errors.js';
import { RegistryClient, type RegistryClientOptions } from '../../src/registry/client.js';
import { type Descriptor, digestOf, MEDIA_TYPES } from '../../src/registry/image.js';
import { hostPlatform, placesOf, type ResolvedImage } from '../../src/registry/pull.js';
import { parseReference } from '../../src/registry/reference.js';
import { temporaryDirectory } from '../support/directories.js';
import { makeImage, type Script, type Scripted, servesImages, startScripted } from './scripted.js';

const QUICK = { firstWaitMs: 1, longestWaitMs: 5, idleMs: 5000 };
const AMD64 = { os: 'linux', architecture: 'amd64' };

const open: { stop(): void | Promise<void> }[] = [];
let directory: string;
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(async () => {
  for (const part of open.splice(0)) await part.stop();
});

async function scripted(script: Script): Promise<Scripted> {
  const server = await startScripted(script);
  open.push(server);
  return server;
}

function client(options: Partial<RegistryClientOptions> = {}): RegistryClient {
  const made = new RegistryClient({ pushAllowed: [], ...options, timing: { ...QUICK, ...options.timing } });
  open.push({ stop: () => made.close() });
  return made;
}

const resolve = (text: string, options: Partial<RegistryClientOptions> = {}): Promise<ResolvedImage> =>
  client(options).resolve(parseReference(text), { platform: AMD64 });

const failure = async (promise: Promise<unknown>): Promise<SlipwayError> => {
  try {
    await promise;
  } catch (error) {
    return error as SlipwayError;
  }
  throw new Error('it did not fail');
};

async function gone(): Promise<string> {
  const server = await startScripted(() => {});
  await server.stop();
  return server.host;
}

const LAYERS = [Buffer.from('layer one'), Buffer.from('layer two')];

function indexOf(entries: readonly unknown[], mediaType: string = MEDIA_TYPES.ociIndex): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }));
}

function entry(image: ReturnType<typeof makeImage>, platform?: object): object {
  return {
    mediaType: (JSON.parse(image.manifest.toString()) as { mediaType: string }).mediaType,
    digest: image.digest,
    size: image.manifest.length,
    ...(platform === undefined ? {} : { platform }),
  };
}

describe('resolving a reference', () => {
  test('gives digest, config, layers and diff ids, of OCI and of Docker images', async () => {
    for (const kind of ['oci', 'docker'] as const) {
      const image = makeImage(LAYERS, AMD64, kind);
      const server = await scripted(servesImages([image], { v1: image.manifest }));
      const found = await resolve(`${server.host}/a/b:v1`);
      expect(found).toMatchObject({
        digest: image.digest,
        manifest: { digest: image.digest, size: image.manifest.length },
        layers: image.layers.map(({ descriptor }) => descriptor),
        diffIds: LAYERS.map(digestOf),
        source: { registry: server.host, repository: 'a/b' },
      });
      expect(found.indexDigest).toBeUndefined();
      expect(found.config.raw.equals(image.config)).toBe(true);
      expect(found.manifestBytes.equals(image.manifest)).toBe(true);
      expect(server.seen[0]!.headers.accept).toContain(MEDIA_TYPES.dockerList);
    }
  });

  test('asks for a config that the client has seen no more, but always for what the tag means', async () => {
    const [one, other] = [makeImage(LAYERS, AMD64), makeImage([LAYERS[0]!], AMD64)];
    let serve = servesImages([one, other], { v1: one.manifest });
    const server = await scripted((request, response) => serve(request, response));
    const asked = client();
    const look = () => asked.resolve(parseReference(`${server.host}/a:v1`), { platform: AMD64 });
    const first = await look();
    expect(await look()).toEqual(first);
    serve = servesImages([one, other], { v1: other.manifest });
    expect((await look()).config.raw.equals(other.config)).toBe(true);
    const kinds = server.seen.map(({ url = '' }) => (url.includes('/blobs/') ? 'config' : 'manifest'));
    expect(kinds).toEqual(['manifest', 'config', 'manifest', 'manifest', 'config']);
  });

  test('goes through an index to the manifest of the platform', async () => {
    const arm = makeImage(LAYERS, { os: 'linux', architecture: 'arm64', variant: 'v8' });
    const amd = makeImage([LAYERS[0]!], AMD64);
    const attestation = makeImage([], { os: 'unknown', architecture: 'unknown' });
    for (const type of [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerList]) {
      const index = indexOf(
        [
          entry(attestation, { os: 'unknown', architecture: 'unknown' }),
          entry(arm, { os: 'linux', architecture: 'arm64', variant: 'v8' }),
          entry(amd, AMD64),
        ],
        type,
      );
      const server = await scripted(servesImages([arm, amd, attestation], { v1: index }));
      const found = await resolve(`${server.host}/a:v1`);
      expect(found.digest).toBe(amd.digest);
      expect(found.indexDigest).toBe(digestOf(index));
      const other = await client().resolve(parseReference(`${server.host}/a:v1`), {
        platform: { os: 'linux', architecture: 'arm64' },
      });
      expect(other.digest).toBe(arm.digest);
      const error = await failure(
        client().resolve(parseReference(`${server.host}/a:v1`), {
          platform: { os: 'linux', architecture: 's390x' },
        }),
      );
      expect(error.code).toBe('image_not_found');
      expect(error.message).toBe(
        `${server.host}/a:v1 is no image for linux/s390x; it is for linux/arm64/v8, linux/amd64`,
      );
    }
  });

  test('takes a base variant, never one that this machine may lack', async () => {
    const v3 = makeImage(LAYERS, { ...AMD64, variant: 'v3' });
    const v1 = makeImage([LAYERS[0]!], AMD64);
    const both = indexOf([entry(v3, { ...AMD64, variant: 'v3' }), entry(v1, AMD64)]);
    const only = indexOf([
      entry(v3, { ...AMD64, variant: 'v3' }),
      entry(v3, { os: 'linux', architecture: 'arm64' }),
    ]);
    const server = await scripted(servesImages([v3, v1], { both, only }));
    expect((await resolve(`${server.host}/a:both`)).digest).toBe(v1.digest);
    expect((await failure(resolve(`${server.host}/a:only`))).message).toContain('linux/amd64/v3');
  });

  test('goes through nested indexes and an index without platforms, but not for ever', async () => {
    const image = makeImage(LAYERS);
    const inner = indexOf([entry(image)]);
    const outer = indexOf([
      { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(inner), size: inner.length, platform: AMD64 },
    ]);
    let deep = inner;
    const tags: Record<string, Buffer> = { inner, outer };
    for (let i = 0; i < 4; i++) {
      deep = indexOf([
        { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(deep), size: deep.length, platform: AMD64 },
      ]);
      tags[`deep${i}`] = deep;
    }
    const server = await scripted(servesImages([image], tags));
    expect((await resolve(`${server.host}/a:inner`)).digest).toBe(image.digest);
    expect(await resolve(`${server.host}/a:outer`)).toMatchObject({
      digest: image.digest,
      indexDigest: digestOf(outer),
    });
    expect((await failure(resolve(`${server.host}/a:deep3`))).message).toContain('nested too deep');
  });

  test('an image for another platform is refused though no index says so', async () => {
    const image = makeImage(LAYERS, { os: 'linux', architecture: 'riscv64' });
    const server = await scripted(servesImages([image], { v1: image.manifest }));
    expect((await failure(resolve(`${server.host}/a:v1`))).message).toContain('it is for linux/riscv64');
  });

  test('content that does not have the digest it was asked by, or served with, is refused', async () => {
    const image = makeImage(LAYERS);
    const other = makeImage([LAYERS[0]!]);
    const lying = await scripted((_request, response) => {
      response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest });
      response.end(other.manifest);
    });
    const byDigest = await failure(resolve(`${lying.host}/a@${image.digest}`));
    expect(byDigest.code).toBe('image_invalid');
    expect(byDigest.message).toContain(`instead of ${image.digest}`);
    const header = await scripted((_request, response) => {
      response.writeHead(200, {
        'content-type': MEDIA_TYPES.ociManifest,
        'docker-content-digest': other.digest,
      });
      response.end(image.manifest);
    });
    expect((await failure(resolve(`${header.host}/a:v1`))).code).toBe('image_invalid');
    const serve = servesImages([image], { v1: image.manifest });
    const config = await scripted((request, response) => {
      if (!request.url?.includes('/blobs/')) serve(request, response);
      else response.end(Buffer.alloc(image.config.length, ' '));
    });
    expect((await failure(resolve(`${config.host}/a:v1`))).message).toContain(
      'sent a config with the digest',
    );
  });

  test('a huge manifest, a huge config, foreign layers and layers without diff ids are refused', async () => {
    const huge = await scripted((_request, response) => {
      response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest });
      response.end(Buffer.alloc(5 * 1024 * 1024, ' '));
    });
    expect((await failure(resolve(`${huge.host}/a:v1`))).message).toContain('more than 4194304 bytes');

    const image = makeImage(LAYERS);
    const changed = (
      change: (manifest: { config: Descriptor; layers: Record<string, unknown>[] }) => void,
    ): Buffer => {
      const manifest = JSON.parse(image.manifest.toString()) as Parameters<typeof change>[0];
      change(manifest);
      return Buffer.from(JSON.stringify(manifest));
    };
    const server = await scripted(
      servesImages([image], {
        config: changed((manifest) => {
          manifest.config = { ...manifest.config, size: 9 * 1024 * 1024 };
        }),
        foreign: changed((manifest) => {
          manifest.layers[0] = { ...manifest.layers[0], urls: ['http://169.254.169.254/'] };
        }),
        fewer: changed((manifest) => {
          manifest.layers.pop();
        }),
      }),
    );
    for (const [tag, said] of [
      ['config', 'its config has 9437184 bytes'],
      ['foreign', 'a foreign layer'],
      ['fewer', 'it has 1 layers but 2 diff ids'],
    ]) {
      const error = await failure(resolve(`${server.host}/a:${tag}`));
      expect(error.code).toBe('image_invalid');
      expect(error.message).toContain(said);
    }
  });

  test('an unknown image is image_not_found, and says what and where', async () => {
    const server = await scripted(servesImages([]));
    const error = await failure(resolve(`${server.host}/a/b:v9`));
    expect(error).toMatchObject({ code: 'image_not_found', where: `${server.host}/a/b:v9` });
    expect(error.message).toBe(`the image a/b:v9 is not in ${server.host}`);
  });

  test('the default platform is linux on this processor', () => {
    expect(hostPlatform().os).toBe('linux');
    expect(hostPlatform().architecture).not.toBe('x64');
  });
});

describe('mirrors', () => {
  const image = makeImage(LAYERS);
  const full = (): Promise<Scripted> => scripted(servesImages([image], { v1: image.manifest }));

  test('are asked in order, before the registry, which then is not asked', async () => {
    const [first, second] = [await full(), await full()];
    const found = await resolve('docker.io/library/busybox:v1', {
      mirrors: [
        { from: 'other.example', to: 'other.example:1' },
        { from: 'docker.io', to: first.host },
        { from: 'docker.io', to: second.host },
      ],
    });
    expect(found.source).toMatchObject({ registry: first.host, repository: 'library/busybox' });
    expect(found.reference.registry).toBe('docker.io');
    expect(second.seen).toEqual([]);
  });

  test('may keep their images below a prefix', () => {
    expect(placesOf(parseReference('node:22'), [{ from: 'docker.io', to: 'r.example:1/hub/x' }])).toEqual({
      registry: 'r.example:1',
      repository: 'hub/x/library/node',
      otherwise: { registry: 'docker.io', repository: 'library/node' },
    });
  });

  test.each([
    ['is not there', gone],
    ['does not have it', async () => (await scripted(servesImages([]))).host],
    ['fails', async () => (await scripted((_q, response) => void response.writeHead(500).end())).host],
    ['denies', async () => (await scripted((_q, response) => void response.writeHead(401).end())).host],
    [
      'sends rubbish',
      async () => (await scripted((_q, response) => void response.writeHead(200).end('rubbish'))).host,
    ],
  ])('one that %s falls to the next and then to the registry', async (_what, bad) => {
    const origin = await full();
    const found = await resolve(`${origin.host}/a:v1`, {
      mirrors: [
        { from: origin.host, to: await bad() },
        { from: origin.host, to: await gone() },
      ],
    });
    expect(found.source.registry).toBe(origin.host);
    expect(found.digest).toBe(image.digest);
  });

  test('when nothing has it, the error names each place and what it said', async () => {
    const [mirror, origin] = [await gone(), (await scripted(servesImages([]))).host];
    const error = await failure(resolve(`${origin}/a/b:v1`, { mirrors: [{ from: origin, to: mirror }] }));
    expect(error).toMatchObject({ code: 'image_not_found', temporary: true, where: `${origin}/a/b:v1` });
    expect(error.message).toMatch(
      new RegExp(`${mirror}/a/b: .*cannot be reached.*\\n.*${origin}/a/b: the image a/b:v1 is not in`),
    );
  });

  test('an abort is not answered by asking the next', async () => {
    const silent = await scripted(() => {});
    const origin = await full();
    const stop = new AbortController();
    const resolving = failure(
      client({ mirrors: [{ from: origin.host, to: silent.host }] }).resolve(
        parseReference(`${origin.host}/a:v1`),
        {
          platform: AMD64,
          signal: stop.signal,
        },
      ),
    );
    while (silent.seen.length === 0) await new Promise((again) => setTimeout(again, 5));
    stop.abort(new Error('cancelled'));
    expect((await resolving).message).toBe('cancelled');
    expect(origin.seen).toEqual([]);
  });
});

describe('fetching a blob', () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  const descriptor: Descriptor = {
    mediaType: MEDIA_TYPES.ociLayerGzip,
    digest: digestOf(bytes),
    size: bytes.length,
  };

  /** What is in the directory after a fetch: a half blob must not be. */
  const files = (): Promise<string[]> => readdir(directory);
  const fetchFrom = (
    host: string,
    options: Partial<RegistryClientOptions> = {},
    wanted = descriptor,
  ): Promise<void> =>
    client(options).fetchBlob({ registry: host, repository: 'a/b' }, wanted, join(directory, 'blob'));

  test('writes exactly its bytes', async () => {
    const server = await scripted((_request, response) => void response.end(bytes));
    await fetchFrom(server.host);
    expect((await readFile(join(directory, 'blob'))).equals(bytes)).toBe(true);
    expect(await files()).toEqual(['blob']);
    expect(server.asked).toEqual([`GET /v2/a/b/blobs/${descriptor.digest}`]);
  });

  test('an empty blob is one', async () => {
    const empty = { ...descriptor, digest: digestOf(''), size: 0 };
    await fetchFrom(await gone(), {}, empty);
    expect(await readFile(join(directory, 'blob'))).toHaveLength(0);
  });

  /** Cuts the first answers after the given numbers of bytes. */
  function cutting(cuts: number[], ranges: 'honours' | 'ignores' | 'lies' | 'refuses'): Script {
    return (request, response) => {
      const asked = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (asked > 0 && ranges === 'refuses') {
        response.writeHead(416).end();
        return;
      }
      const from = ranges === 'honours' ? asked : 0;
      const rest = bytes.subarray(from);
      const partial = asked > 0 && ranges !== 'ignores';
      response.writeHead(partial ? 206 : 200, {
        'content-length': rest.length,
        ...(partial ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
      });
      const cut = cuts.shift();
      if (cut === undefined) response.end(rest);
      else response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 5));
    };
  }

  test('goes on where it was cut', async () => {
    const server = await scripted(cutting([1_000_000, 500_000, 0, 200_000], 'honours'));
    await fetchFrom(server.host);
    expect((await readFile(join(directory, 'blob'))).equals(bytes)).toBe(true);
    const starts = server.seen.map(({ headers }) => Number(/=(\d+)/.exec(headers.range ?? '')?.[1] ?? 0));
    expect(starts).toHaveLength(5);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[2]).toBeGreaterThan(starts[1]!);
  });

  test.each(['ignores', 'lies', 'refuses'] as const)(
    'begins again at a registry that %s a range',
    async (ranges) => {
      const server = await scripted(cutting([1_000_000], ranges));
      await fetchFrom(server.host);
      expect((await readFile(join(directory, 'blob'))).equals(bytes)).toBe(true);
    },
  );

  test('a registry that falls silent in the middle is resumed', async () => {
    let tried = 0;
    const server = await scripted((request, response) => {
      tried += 1;
      const from = Number(/=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from === 0 ? 200 : 206, {
        'content-length': bytes.length - from,
        ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      });
      if (tried === 1) response.write(bytes.subarray(0, 100_000));
      else response.end(bytes.subarray(from));
    });
    await fetchFrom(server.host, { timing: { idleMs: 300 } });
    expect((await readFile(join(directory, 'blob'))).equals(bytes)).toBe(true);
    expect(tried).toBeGreaterThanOrEqual(2);
  });

  test.each([
    ['another digest', () => Buffer.alloc(bytes.length), true, 'has the digest'],
    [
      'more bytes, declared',
      () => Buffer.concat([bytes, Buffer.from('x')]),
      true,
      `${bytes.length + 1} bytes where`,
    ],
    ['more bytes, undeclared', () => Buffer.concat([bytes, Buffer.from('x')]), false, 'more than the'],
    ['fewer bytes, declared', () => bytes.subarray(1), true, `${bytes.length - 1} bytes where`],
  ])('with %s is refused and leaves nothing', async (_what, content, declared, said) => {
    const server = await scripted((_request, response) => {
      const sent = content();
      response.writeHead(200, declared ? { 'content-length': sent.length } : {});
      response.end(sent);
    });
    const error = await failure(fetchFrom(server.host));
    expect(error.code).toBe('image_invalid');
    expect(error.message).toContain(said);
    expect(error.where).toBe(`${server.host}/a/b@${descriptor.digest}`);
    expect(await files()).toEqual([]);
    expect(server.seen).toHaveLength(1);
  });

  test('with fewer bytes than the manifest says is a registry that keeps failing', async () => {
    const server = await scripted((_request, response) => {
      response.write(bytes.subarray(0, 100));
      response.end();
    });
    const error = await failure(fetchFrom(server.host, { timing: { tries: 3, budgetRetries: 6 } }));
    expect(error).toMatchObject({ code: 'registry_unavailable', temporary: true });
    expect(await files()).toEqual([]);
  });

  test('comes from the registry when the mirror fails meanwhile', async () => {
    const origin = await scripted((_request, response) => void response.end(bytes));
    const source = {
      registry: await gone(),
      repository: 'm/b',
      otherwise: { registry: origin.host, repository: 'a/b' },
    };
    await client().fetchBlob(source, descriptor, join(directory, 'blob'));
    expect((await readFile(join(directory, 'blob'))).equals(bytes)).toBe(true);
  });

  test('can be read along, in one file from whichever place it comes', async () => {
    const growing = join(directory, 'growing');
    await writeFile(growing, '');
    const reader = await openFile(growing);
    try {
      const seen: number[] = [];
      const look = async (): Promise<void> => void seen.push((await reader.stat()).size);
      const mirror = await scripted((_request, response) => {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 200_000), () => setTimeout(() => response.destroy(), 50));
      });
      const origin = await scripted(async (_request, response) => {
        await look();
        response.write(bytes.subarray(0, 1_000_000));
        while ((await reader.stat()).size < 500_000) await new Promise((later) => setTimeout(later, 5));
        await look();
        response.end(bytes.subarray(1_000_000));
      });
      const source = {
        registry: mirror.host,
        repository: 'm/b',
        otherwise: { registry: origin.host, repository: 'a/b' },
      };
      const tries = client({ timing: { mirrorTries: 1, budgetRetries: 0 } });
      await tries.fetchBlob(source, descriptor, join(directory, 'blob'), undefined, growing);
      await look();
      expect(seen).toEqual([0, expect.any(Number), bytes.length]);
      expect(seen[1]).toBeLessThanOrEqual(1_000_000);
      expect(await files()).toEqual(['blob']);
    } finally {
      await reader.close();
    }
  });

  test('that does not come leaves the file of who reads along to it', async () => {
    const growing = join(directory, 'growing');
    await writeFile(growing, '');
    await failure(
      client({ timing: { tries: 1 } }).fetchBlob(
        { registry: await gone(), repository: 'a/b' },
        descriptor,
        join(directory, 'blob'),
        undefined,
        growing,
      ),
    );
    expect(await files()).toEqual(['growing']);
  });

  test('a foreign layer is refused without a request', async () => {
    const server = await scripted((_request, response) => void response.end(bytes));
    const error = await failure(
      fetchFrom(server.host, {}, { ...descriptor, urls: [`http://${server.host}/x`] }),
    );
    expect(error.code).toBe('image_invalid');
    expect(server.seen).toEqual([]);
  });

  test('several at once for one file all succeed and leave one file', async () => {
    const server = await scripted((_request, response) => void response.end(bytes));
    const shared = client();
    await Promise.all(
      Array.from({ length: 6 }, () =>
        shared.fetchBlob({ registry: server.host, repository: 'a/b' }, descriptor, join(directory, 'blob')),
      ),
    );
    expect((await readFile(join(directory, 'blob'))).equals(bytes)).toBe(true);
    expect(await files()).toEqual(['blob']);
  });

  test('an abort in the middle leaves nothing', async () => {
    const stop = new AbortController();
    const server = await scripted((_request, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 1000), () => stop.abort(new Error('cancelled')));
    });
    const source = { registry: server.host, repository: 'a/b' };
    const error = await failure(client().fetchBlob(source, descriptor, join(directory, 'blob'), stop.signal));
    expect(error.message).toBe('cancelled');
    expect(await files()).toEqual([]);
  });

  test('a disk error is no matter of the registry and is not tried again', async () => {
    const server = await scripted((_request, response) => void response.end(bytes));
    const source = { registry: server.host, repository: 'a/b' };
    const error = await failure(client().fetchBlob(source, descriptor, join(directory, 'missing', 'blob')));
    expect((error as unknown as NodeJS.ErrnoException).code).toBe('ENOENT');
    expect(server.seen).toEqual([]);
  });
});

describe('asking for a manifest', () => {
  const image = makeImage(LAYERS);

  test('gives its digest, or undefined when it is not there', async () => {
    const server = await scripted(servesImages([image], { v1: image.manifest }));
    const place = { registry: server.host, repository: 'a/b' };
    expect(await client().headManifest(place, 'v1')).toBe(image.digest);
    expect(await client().headManifest(place, image.digest)).toBe(image.digest);
    expect(await client().headManifest(place, 'v2')).toBeUndefined();
    expect(new Set(server.seen.map(({ method }) => method))).toEqual(new Set(['HEAD']));
    await expect(client().headManifest(place, '../blobs/x')).rejects.toMatchObject({ code: 'invalid_name' });
  });

  test('computes the digest where the registry does not say it', async () => {
    const server = await scripted((request, response) => {
      response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest });
      response.end(request.method === 'HEAD' ? undefined : image.manifest);
    });
    expect(await client().headManifest({ registry: server.host, repository: 'a' }, 'v1')).toBe(image.digest);
  });

  test('does not take an unreachable registry for an absent image', async () => {
    const place = { registry: await gone(), repository: 'a' };
    await expect(client({ timing: { tries: 2 } }).headManifest(place, 'v1')).rejects.toMatchObject({
      code: 'registry_unavailable',
    });
  });
});

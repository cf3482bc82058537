import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.js';
import type { SlipwayError } from '../../src/errors.js';
import { RegistryClient, type RegistryClientOptions } from '../../src/registry/client.js';
import { digestOf } from '../../src/registry/image.js';
import type { ImagePush, PushLayer, PushProgress } from '../../src/registry/push.js';
import { parseReference } from '../../src/registry/reference.js';
import { temporaryDirectory } from '../support/directories.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { type MadeImage, makeImage, type Script, type Scripted, startScripted } from './scripted.js';

const QUICK = { firstWaitMs: 20, longestWaitMs: 200, idleMs: 5000 };
const AMD64 = { os: 'linux', architecture: 'amd64' };

let registry: TestRegistry;
let directory: string;
const open: { stop(): void | Promise<void> }[] = [];

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(async () => {
  for (const part of open.splice(0)) await part.stop();
});

function client(host: string, options: Partial<RegistryClientOptions> = {}): RegistryClient {
  const made = new RegistryClient({
    pushAllowed: [host],
    ...options,
    timing: { ...QUICK, ...options.timing },
  });
  open.push({ stop: () => made.close() });
  return made;
}

async function scripted(script: Script, options?: { early?: boolean }): Promise<Scripted> {
  const server = await startScripted(script, options);
  open.push(server);
  return server;
}

const failure = async (promise: Promise<unknown>): Promise<SlipwayError> => {
  try {
    await promise;
  } catch (error) {
    return error as SlipwayError;
  }
  throw new Error('it did not fail');
};

async function pushOf(host: string, image: MadeImage, parts: Partial<ImagePush> = {}): Promise<ImagePush> {
  const layers: PushLayer[] = [];
  for (const { descriptor, bytes } of image.layers) {
    const file = join(directory, descriptor.digest.slice(7, 19));
    await writeFile(file, bytes);
    layers.push({ descriptor, file });
  }
  return {
    registry: host,
    repository: 'apps/hello',
    layers,
    config: image.config,
    manifest: image.manifest,
    tags: [],
    ...parts,
  };
}

const randomImage = (...sizes: number[]): MadeImage => makeImage(sizes.map((size) => randomBytes(size)));
const sizeOf = (image: MadeImage): number =>
  image.config.length + image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);

describe('pushing to a real registry', () => {
  test('what was pushed can be pulled, by digest and by each tag, byte for byte', async () => {
    const image = randomImage(3_000_000, 10, 70_000, 1, 500_000, 2_000);
    const to = client(registry.host);
    const progress: PushProgress[] = [];
    const pushed = await to.pushImage(
      await pushOf(registry.host, image, {
        tags: ['v1', 'git-3fa9c1d'],
        onProgress: (at) => progress.push(at),
      }),
    );
    expect(pushed).toEqual({ digest: image.digest, pushedBytes: sizeOf(image), skippedBytes: 0 });
    expect(progress.at(-1)).toEqual({ doneBytes: sizeOf(image), totalBytes: sizeOf(image) });
    for (const name of [':v1', ':git-3fa9c1d', `@${image.digest}`]) {
      const found = await to.resolve(parseReference(`${registry.host}/apps/hello${name}`), {
        platform: AMD64,
      });
      expect(found.digest).toBe(image.digest);
    }
    const found = await to.resolve(parseReference(`${registry.host}/apps/hello:v1`), { platform: AMD64 });
    for (const [i, layer] of found.layers.entries()) {
      const file = join(directory, `pulled-${i}`);
      await to.fetchBlob(found.source, layer, file);
      expect((await readFile(file)).equals(image.layers[i]!.bytes)).toBe(true);
    }
    expect(await to.headManifest({ registry: registry.host, repository: 'apps/hello' }, 'v1')).toBe(
      image.digest,
    );
    expect(
      await to.headManifest({ registry: registry.host, repository: 'apps/hello' }, 'v2'),
    ).toBeUndefined();
  });

  test('an image gets another name without its blobs being looked at', async () => {
    const image = randomImage(1000);
    const to = client(registry.host);
    await to.pushImage(await pushOf(registry.host, image, { repository: 'apps/named' }));
    const place = { registry: registry.host, repository: 'apps/named' };
    await to.tag({ ...place, manifest: image.manifest, tag: 'v7' });
    expect(await to.headManifest(place, 'v7')).toBe(image.digest);
    const refused = await failure(
      to.tag({ ...place, registry: 'docker.io', manifest: image.manifest, tag: 'v7' }),
    );
    expect(refused.code).toBe('registry_push_not_allowed');
  });

  test('sends only what is missing, and no files are needed for what is there', async () => {
    const image = randomImage(100_000, 50_000);
    const to = client(registry.host);
    const push = await pushOf(registry.host, image);
    await to.pushImage(push);
    for (const { file } of push.layers) await rm(file as string);
    expect(await to.pushImage(push)).toEqual({
      digest: image.digest,
      pushedBytes: 0,
      skippedBytes: sizeOf(image),
    });
    const more = makeImage([...image.layers.map(({ bytes }) => bytes), randomBytes(1234)]);
    const grown = await pushOf(registry.host, more);
    const layers = grown.layers.map((layer, i) => (i < 2 ? { descriptor: layer.descriptor } : layer));
    expect(await to.pushImage({ ...grown, layers })).toMatchObject({
      pushedBytes: 1234 + more.config.length,
      skippedBytes: 150_000,
    });
  });

  test('mounts a blob of another repository instead of sending it', async () => {
    const base = randomImage(200_000);
    const to = client(registry.host);
    await to.pushImage(await pushOf(registry.host, base, { repository: 'library/base' }));
    const [layer] = base.layers;
    const image = makeImage([layer!.bytes, randomBytes(100)]);
    const push = await pushOf(registry.host, image, { repository: 'apps/mounting' });
    const layers = [{ descriptor: push.layers[0]!.descriptor, mountFrom: 'library/base' }, push.layers[1]!];
    const pushed = await to.pushImage({ ...push, layers });
    expect(pushed).toMatchObject({ pushedBytes: 100 + image.config.length, skippedBytes: 200_000 });
  });

  test('sends a blob that could not be mounted, from a file that is made only then', async () => {
    const image = randomImage(40_000);
    const to = client(registry.host);
    const push = await pushOf(registry.host, image, { repository: 'apps/unmounted' });
    const [layer] = push.layers;
    let asked = 0;
    const file = async (): Promise<string> => {
      asked += 1;
      return layer!.file as string;
    };
    const layers = [{ descriptor: layer!.descriptor, mountFrom: 'library/absent', file }];
    expect((await to.pushImage({ ...push, layers })).pushedBytes).toBe(sizeOf(image));
    expect((await to.pushImage({ ...push, layers })).pushedBytes).toBe(0);
    expect(asked).toBe(1);
  });

  test('a layer that is neither there nor here is an error that says so', async () => {
    const image = randomImage(40_000);
    const to = client(registry.host);
    const push = await pushOf(registry.host, image, { repository: 'apps/lacking' });
    const [layer] = push.layers;
    const without = await failure(to.pushImage({ ...push, layers: [{ descriptor: layer!.descriptor }] }));
    expect(without).toMatchObject({
      code: 'layer_missing',
      where: `${registry.host}/apps/lacking@${layer!.descriptor.digest}`,
    });
    await rm(layer!.file as string);
    expect((await failure(to.pushImage(push))).message).toContain(`its file ${layer!.file} is not there`);
    await writeFile(layer!.file as string, 'short');
    expect((await failure(to.pushImage(push))).message).toContain('has 5 bytes instead of 40000');
    await writeFile(layer!.file as string, randomBytes(40_000));
    const damaged = await failure(to.pushImage(push));
    expect(damaged.code).toBe('layer_missing');
    expect(damaged.message).toContain('does not have its digest');
    expect(
      await to.headManifest({ registry: registry.host, repository: 'apps/lacking' }, image.digest),
    ).toBeUndefined();
  });

  test('an image of no layers, and one that has a layer twice, are images', async () => {
    const to = client(registry.host);
    const empty = makeImage([]);
    expect(
      (await to.pushImage(await pushOf(registry.host, empty, { repository: 'apps/empty' }))).digest,
    ).toBe(empty.digest);
    const bytes = randomBytes(1000);
    const twice = makeImage([bytes, bytes]);
    const pushed = await to.pushImage(await pushOf(registry.host, twice, { repository: 'apps/twice' }));
    expect(pushed.pushedBytes).toBe(1000 + twice.config.length);
  });

  test('ten pushes at once do not disturb each other', async () => {
    const to = client(registry.host);
    const shared = randomBytes(300_000);
    const images = Array.from({ length: 10 }, (_, i) => makeImage([shared, Buffer.from(`app ${i}`)]));
    const pushes = await Promise.all(
      images.map((image, i) => pushOf(registry.host, image, { repository: `apps/many-${i % 3}` })),
    );
    const pushed = await Promise.all(pushes.map((push) => to.pushImage(push)));
    expect(pushed.map(({ digest }) => digest)).toEqual(images.map(({ digest }) => digest));
  });

  test('a blob that the registry only believes to have is sent again', async () => {
    const to = client(registry.host);
    const image = randomImage(60_000);
    const push = await pushOf(registry.host, image, { repository: 'apps/collected' });
    const proxied = await scripted(async (request, response, seen) => {
      if (request.method === 'HEAD') {
        response.writeHead(200).end();
        return;
      }
      // The real registry, which knows better when the manifest comes.
      const answer = await fetch(`http://${registry.host}${seen.url}`, {
        method: seen.method,
        headers: { 'content-type': request.headers['content-type'] ?? '' },
        ...(seen.method === 'GET' ? {} : { body: new Uint8Array(seen.body) }),
      });
      const location = answer.headers.get('location')?.replace(registry.host, request.headers.host ?? '');
      response.writeHead(answer.status, {
        'content-type': 'application/json',
        ...(location ? { location } : {}),
      });
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
    const pushed = await client(proxied.host).pushImage({ ...push, registry: proxied.host });
    expect(pushed.pushedBytes).toBe(sizeOf(image));
    expect(
      proxied.seen.filter(({ method, url }) => method === 'PUT' && url.includes('/manifests/')),
    ).toHaveLength(2);
    expect(
      await to.headManifest({ registry: registry.host, repository: 'apps/collected' }, image.digest),
    ).toBe(image.digest);
  });

  test('goes on when the registry is restarted in the middle', async () => {
    const own = await startRegistry();
    open.push(own);
    const image = randomImage(...Array.from({ length: 12 }, () => 2_000_000));
    let halted: Promise<void> | undefined;
    const push = await pushOf(own.host, image, {
      onProgress: ({ doneBytes }) => {
        if (doneBytes > 3_000_000) halted ??= own.halt('SIGKILL').then(() => own.resume());
      },
    });
    const pushed = await client(own.host, { timing: { tries: 20, budgetRetries: 200 } }).pushImage(push);
    await halted;
    expect(halted).toBeDefined();
    expect(pushed.digest).toBe(image.digest);
    const found = await client(own.host).resolve(parseReference(`${own.host}/apps/hello@${image.digest}`), {
      platform: AMD64,
    });
    for (const [i, layer] of found.layers.entries())
      await client(own.host).fetchBlob(found.source, layer, join(directory, `p${i}`));
  });

  test('a registry that goes away in the middle and stays away is a temporary error', async () => {
    const own = await startRegistry();
    open.push(own);
    let halted: Promise<void> | undefined;
    const push = await pushOf(own.host, randomImage(...Array.from({ length: 12 }, () => 2_000_000)), {
      onProgress: ({ doneBytes }) => {
        if (doneBytes > 3_000_000) halted ??= own.halt('SIGKILL');
      },
    });
    const error = await failure(client(own.host, { timing: { tries: 3 } }).pushImage(push));
    expect(error).toMatchObject({ code: 'registry_unavailable', temporary: true });
    expect(error.message).toContain(own.host);
    await halted;
  });

  test('an abort in the middle ends it with its reason, and a later push completes', async () => {
    const image = randomImage(...Array.from({ length: 8 }, () => 1_000_000));
    const stop = new AbortController();
    const push = await pushOf(registry.host, image, {
      repository: 'apps/aborted',
      signal: stop.signal,
      onProgress: ({ doneBytes }) => doneBytes > 1_500_000 && stop.abort(new Error('superseded')),
    });
    const to = client(registry.host);
    expect((await failure(to.pushImage(push))).message).toBe('superseded');
    expect(
      await to.headManifest({ registry: registry.host, repository: 'apps/aborted' }, image.digest),
    ).toBeUndefined();
    const { signal: _none, ...again } = push;
    expect((await to.pushImage(again)).digest).toBe(image.digest);
  });
});

describe('credentials of a real registry', () => {
  let guarded: TestRegistry;
  beforeAll(async () => {
    guarded = await startRegistry({ password: 's3cret' });
  });
  afterAll(() => guarded.stop());

  test('open it, wrong ones and none do not', async () => {
    const image = randomImage(10_000);
    const config = loadConfig({
      SLIPWAY_REGISTRY: guarded.host,
      SLIPWAY_REGISTRY_USERNAME: 'slipway',
      SLIPWAY_REGISTRY_PASSWORD: 's3cret',
    });
    const right = RegistryClient.fromConfig(config);
    open.push({ stop: () => right.close() });
    const push = await pushOf(guarded.host, image, { tags: ['v1'] });
    await right.pushImage(push);
    expect(
      (await right.resolve(parseReference(`${guarded.host}/apps/hello:v1`), { platform: AMD64 })).digest,
    ).toBe(image.digest);
    for (const password of ['wrong', undefined]) {
      const credentials = password === undefined ? {} : { [guarded.host]: { username: 'slipway', password } };
      const to = client(guarded.host, { credentials });
      expect((await failure(to.pushImage(push))).code).toBe('registry_denied');
      const error = await failure(to.resolve(parseReference(`${guarded.host}/apps/hello:v1`)));
      expect(error.code).toBe('registry_denied');
      expect(error.where).toBe(`${guarded.host}/apps/hello:v1`);
    }
  });
});

describe('the push guard', () => {
  test('refuses docker.io and every registry that was not named, before anything is asked', async () => {
    const other = await scripted((_request, response) => void response.writeHead(404).end());
    const config = loadConfig({ SLIPWAY_REGISTRY: registry.host });
    const to = RegistryClient.fromConfig(config);
    open.push({ stop: () => to.close() });
    for (const host of ['docker.io', 'registry-1.docker.io', 'ghcr.io', other.host]) {
      const error = await failure(
        to.pushImage(await pushOf(host, randomImage(10), { repository: 'library/busybox' })),
      );
      expect(error).toMatchObject({ code: 'registry_push_not_allowed' });
      expect(error.message).toContain(host);
      expect(error.hint).toContain('SLIPWAY_PUSH_REGISTRIES');
    }
    expect(other.seen).toEqual([]);
  });

  test('allows what the setting names', async () => {
    const config = loadConfig({
      SLIPWAY_REGISTRY: '127.0.0.1:1',
      SLIPWAY_PUSH_REGISTRIES: `127.0.0.1:1,${registry.host}`,
    });
    const to = RegistryClient.fromConfig(config);
    open.push({ stop: () => to.close() });
    const image = randomImage(10);
    expect((await to.pushImage(await pushOf(registry.host, image))).digest).toBe(image.digest);
  });

  test('follows no Location to another host', async () => {
    const thief = await scripted((_request, response) => void response.writeHead(201).end());
    const server = await scripted((request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end();
      else response.writeHead(202, { location: `http://${thief.host}/take` }).end();
    });
    const error = await failure(client(server.host).pushImage(await pushOf(server.host, randomImage(10))));
    expect(error.code).toBe('registry_push_not_allowed');
    expect(thief.seen).toEqual([]);
  });
});

/** Takes uploads as the specification says; `change` may answer otherwise first, by returning true. */
async function uploadServer(
  change: Script = () => {},
  options?: { early?: boolean },
): Promise<Scripted & { stored: Map<string, Buffer> }> {
  const stored = new Map<string, Buffer>();
  const sessions = new Map<string, Buffer[]>();
  const server = await scripted(async (request, response, seen) => {
    await change(request, response, seen);
    if (response.headersSent || response.destroyed) return;
    const url = new URL(seen.url, 'http://x');
    const name = url.pathname.split('/').at(-1) ?? '';
    if (seen.method === 'HEAD') {
      response.writeHead(stored.has(name) ? 200 : 404).end();
    } else if (seen.method === 'POST') {
      const id = `s${sessions.size}`;
      sessions.set(id, []);
      response.writeHead(202, { location: `/uploads/${id}?_state=a%2Bb%3D%3D&x=%20y` }).end();
    } else if (url.pathname.startsWith('/uploads/')) {
      const session = sessions.get(name) ?? [];
      session.push(seen.body);
      if (seen.method === 'PATCH')
        response.writeHead(202, { location: `../uploads/${name}?_state=next` }).end();
      else {
        const bytes = Buffer.concat(session);
        const digest = url.searchParams.get('digest') ?? '';
        const right = digestOf(bytes) === digest;
        if (right) stored.set(digest, bytes);
        response.writeHead(right ? 201 : 400).end(right ? '' : '{"errors":[{"code":"DIGEST_INVALID"}]}');
      }
    } else {
      stored.set(name, seen.body);
      response.writeHead(201, { 'docker-content-digest': digestOf(seen.body) }).end();
    }
  }, options);
  return Object.assign(server, { stored });
}

describe('uploads', () => {
  test('are one PUT with Content-Length to the Location as given, relative and with its query', async () => {
    const server = await uploadServer();
    const image = randomImage(400_000);
    await client(server.host).pushImage(await pushOf(server.host, image, { tags: ['v1'] }));
    const [{ descriptor, bytes }] = image.layers as [MadeImage['layers'][number]];
    const put = server.seen.find(
      ({ method, url }) => method === 'PUT' && url.includes(encodeURIComponent(descriptor.digest)),
    )!;
    expect(put.url).toBe(
      `/uploads/${put.url.slice(9, 11)}?_state=a%2Bb%3D%3D&x=%20y&digest=${encodeURIComponent(descriptor.digest)}`,
    );
    expect(put.headers['content-length']).toBe('400000');
    expect(put.headers['transfer-encoding']).toBeUndefined();
    expect(server.stored.get(descriptor.digest)?.equals(bytes)).toBe(true);
  });

  test('come in the order blobs, manifest by digest, tags with the same bytes', async () => {
    const server = await uploadServer();
    const image = randomImage(10, 20);
    await client(server.host).pushImage(await pushOf(server.host, image, { tags: ['v1', 'git-abc'] }));
    const puts = server.seen.filter(({ method }) => method === 'PUT');
    expect(puts.slice(-3).map(({ url }) => url.split('/').at(-1))).toEqual([image.digest, 'v1', 'git-abc']);
    for (const { body } of puts.slice(-3)) expect(body.equals(image.manifest)).toBe(true);
    expect(puts.slice(0, -3).every(({ url }) => url.startsWith('/uploads/'))).toBe(true);
  });

  test.each([404, 405])('fall back to chunks where a registry answers %i to one PUT', async (status) => {
    const server = await uploadServer((_request, response, seen) => {
      if (seen.method === 'PUT' && seen.body.length > 0 && seen.url.startsWith('/uploads/'))
        response.writeHead(status).end();
    });
    const image = randomImage(20 * 1024 * 1024 + 7);
    const [{ descriptor, bytes }] = image.layers as [MadeImage['layers'][number]];
    const pushed = await client(server.host).pushImage(await pushOf(server.host, image));
    expect(pushed.pushedBytes).toBe(sizeOf(image));
    expect(server.stored.get(descriptor.digest)?.equals(bytes)).toBe(true);
    const patches = server.seen.filter(({ method, body }) => method === 'PATCH' && body.length > 100_000);
    const ranges = patches.map(({ headers }) => headers['content-range']);
    expect(ranges).toEqual([`0-${16 * 1024 * 1024 - 1}`, `${16 * 1024 * 1024}-${20 * 1024 * 1024 + 6}`]);
  });

  test('keep to the smallest chunk that a registry takes', async () => {
    const server = await uploadServer((_request, response, seen) => {
      if (seen.method === 'POST') response.setHeader('oci-chunk-min-length', String(32 * 1024 * 1024));
      else if (seen.method === 'PUT' && seen.body.length > 0 && seen.url.startsWith('/uploads/'))
        response.writeHead(405).end();
    });
    await client(server.host).pushImage(await pushOf(server.host, randomImage(20 * 1024 * 1024)));
    expect(
      server.seen.filter(({ method, body }) => method === 'PATCH' && body.length > 100_000),
    ).toHaveLength(1);
  });

  test('start again when the connection is cut in the middle', async () => {
    let cuts = 0;
    const server = await uploadServer(
      async (request, response, seen) => {
        if (seen.method === 'PUT' && Number(request.headers['content-length']) > 1_000_000 && cuts < 2) {
          cuts += 1;
          request.once('data', () => request.socket.destroy());
          await new Promise((resolve) => request.once('close', resolve));
          response.destroy();
          return;
        }
        const parts: Buffer[] = [];
        for await (const chunk of request) parts.push(chunk as Buffer);
        seen.body = Buffer.concat(parts);
      },
      { early: true },
    );
    const image = randomImage(5_000_000);
    const progress: number[] = [];
    const push = await pushOf(server.host, image, {
      onProgress: ({ doneBytes }) => progress.push(doneBytes),
    });
    expect((await client(server.host).pushImage(push)).pushedBytes).toBe(sizeOf(image));
    expect(cuts).toBe(2);
    expect(progress.at(-1)).toBe(sizeOf(image));
    expect(Math.max(...progress)).toBe(sizeOf(image));
  });

  test('survive 429 and 500 at each kind of request', async () => {
    const failed = new Set<string>();
    const server = await uploadServer((_request, response, seen) => {
      const kind = `${seen.method} ${seen.url.replace(/sha256.*|\/s\d.*/, '')}`;
      if (failed.has(kind)) return;
      failed.add(kind);
      response.writeHead(failed.size % 2 === 0 ? 500 : 429, { 'retry-after': '0' }).end();
    });
    const image = randomImage(1000);
    expect(
      (await client(server.host).pushImage(await pushOf(server.host, image, { tags: ['v1'] }))).digest,
    ).toBe(image.digest);
    expect(failed.size).toBeGreaterThanOrEqual(5);
  });

  test('to a registry that stops reading are given up', async () => {
    const server = await scripted(
      (request, response, seen) => {
        if (seen.method === 'HEAD') response.writeHead(404).end();
        else if (seen.method === 'POST') response.writeHead(202, { location: '/u' }).end();
        else request.pause();
      },
      { early: true },
    );
    const timing = { idleMs: 150, uploadAnswerMs: 150, tries: 2 };
    const error = await failure(
      client(server.host, { timing }).pushImage(await pushOf(server.host, randomImage(8_000_000))),
    );
    expect(error).toMatchObject({ code: 'registry_unavailable', temporary: true });
    expect(error.message).toContain('silent for');
  });

  test('when one fails for good the others stop and no manifest is sent', async () => {
    const server = await uploadServer((_request, response, seen) => {
      if (seen.method === 'PUT' && seen.body.length === 7) response.writeHead(403).end();
    });
    const image = randomImage(7, ...Array.from({ length: 30 }, () => 100_000));
    const error = await failure(client(server.host).pushImage(await pushOf(server.host, image)));
    expect(error.code).toBe('registry_denied');
    // Once it is stopped, the server has seen all there was.
    await server.stop();
    expect(server.seen.filter(({ method }) => method === 'PUT').length).toBeLessThan(20);
    expect([...server.stored.keys()].some((name) => name === image.digest)).toBe(false);
  });

  test('a manifest that is stored as something else is an error', async () => {
    const server = await uploadServer((_request, response, seen) => {
      if (seen.url.includes('/manifests/')) {
        response.writeHead(201, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end();
      }
    });
    const error = await failure(client(server.host).pushImage(await pushOf(server.host, randomImage(10))));
    expect(error.code).toBe('image_invalid');
    expect(error.message).toContain('stored the manifest as');
  });

  test('a missing Location is an error, not a crash', async () => {
    const server = await scripted((request, response) => {
      response.writeHead(request.method === 'HEAD' ? 404 : 202).end();
    });
    const error = await failure(client(server.host).pushImage(await pushOf(server.host, randomImage(10))));
    expect(error.message).toContain('did not say where to upload');
  });

  test('ask for a token that may pull and push, and may pull what is mounted', async () => {
    const scopes: string[][] = [];
    const server: Scripted = await uploadServer((request, response, seen) => {
      if (seen.url.startsWith('/token')) {
        scopes.push(new URL(seen.url, 'http://x').searchParams.getAll('scope'));
        response.writeHead(200).end('{"token":"t"}');
      } else if (request.headers.authorization === undefined) {
        response
          .writeHead(401, {
            'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"`,
          })
          .end();
      }
    });
    const push = await pushOf(server.host, randomImage(10));
    await client(server.host).pushImage({
      ...push,
      layers: push.layers.map((layer) => ({ ...layer, mountFrom: 'library/base' })),
    });
    expect(scopes).toEqual([
      ['repository:apps/hello:pull,push'],
      ['repository:apps/hello:pull,push', 'repository:library/base:pull'],
    ]);
  });
});

describe('what is pushed', () => {
  test('must fit together: names are valid, and the manifest names the blobs that come with it', async () => {
    const image = randomImage(10, 20);
    const push = await pushOf(registry.host, image);
    const to = client(registry.host);
    for (const bad of [
      { repository: '../x' },
      { repository: 'Apps/x' },
      { tags: ['a/b'] },
      { tags: ['-x'] },
      { registry: 'a b' },
      { layers: push.layers.map((layer) => ({ ...layer, mountFrom: '../y' })) },
    ]) {
      expect((await failure(to.pushImage({ ...push, ...bad }))).code).toBe('invalid_name');
    }
    for (const bad of [
      { layers: push.layers.slice(1) },
      { layers: [...push.layers].reverse() },
      { config: Buffer.from('{}') },
      { manifest: Buffer.from('{}') },
      { manifest: Buffer.from('nothing') },
    ]) {
      expect((await failure(to.pushImage({ ...push, ...bad }))).code).toBe('image_invalid');
    }
  });
});

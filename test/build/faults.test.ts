/** Builds whose base image, disk or company is hostile. After each, nothing may be left and the next build must work. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LayerEntry, openLayerWriter } from '../../native/index.js';
import { type BuilderStore, openBuilderStore } from '../../src/build/builder-store.js';
import { assembleImage } from '../../src/build/image.js';
import { DEFAULT_LIMITS } from '../../src/config.js';
import type { ContainerConfig } from '../../src/dockerfile/image-document.js';
import type { SlipwayError } from '../../src/errors.js';
import { asDigest } from '../../src/registry/image.js';
import { hostPlatform } from '../../src/registry/pull.js';
import { TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { filesOf } from '../support/image-files.js';

let builder: TestBuilder;
beforeAll(async () => {
  builder = await TestBuilder.start();
});
afterAll(async () => {
  await builder?.stop();
});

const text = (...lines: string[]): string => `${lines.join('\n')}\n`;
const commit = (...lines: string[]): Promise<string> => builder.commit({ Dockerfile: text(...lines) });

function failure(build: Promise<unknown>): Promise<SlipwayError & { log: string }> {
  return build.then(
    () => expect.unreachable('the build should have failed'),
    (error) => error,
  );
}

async function nothingIsLeft(store: BuilderStore): Promise<void> {
  for (const part of ['layers', 'blobs'])
    expect(await readdir(join(store.directory, part, 'tmp'))).toEqual([]);
  expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(`${store.directory}/layers`);
  for (const name of await readdir(join(store.directory, 'cache', 'steps'))) expect(name).toMatch(/\.json$/);
}

/** Pushes an image of one layer; `blob` instead of entries for what no writer would write. */
async function pushImage(
  name: string,
  options: { entries?: readonly LayerEntry[]; blob?: Buffer; diffId?: string; config?: ContainerConfig },
): Promise<void> {
  const path = join(builder.directory, `${name}.layer`);
  const writer = openLayerWriter({ path, compression: 'none' });
  await writer.write(options.entries ?? []);
  let { diffId, digest, sizeBytes } = await writer.finish();
  if (options.blob !== undefined) {
    await writeFile(path, options.blob);
    digest = `sha256:${createHash('sha256').update(options.blob).digest('hex')}`;
    diffId = options.diffId ?? digest;
    sizeBytes = options.blob.length;
  }
  const mediaType = 'application/vnd.oci.image.layer.v1.tar';
  const layer = { diffId, digest, sizeBytes, mediaType };
  const document = { ...hostPlatform(), config: options.config ?? {}, history: [{ created_by: name }] };
  const image = assembleImage(document, [layer], 0, 1);
  await builder.client.pushImage({
    registry: builder.registry.host,
    repository: `library/${name}`,
    layers: [{ descriptor: { mediaType, digest: asDigest(digest), size: sizeBytes }, file: path }],
    config: image.config,
    manifest: image.manifest,
    tags: ['latest'],
  });
}

/** One tar entry with a name that the layer writer refuses. */
function tarOf(name: string, type: string, link = ''): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write('00000000000\0', 124);
  header.write('00000000000\0', 136);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.alloc(1024)]);
}

describe('a base image that is hostile', () => {
  it.each<[string, Buffer]>([
    ['a path that leaves the root', tarOf('../../escaped', '0')],
    ['an overlay whiteout', tarOf('etc', '3')],
    ['no tar at all', Buffer.from('hello, this is not a tar'.repeat(100))],
  ])('is refused when a step needs its layer with %s', async (what, blob) => {
    const name = `hostile-${what.replace(/\W/g, '')}`;
    await pushImage(name, { blob });
    const error = await failure(builder.build(await commit(`FROM ${name}`, 'RUN true')));
    expect(error).toMatchObject({ code: 'layer_invalid', where: 'Dockerfile:2' });
    await nothingIsLeft(builder.store);
  });

  it('is refused when its layer is not what its config says', async () => {
    await pushImage('lying', { blob: tarOf('a', '0'), diffId: `sha256:${'0'.repeat(64)}` });
    const error = await failure(builder.build(await commit('FROM lying', 'COPY Dockerfile /')));
    expect(error).toMatchObject({ code: 'layer_invalid', where: 'Dockerfile:2' });
    await nothingIsLeft(builder.store);
  });

  const entries: LayerEntry[] = [
    { path: 'bin', type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: 0 },
    { path: 'bin/sh', type: 'file', mode: 0o755, uid: 0, gid: 0, mtime: 0, file: '/bin/busybox' },
  ];

  it.each<[string, unknown]>([
    ['a user that is not there', { User: 'nobody-at-all' }],
    ['a user of many colons', { User: ':::' }],
    ['a working directory that leaves the root', { WorkingDir: '../../../../tmp/x' }],
    ['a variable with a NUL', { Env: ['A=\0', 'PATH=/bin'] }],
    ['variables without names', { Env: ['=x', 'noequals', 'PATH=/bin'] }],
    ['a list where a string should be', { User: ['root'], WorkingDir: 7, Env: 'PATH=/bin' }],
    ['fields that objects inherit', { Env: ['__proto__=1', 'PATH=/bin'], Labels: { constructor: 'x' } }],
  ])('never stops the builder with %s', async (what, config) => {
    const name = `odd-${what.replace(/\W/g, '').toLowerCase()}`;
    await pushImage(name, { entries, config: config as ContainerConfig });
    const built = await builder
      .build(await commit(`FROM ${name}`, 'WORKDIR sub', 'RUN echo ran > /ran', 'COPY Dockerfile .'))
      .catch((error: SlipwayError) => error);
    if ('code' in built) {
      expect(built.code).not.toBe('internal');
      expect(built.name).toBe('SlipwayError');
    } else expect((await filesOf(built.image, builder.store)).get('ran')?.text).toBe('ran\n');
    await nothingIsLeft(builder.store);
  });
});

describe('a Dockerfile that is no plain file', () => {
  it('is followed when it is a symlink inside the repository', async () => {
    const id = await builder.commit({
      Dockerfile: { link: 'docker/file' },
      'docker/file': 'FROM scratch\nCOPY x /\n',
      x: 'x',
    });
    expect((await builder.build(id)).steps.total).toBe(1);
  });

  it('is missing when it is a directory, or a symlink out of the repository', async () => {
    for (const files of [
      { Dockerfile: null, 'Dockerfile/x': 'FROM scratch\n' },
      { Dockerfile: { link: '/etc/passwd' } },
    ])
      expect(await failure(builder.build(await builder.commit(files)))).toMatchObject({
        code: 'dockerfile_missing',
      });
  });

  it('is refused when it has 2 MiB', async () => {
    const id = await builder.commit({ Dockerfile: `FROM scratch\n${'# comment\n'.repeat(210_000)}` });
    expect(await failure(builder.build(id))).toMatchObject({
      code: expect.stringMatching(/^dockerfile_invalid|too_large$/),
      message: expect.stringMatching(/bytes/),
    });
  });

  it('is refused when the ignore file is malformed or out of proportion, by its name', async () => {
    for (const [ignore, where] of [
      ['ok\n[\n', '.dockerignore:2'],
      ['!\n', '.dockerignore:1'],
      ['*a*b*c\n'.repeat(200_000), '.dockerignore'],
    ] as const) {
      const id = await builder.commit({ Dockerfile: 'FROM scratch\nCOPY . /\n', '.dockerignore': ignore });
      expect(await failure(builder.build(id))).toMatchObject({ code: 'dockerfile_invalid', where });
    }
    await builder.commit({ '.dockerignore': null });
  });
});

describe('a disk that is full', () => {
  /** A store on a file system of its own. */
  async function smallStore<T>(megabytes: number, use: (store: BuilderStore) => Promise<T>): Promise<T> {
    const directory = join(await temporaryDirectory(), 'disk');
    await mkdir(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'slipway-test', directory]);
    try {
      return await use(await openBuilderStore(directory, DEFAULT_LIMITS));
    } finally {
      execFileSync('umount', [directory]);
    }
  }
  const noise = (megabytes: number): string => {
    // Does not compress: the layer must not fit either.
    const bytes = Buffer.alloc(megabytes * 1024 * 1024);
    for (let at = 0, x = 1; at < bytes.length; at += 4) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      bytes.writeUInt32LE(x, at);
    }
    return bytes.toString('base64');
  };

  it.each<[string, number, string[]]>([
    ['when the base image is fetched', 1, ['FROM busybox', 'RUN true']],
    ['when the base image is laid out', 2, ['FROM busybox', 'RUN true']],
    ['when a COPY is written', 6, ['FROM busybox', 'COPY big /']],
    ['when a COPY is laid out', 18, ['FROM busybox', 'COPY big /', 'RUN true']],
    ['when a RUN writes', 8, ['FROM busybox', 'RUN cat /dev/urandom | head -c 20000000 > /big']],
    ["when a RUN's layer is written", 11, ['FROM busybox', 'RUN cat /dev/urandom | head -c 5000000 > /big']],
  ])('is told as what it is %s, and the next build works', async (what, megabytes, lines) => {
    await smallStore(megabytes, async (store) => {
      const id = await builder.commit({ Dockerfile: text(...lines), big: noise(8) });
      const error = await failure(builder.build(id, { store, limits: { stepDiskBytes: 1e9 } }));
      expect(error).toMatchObject({
        code: 'disk_full',
        where: /laid out|fetched/.test(what) ? `Dockerfile:${lines.length}` : 'Dockerfile:2',
      });
      expect(`${error.message} ${error.hint}`).toMatch(/disk .*(full|free)/);
      await nothingIsLeft(store);
      execFileSync('mount', ['-o', 'remount,size=100m', store.directory]);
      expect((await builder.build(id, { store })).image.digest).toMatch(/^sha256:/);
      await builder.commit({ big: null });
    });
  });
});

describe('builds that get in the way of each other', () => {
  const lines = [
    'FROM busybox',
    'COPY Dockerfile /w/',
    'RUN sleep 0.2; echo same > /same',
    'COPY Dockerfile /x/',
  ];

  it('of the same commit at once give the same files, also from two views of one store', async () => {
    const id = await commit(...lines, '# at once');
    const other = await openBuilderStore(builder.store.directory, DEFAULT_LIMITS);
    const built = await Promise.all([
      builder.build(id, { noCache: true }),
      builder.build(id, { noCache: true }),
      builder.build(id, { noCache: true, store: other }),
    ]);
    for (const { image } of built)
      expect((await filesOf(image, builder.store)).get('same')?.text).toBe('same\n');
    expect((await builder.build(id)).steps).toEqual({ cached: 3, total: 3 });
    await nothingIsLeft(builder.store);
  });

  it('find their way when lay-outs and blobs are gone between two builds', async () => {
    const first = await builder.build(await commit(...lines, '# gone'));
    const { layers, blobs } = builder.store;
    for (const { chainId } of await layers.list()) await layers.remove(chainId);
    const again = await builder.build(await commit(...lines, 'RUN test -e /same'));
    expect(again.steps.cached).toBeGreaterThanOrEqual(0);
    for (const { digest } of await blobs.list()) await blobs.remove(digest);
    for (const { chainId } of await layers.list()) await layers.remove(chainId);
    const last = await builder.build(await commit(...lines, '# gone'));
    expect(last.steps.cached).toBe(0);
    const [was, is] = [await builder.build(await commit(...lines, '# gone')), first];
    expect(was.image.layers.length).toBe(is.image.layers.length);
  });

  it.each([0, 1])('work again after the one that finds the blob of layer %i damaged', async (damaged) => {
    const id = await commit('FROM busybox', `COPY Dockerfile /damaged${damaged}`, 'RUN true');
    const { layers, blobs } = builder.store;
    const { image } = await builder.build(id);
    for (const { chainId } of await layers.list()) await layers.remove(chainId);
    await writeFile(blobs.path(image.layers[damaged]?.digest ?? ''), 'damaged');
    await blobs.remove(image.layers[2]?.digest ?? '');
    expect(await failure(builder.build(id))).toMatchObject({
      code: 'layer_invalid',
      hint: expect.stringContaining('push again'),
    });
    expect((await builder.build(id)).steps).toEqual({ cached: damaged === 0 ? 1 : 0, total: 2 });
    await nothingIsLeft(builder.store);
  });

  it('leave nothing when they are cancelled at any moment', async () => {
    const id = await commit(
      'FROM busybox AS a',
      'RUN echo a > /a',
      'COPY Dockerfile /b',
      'RUN cat /a /b > /c',
      'FROM busybox',
      'COPY --from=a /c /bin/busybox /',
      'RUN cat /c',
    );
    const { ms } = await (async () => {
      const begin = performance.now();
      await builder.build(id, { noCache: true });
      return { ms: performance.now() - begin };
    })();
    for (let part = 0; part < 8; part++) {
      const stop = new AbortController();
      const reason = new Error('cancelled here');
      const timer = setTimeout(() => stop.abort(reason), (ms * part) / 8);
      await builder
        .build(id, { noCache: true, signal: stop.signal })
        .catch((error) => expect(error).toBe(reason));
      clearTimeout(timer);
      await nothingIsLeft(builder.store);
    }
    expect((await builder.build(id)).steps.total).toBe(5);
  });
});

/** Everything that a file system can hold, through layers, squashing, repacking and the flattened outputs. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scanTree } from '../../native/index.js';
import type { BuiltImage } from '../../src/images/built-image.js';
import { squash } from '../../src/images/squash.js';
import type { Layer } from '../../src/layers/layer.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { filesOf } from '../support/image-files.js';
import { exportable, write } from './support.js';

const signal = new AbortController().signal;
let builder: TestBuilder;
let built: Built;
let directory: string;

beforeAll(async () => {
  builder = await TestBuilder.start();
  directory = await temporaryDirectory();
  const base = await builder.commit({
    Dockerfile:
      'FROM busybox\nRUN mkdir -p /gone/deep /opaque && echo a > /gone/deep/a && echo b > /opaque/below && echo c > /one && ln /one /two && echo k > /kept\n',
  });
  const below = await builder.build(base);
  await write(builder, exportable(below), 'type=registry', {
    names: [`${builder.registry.host}/base/all:v1`],
  });
  const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
  const commit = await builder.commit({
    Dockerfile: [
      `FROM ${builder.registry.host}/base/all:v1`,
      'RUN rm -r /gone && rm /two',
      'RUN rm -r /opaque && mkdir /opaque && echo new > /opaque/above',
      'RUN echo h > /h1 && ln /h1 /h2 && ln -s h1 /soft && mkfifo /fifo',
      `RUN mkdir /${'d'.repeat(120)} && echo long > /${long}`,
      'RUN echo id > /ids && chown 3000000:2999999 /ids && chmod 4750 /ids',
      'RUN echo again > /kept && echo gone > /temporary',
      'RUN rm /temporary',
      'CMD ["true"]',
      '',
    ].join('\n'),
  });
  built = await builder.build(commit);
}, 60_000);
afterAll(() => builder.stop());

/** Without times of directories, which squashing does not keep where nothing else changed. */
async function listed(image: BuiltImage): Promise<Map<string, unknown>> {
  const files = await filesOf(image, builder.store);
  return new Map(
    [...files].map(([path, { inode, mtime, ...entry }]) => [
      path,
      { ...entry, ...(entry.type === 'directory' ? {} : { mtime }), linked: inode !== undefined },
    ]),
  );
}

test('a squashed image shows the same files, with one layer above the base', async () => {
  const { image } = await squash(exportable(built), { ...builder.store, signal });
  expect(image.layers).toHaveLength(3);
  expect(image.layers.slice(0, 2)).toEqual(built.image.layers.slice(0, 2));
  const [before, after] = [await listed(built.image), await listed(image)];
  expect(after).toEqual(before);
  expect([...after.keys()].filter((path) => /^(gone|two|opaque\/below|temporary)/.test(path))).toEqual([]);
  expect(after.get('opaque/above')).toMatchObject({ text: 'new\n' });
  expect(after.get('ids')).toMatchObject({ uid: 3_000_000, gid: 2_999_999, mode: 0o4750 });
  const history = image.document.history ?? [];
  expect(history.filter((entry) => entry.empty_layer !== true)).toHaveLength(image.layers.length);
  expect(history.slice(0, 2)).toEqual(built.image.document.history?.slice(0, 2));
});

test('the squashed layer deletes what the build deleted, and holds nothing that is as below', async () => {
  const { image } = await squash(exportable(built), { ...builder.store, signal });
  const path = builder.store.blobs.path(image.layers.at(-1)?.digest ?? '');
  const names = execFileSync('tar', ['-tzf', path], { encoding: 'latin1' }).trim().split('\n');
  expect(names).toEqual(
    expect.arrayContaining(['.wh.gone', '.wh.two', 'opaque/.wh.below', 'opaque/above', 'kept']),
  );
  expect(names.some((name) => name.startsWith('bin/') || name === 'one' || name === '.wh.temporary')).toBe(
    false,
  );
});

test('a name that is not UTF-8 keeps its bytes', async () => {
  const tar = join(directory, 'names.tar');
  const commit = await builder.commit({
    Dockerfile: 'FROM busybox\nRUN touch "/$(printf \'caf\\351\')"\nRUN touch /other\n',
  });
  const { image } = await squash(exportable(await builder.build(commit)), { ...builder.store, signal });
  const { blobs } = builder.store;
  const squashed = { ...exportable(built), image, blob: async ({ digest }: Layer) => blobs.path(digest) };
  await write(builder, squashed, `type=tar,dest=${tar}`);
  const names = execFileSync('tar', ['-tf', tar, '--quoting-style=literal'], { encoding: 'latin1' }).split(
    '\n',
  );
  expect(names).toContain('caf\xe9');
});

test('an image in zstd, plain and gzip again is the same image', async () => {
  const layouts = ['zstd', 'uncompressed', 'gzip'].map((name) => join(directory, `layout-${name}`));
  for (const [index, name] of ['zstd', 'uncompressed', 'gzip'].entries()) {
    const { root, configDigest } = await write(
      builder,
      exportable(built),
      `type=oci,dest=${layouts[index]},tar=false,compression=${name},force-compression=true`,
    );
    const manifest = JSON.parse(
      await readFile(join(layouts[index] as string, 'blobs', (root?.digest ?? '').replace(':', '/')), 'utf8'),
    ) as { layers: { mediaType: string; digest: string; size: number }[]; config: { digest: string } };
    expect(manifest.config.digest).toBe(configDigest);
    const type = `application/vnd.oci.image.layer.v1.tar${name === 'uncompressed' ? '' : `+${name}`}`;
    expect(new Set(manifest.layers.map(({ mediaType }) => mediaType))).toEqual(new Set([type]));
    const layers = manifest.layers.map(({ mediaType, digest, size }, at) => ({
      mediaType,
      digest,
      sizeBytes: size,
      diffId: built.image.layers[at]?.diffId ?? '',
    }));
    expect(await listed({ ...built.image, layers })).toEqual(await listed(built.image));
  }
});

test('without force only what the build added is compressed anew', async () => {
  const layout = join(directory, 'new-only');
  const { root } = await write(
    builder,
    exportable(built),
    `type=oci,dest=${layout},tar=false,compression=zstd`,
  );
  const manifest = JSON.parse(
    await readFile(join(layout, 'blobs', (root?.digest ?? '').replace(':', '/')), 'utf8'),
  ) as { layers: { mediaType: string }[] };
  expect(manifest.layers.map(({ mediaType }) => mediaType.split('+')[1])).toEqual([
    'gzip',
    'gzip',
    ...built.image.layers.slice(2).map(() => 'zstd'),
  ]);
});

test('rewrite-timestamp makes no file of the build younger than the epoch, and leaves the base', async () => {
  const layout = join(directory, 'clamped');
  const epoch = 1_000_000_000;
  const { root } = await write(
    builder,
    exportable(built),
    `type=oci,dest=${layout},tar=false,rewrite-timestamp=true`,
    { epoch },
  );
  const read = async (digest: string): Promise<Buffer> =>
    readFile(join(layout, 'blobs', digest.replace(':', '/')));
  const manifest = JSON.parse((await read(root?.digest ?? '')).toString()) as {
    config: { digest: string };
    layers: { digest: string; size: number; mediaType: string }[];
  };
  const config = JSON.parse((await read(manifest.config.digest)).toString()) as {
    rootfs: { diff_ids: string[] };
  };
  expect(manifest.layers.slice(0, 2).map(({ digest }) => digest)).toEqual(
    built.image.layers.slice(0, 2).map(({ digest }) => digest),
  );
  const layers = manifest.layers.map(({ digest, size, mediaType }, at) => ({
    digest,
    mediaType,
    sizeBytes: size,
    diffId: config.rootfs.diff_ids[at] ?? '',
  }));
  const files = await filesOf({ ...built.image, layers }, builder.store);
  expect(files.get('ids')?.mtime).toBe(epoch);
  expect(files.get('h1')?.mtime).toBe(epoch);
  expect(files.get('one')?.mtime).toBeGreaterThan(epoch);
  await expect(
    write(builder, exportable(built), `type=oci,dest=${layout},tar=false,rewrite-timestamp=true`),
  ).rejects.toMatchObject({ code: 'bad_request', hint: expect.stringContaining('SOURCE_DATE_EPOCH') });
});

test('type=local and type=tar hold what a container would see', async () => {
  const dest = join(directory, 'root');
  await write(builder, exportable(built), dest);
  const expected = await filesOf(built.image, builder.store);
  const found = await scanTree({ root: dest, path: '', hash: false });
  // A file whose other name is deleted is linked in its lay-out, and alone in a copy.
  const plain = ({ inode: _inode, text: _text, ...rest }: { inode?: string; text?: string }): unknown => rest;
  const there = new Map(found.filter(({ path }) => path !== '').map((entry) => [entry.path, plain(entry)]));
  expect(there).toEqual(new Map([...expected].map(([path, entry]) => [path, plain(entry)])));
  const inodes = found.filter(({ path }) => path === 'h1' || path === 'h2').map(({ inode }) => inode);
  expect(new Set(inodes).size).toBe(1);

  const stdout = new PassThrough();
  const bytes = buffer(stdout);
  await write(builder, exportable(built), '-', { stdout });
  stdout.end();
  const unpacked = join(directory, 'from-tar');
  await mkdir(unpacked);
  execFileSync('tar', ['-xp', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-C', unpacked], {
    input: await bytes,
  });
  const fromTar = await scanTree({ root: unpacked, path: '', hash: false });
  expect(
    new Map(fromTar.filter(({ path }) => path !== '').map((entry) => [entry.path, plain(entry)])),
  ).toEqual(there);
});

test('type=local never writes through a symlink that is there', async () => {
  const [dest, outside] = [join(directory, 'trap'), join(directory, 'outside')];
  await mkdir(dest);
  await mkdir(outside);
  await writeFile(join(outside, 'target'), 'mine');
  await symlink(join(outside, 'target'), join(dest, 'ids'));
  await write(builder, exportable(built), dest);
  expect(await readFile(join(outside, 'target'), 'utf8')).toBe('mine');
  expect(await readFile(join(dest, 'ids'), 'utf8')).toBe('id\n');
  const other = join(directory, 'trap-directory');
  await mkdir(other);
  await symlink(outside, join(other, 'opaque'));
  await expect(write(builder, exportable(built), other)).rejects.toMatchObject({ code: 'bad_request' });
  await expect(readFile(join(outside, 'above'))).rejects.toThrow();
});

test('type=local says what is in the way', async () => {
  const file = join(directory, 'a-file');
  await writeFile(file, '');
  for (const dest of [file, join(file, 'below')])
    await expect(write(builder, exportable(built), dest)).rejects.toMatchObject({
      code: 'bad_request',
      message: `the files cannot be written to ${dest}: there is a file in its place`,
      hint: 'name a directory, new or empty',
    });
});

test('a layer of zeros is repacked like any other', async () => {
  const commit = await builder.commit({
    Dockerfile: 'FROM busybox\nRUN dd if=/dev/zero of=/zeros bs=1M count=100 2>/dev/null\n',
  });
  const zeros = await builder.build(commit);
  const layout = join(directory, 'zeros');
  const { root } = await write(
    builder,
    exportable(zeros),
    `type=oci,dest=${layout},tar=false,compression=zstd`,
  );
  expect(root?.digest).not.toBe(zeros.image.digest);
});

/** Images in files: saved, loaded, told of, and refused when they are not what they say. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { main } from '../../src/cli/main.js';
import { withStored } from '../../src/images/open-image.js';
import { parseReference } from '../../src/registry/reference.js';
import { tar } from '../native/tar.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { exportable, write } from './support.js';

let builder: TestBuilder;
let built: Built;
let directory: string;

beforeAll(async () => {
  builder = await TestBuilder.start();
  directory = await temporaryDirectory();
  built = await builder.build(
    await builder.commit({ Dockerfile: 'FROM busybox\nENV A=b\nRUN echo made > /made\nCMD ["true"]\n' }),
  );
  await write(builder, exportable(built), 'type=registry', { names: [named('shop:v1')] });
});
afterAll(() => builder.stop());

function named(repository: string): string {
  return `${builder.registry.host}/${repository}`;
}

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const [outText, errText] = [text(out), text(err)];
  const code = await main(argv, {
    env: { HOME: directory, SLIPWAY_HOME: directory },
    directory,
    stdin: Readable.from([]),
    streams: { out, err },
    signal: new AbortController().signal,
  });
  out.end();
  err.end();
  return { code, out: await outText, err: await errText };
}

async function digestAt(name: string): Promise<string> {
  return (await builder.client.resolve(parseReference(named(name)))).digest;
}

test('an image saved and loaded elsewhere is the same image', async () => {
  expect(await cli('image:save', named('shop:v1'), 'shop.tar')).toMatchObject({ code: 0 });
  expect(await cli('image:load', 'shop.tar', named('copy/shop:v2'))).toMatchObject({ code: 0 });
  expect(await digestAt('copy/shop:v2')).toBe(built.image.digest);
  await writeFile(join(directory, 'shop.tar.gz'), gzipSync(await readFile(join(directory, 'shop.tar'))));
  expect(await cli('image:load', 'shop.tar.gz', named('copy/gz:v1'))).toMatchObject({ code: 0 });
  expect(await digestAt('copy/gz:v1')).toBe(built.image.digest);
  const layout = join(directory, 'layout');
  await write(builder, exportable(built), `type=oci,dest=${layout},tar=false`);
  expect(await cli('image:load', layout, named('copy/layout:v1'))).toMatchObject({ code: 0 });
  expect(await digestAt('copy/layout:v1')).toBe(built.image.digest);
});

test("docker's old archives are read, with a layer that is a link to another", async () => {
  const layers = await Promise.all(
    built.image.layers.map(async ({ digest }) =>
      execFileSync('gzip', ['-dc', builder.store.blobs.path(digest)], { maxBuffer: 1 << 28 }),
    ),
  );
  const manifest = [
    { Config: 'config.json', RepoTags: ['shop:v1'], Layers: layers.map((_, index) => `${index}/layer.tar`) },
  ];
  const archive = tar([
    { path: 'config.json', data: built.image.config },
    { path: 'real/layer.tar', data: layers[0] as Buffer },
    { path: '0/layer.tar', type: '2', link: '../real/layer.tar' },
    ...layers.slice(1).map((data, index) => ({ path: `${index + 1}/layer.tar`, data })),
    { path: 'manifest.json', data: JSON.stringify(manifest) },
  ]);
  await writeFile(join(directory, 'old.tar'), archive);
  expect(await cli('image:load', 'old.tar', named('old:v1'))).toMatchObject({ code: 0 });
  const found = await builder.client.resolve(parseReference(named('old:v1')));
  expect(found.config.raw.equals(built.image.config)).toBe(true);
  expect(found.diffIds).toEqual(built.image.layers.map(({ diffId }) => diffId));
});

test('the history tells the instructions, newest first, of a registry and of a file alike', async () => {
  const remote = await cli('image:history', named('shop:v1'), '--json');
  const rows = JSON.parse(remote.out) as { instruction: string; sizeBytes: number; digest?: string }[];
  expect(rows.map(({ instruction }) => instruction)).toEqual([
    expect.stringContaining('CMD ["true"]'),
    expect.stringContaining('RUN'),
    expect.stringContaining('ENV A=b'),
    'busybox',
  ]);
  expect(rows.map(({ digest }) => digest)).toEqual([
    undefined,
    built.image.layers[1]?.digest,
    undefined,
    built.image.layers[0]?.digest,
  ]);
  await write(builder, exportable(built), `type=docker,dest=${directory}/told.tar`);
  const local = await cli('image:history', './told.tar', '--json');
  expect(local.out).toBe(remote.out);
  const shown = await cli('image:history', './told.tar');
  expect(shown.out).toMatch(/^LAYER +CREATED +CREATED BY +SIZE/);
  expect(shown.out).toMatch(/\d+ years ago +RUN /);
  const other = await cli('image:history', './told.tar', '--platform', 'linux/s390x');
  expect(other).toMatchObject({ code: 2, out: '' });
  const missing = await cli('image:history', 'missing.tar.gz');
  expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('there is no file') });
  expect(other.err).toMatch(/no image for linux\/s390x\n.*--platform one of: linux\//);
});

function hostile(entries: Parameters<typeof tar>[0]): Promise<unknown> {
  return withStored(
    '-',
    { stdin: Readable.from([tar(entries)]), signal: new AbortController().signal },
    async ({ images }) => {
      for (const { image, blob } of images) for (const layer of image.layers) await blob(layer);
    },
  );
}

test('an archive that lies is refused', async () => {
  const { image } = built;
  const hex = image.digest.slice('sha256:'.length);
  const index = (size: number): string =>
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: image.digest, size }],
    });
  const refused = (entries: Parameters<typeof tar>[0]): Promise<void> =>
    expect(hostile(entries)).rejects.toMatchObject({ code: 'image_invalid' });
  await refused([]);
  await refused([{ path: 'index.json', data: '{' }]);
  await refused([{ path: 'index.json', data: index(image.manifest.length) }]);
  await refused([
    { path: 'index.json', data: index(image.manifest.length) },
    { path: `blobs/sha256/${hex}`, data: Buffer.alloc(image.manifest.length, 0x20) },
  ]);
  await refused([
    { path: 'index.json', data: index(image.manifest.length + 1) },
    { path: `blobs/sha256/${hex}`, data: image.manifest },
  ]);
  await refused([
    { path: 'index.json', data: index(image.manifest.length) },
    { path: `blobs/sha256/${hex}`, type: '2', link: '/etc/passwd' },
  ]);
  await refused([{ path: 'manifest.json', data: '[{"Config":"../../etc/passwd","Layers":[]}]' }]);
  await refused([
    { path: 'a', type: '2', link: 'b' },
    { path: 'b', type: '2', link: 'a' },
    { path: 'manifest.json', data: '[{"Config":"a","Layers":[]}]' },
  ]);
  await expect(cli('image:load', 'none.tar', named('x'))).resolves.toMatchObject({
    code: 1,
    err: expect.stringContaining('there is no file'),
  });
});

test('a name in an archive never becomes a name on this machine', async () => {
  await mkdir(join(directory, 'inner'));
  await expect(
    hostile([{ path: '../../../../../../../../tmp/slipway-escape', data: 'x' }]),
  ).rejects.toThrow();
  await expect(readFile('/tmp/slipway-escape')).rejects.toThrow();
});

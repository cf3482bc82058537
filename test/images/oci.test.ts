/** OCI layouts and archives as other tools read them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Exported } from '../../src/images/export.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { exportable, write as writeImage } from './support.js';

let builder: TestBuilder;
let built: Built;
let directory: string;

beforeAll(async () => {
  builder = await TestBuilder.start();
  directory = await temporaryDirectory();
  const commit = await builder.commit({
    Dockerfile:
      'FROM busybox\nRUN echo content > /file\nRUN echo made > /made && rm /etc/group\nCMD ["cat", "/file"]\n',
  });
  built = await builder.build(commit);
});
afterAll(() => builder.stop());

function write(output: string, names: readonly string[] = []): Promise<Exported> {
  return writeImage(builder, exportable(built), output, { names });
}

async function json(path: string): Promise<Record<string, never>> {
  return JSON.parse(await readFile(path, 'utf8')) as Record<string, never>;
}

test('the archive holds what its index names, every blob by its digest', async () => {
  const archive = join(directory, 'image.tar');
  const { root } = await write(`type=oci,dest=${archive}`, ['shop:v1']);
  const unpacked = join(directory, 'unpacked');
  await mkdir(unpacked);
  execFileSync('tar', ['-xf', archive, '-C', unpacked]);
  expect(await json(join(unpacked, 'oci-layout'))).toEqual({ imageLayoutVersion: '1.0.0' });
  expect(await json(join(unpacked, 'index.json'))).toMatchObject({
    schemaVersion: 2,
    manifests: [
      {
        digest: built.image.digest,
        size: built.image.manifest.length,
        annotations: {
          'io.containerd.image.name': 'docker.io/library/shop:v1',
          'org.opencontainers.image.ref.name': 'v1',
        },
        platform: { os: 'linux' },
      },
    ],
  });
  expect(root?.digest).toBe(built.image.digest);
  const blobs = await readdir(join(unpacked, 'blobs/sha256'));
  expect(blobs).toHaveLength(2 + built.image.layers.length);
  for (const name of blobs) {
    const bytes = await readFile(join(unpacked, 'blobs/sha256', name));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(name);
  }
});

test('the same image gives the same archive, and leaves no half-written one', async () => {
  await write(`type=oci,dest=${join(directory, 'a.tar')}`);
  await write(`type=oci,dest=${join(directory, 'b.tar')}`);
  const [a, b] = [await readFile(join(directory, 'a.tar')), await readFile(join(directory, 'b.tar'))];
  expect(a.equals(b)).toBe(true);
  expect((await readdir(directory)).filter((name) => name.includes('partial'))).toEqual([]);
});

test('whoever writes into a layout directory does not write into the store', async () => {
  const layout = join(directory, 'written');
  await write(`type=oci,dest=${layout},tar=false`);
  const digest = built.image.layers.at(-1)?.digest ?? '';
  await writeFile(join(layout, 'blobs', digest.replace(':', '/')), 'damaged');
  expect(await readFile(builder.store.blobs.path(digest), 'latin1')).not.toBe('damaged');
});

test('a layout directory takes one image more, and replaces the one of the same name', async () => {
  const layout = join(directory, 'layout');
  await write(`type=oci,dest=${layout},tar=false`, ['one']);
  await write(`type=oci,dest=${layout},tar=false`, ['two']);
  await write(`type=oci,dest=${layout},tar=false`, ['one']);
  const index = (await json(join(layout, 'index.json'))) as unknown as {
    manifests: { annotations: Record<string, string> }[];
  };
  expect(index.manifests.map(({ annotations }) => annotations['io.containerd.image.name']).sort()).toEqual([
    'docker.io/library/one:latest',
    'docker.io/library/two:latest',
  ]);
});

test('what cannot be written says why', async () => {
  await expect(write(`type=oci,dest=${directory}`)).rejects.toMatchObject({
    code: 'bad_request',
    hint: expect.stringContaining('tar=false'),
  });
  await expect(write(`type=oci,dest=${directory}/none/x.tar`)).rejects.toMatchObject({ code: 'bad_request' });
  await writeFile(join(directory, 'plain'), '');
  await expect(write(`type=oci,dest=${directory}/plain,tar=false`)).rejects.toMatchObject({
    code: 'bad_request',
  });
});

const hasBuildah = spawnSync('buildah', ['--version']).status === 0;

test.skipIf(!hasBuildah)('buildah reads the archive', async () => {
  const archive = join(directory, 'peer.tar');
  await write(`type=oci,dest=${archive}`, ['peer:v1']);
  const storage = [
    '--root',
    join(directory, 'storage'),
    '--runroot',
    join(directory, 'run'),
    '--storage-driver',
    'vfs',
  ];
  const id = execFileSync('buildah', [...storage, 'pull', '-q', `oci-archive:${archive}`], {
    encoding: 'utf8',
  }).trim();
  const seen = JSON.parse(
    execFileSync('buildah', [...storage, 'inspect', '--type', 'image', id], { encoding: 'utf8' }),
  ) as {
    OCIv1: { rootfs: { diff_ids: string[] }; config: { Cmd: string[] } };
  };
  expect(seen.OCIv1.rootfs.diff_ids).toEqual(built.image.layers.map((layer) => layer.diffId));
  expect(seen.OCIv1.config.Cmd).toEqual(['cat', '/file']);
});

test('SOURCE_DATE_EPOCH is when the image was made', async () => {
  const { image } = await builder.build(
    await builder.commit({ Dockerfile: 'FROM busybox\nRUN echo dated > /dated\n' }),
    { buildArgs: { SOURCE_DATE_EPOCH: '1700000000' } },
  );
  expect(image.document.created).toBe('2023-11-14T22:13:20Z');
  expect(image.document.history?.at(-1)?.created).toBe('2023-11-14T22:13:20Z');
  expect(image.document.history?.[0]?.created).toBe('1980-01-01T00:00:00Z');
});

/** Images into a registry: under several names, several platforms as one index, from and into Docker's media types. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withManifest } from '../../src/images/built-image.js';
import { bundleOf } from '../../src/images/bundle.js';
import type { ExportableImage } from '../../src/images/exportable.js';
import { buildMetadata } from '../../src/images/metadata.js';
import { pushBuilt } from '../../src/images/push-built.js';
import { MEDIA_TYPES } from '../../src/registry/image.js';
import { parseReference } from '../../src/registry/reference.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { exportable, write } from './support.js';

let builder: TestBuilder;
let built: Built;

beforeAll(async () => {
  builder = await TestBuilder.start();
  built = await builder.build(await builder.commit({ Dockerfile: 'FROM busybox\nRUN echo made > /made\n' }));
});
afterAll(() => builder.stop());

function named(repository: string): string {
  return `${builder.registry.host}/${repository}`;
}

/** The same files as if for another machine. */
function arm(image: ExportableImage): ExportableImage {
  const document = { ...image.image.document, architecture: 'arm64' };
  const config = Buffer.from(JSON.stringify(document));
  const { layers, baseLayers } = image.image;
  return {
    ...image,
    platform: { os: 'linux', architecture: 'arm64' },
    image: withManifest({ config, document, layers, baseLayers }, 'oci'),
  };
}

test('one image under several names, with annotations on its manifest', async () => {
  const exported = await write(
    builder,
    exportable(built),
    `type=registry,"name=${named('one:a')},${named('one:b')}",annotation.team=shop`,
    { names: [named('two')] },
  );
  for (const name of ['one:a', 'one:b', 'two:latest']) {
    const found = await builder.client.resolve(parseReference(named(name)));
    expect(found.digest).toBe(exported.root?.digest);
    expect(found.document.annotations).toEqual({ team: 'shop' });
    expect(found.diffIds).toEqual(built.image.layers.map(({ diffId }) => diffId));
  }
  expect(buildMetadata(exported)).toMatchObject({
    'containerimage.digest': exported.root?.digest,
    'containerimage.config.digest': expect.stringMatching(/^sha256:/),
    'image.name': expect.stringContaining(named('one:a')),
  });
});

test('several platforms are one index, whose images are there before it', async () => {
  const both = [
    { ...exportable(built), platform: { os: 'linux', architecture: 'amd64' } },
    arm(exportable(built)),
  ];
  const { root, configDigest } = await write(builder, both, 'type=registry,annotation-index.kind=both', {
    names: [named('multi:v1')],
  });
  expect(root?.mediaType).toBe(MEDIA_TYPES.ociIndex);
  expect(configDigest).toBeUndefined();
  for (const [at, architecture] of ['amd64', 'arm64'].entries()) {
    const found = await builder.client.resolve(parseReference(named('multi:v1')), {
      platform: { os: 'linux', architecture },
    });
    expect(found.indexDigest).toBe(root?.digest);
    expect(found.digest).toBe(both[at]?.image.digest);
    expect(found.config.architecture).toBe(architecture);
  }
});

test('what holds one platform refuses two, and a platform twice is refused', async () => {
  const both = [exportable(built), arm(exportable(built))];
  for (const output of ['type=docker,dest=/nowhere', 'type=tar,dest=/nowhere'])
    await expect(write(builder, both, output)).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('linux/arm64'),
    });
  const twice = [exportable(built), exportable(built)];
  await expect(write(builder, twice, 'type=registry', { names: [named('twice')] })).rejects.toMatchObject({
    message: expect.stringContaining('twice'),
  });
  await expect(write(builder, exportable(built), 'type=registry')).rejects.toMatchObject({
    code: 'bad_request',
  });
});

test("a base with Docker's media types becomes an OCI image as a whole, its blobs as they are", async () => {
  const docker = withManifest(built.image, 'docker');
  const image = { ...exportable(built), image: docker };
  await pushBuilt(builder.client, bundleOf([image], 'docker'), 'docker', [named('schema2:v1')], {
    signal: new AbortController().signal,
  });
  const base = await builder.client.resolve(parseReference(named('schema2:v1')));
  expect(base.document.mediaType).toBe(MEDIA_TYPES.dockerManifest);
  expect(base.layers.every(({ mediaType }) => mediaType === MEDIA_TYPES.dockerLayerGzip)).toBe(true);

  const child = await builder.build(
    await builder.commit({ Dockerfile: `FROM ${named('schema2:v1')}\nRUN echo child > /child\n` }),
  );
  const manifest = JSON.parse(child.image.manifest.toString()) as {
    mediaType: string;
    config: { mediaType: string };
    layers: { mediaType: string; digest: string }[];
  };
  expect(manifest.mediaType).toBe(MEDIA_TYPES.ociManifest);
  expect(manifest.config.mediaType).toBe(MEDIA_TYPES.ociConfig);
  expect(new Set(manifest.layers.map(({ mediaType }) => mediaType))).toEqual(
    new Set([MEDIA_TYPES.ociLayerGzip]),
  );
  expect(manifest.layers.slice(0, -1).map(({ digest }) => digest)).toEqual(
    base.layers.map(({ digest }) => digest),
  );

  const { root } = await write(builder, exportable(child), 'type=registry,oci-mediatypes=false', {
    names: [named('child:v1')],
  });
  expect(root?.mediaType).toBe(MEDIA_TYPES.dockerManifest);
  const found = await builder.client.resolve(parseReference(named('child:v1')));
  expect(found.layers.every(({ mediaType }) => mediaType === MEDIA_TYPES.dockerLayerGzip)).toBe(true);
});

test('a base in zstd is pulled, laid out and built upon', async () => {
  await write(builder, exportable(built), 'type=registry,compression=zstd,force-compression=true', {
    names: [named('zstd:v1')],
  });
  const child = await builder.build(
    await builder.commit({ Dockerfile: `FROM ${named('zstd:v1')}\nRUN cat /made > /child\n` }),
  );
  const dest = await temporaryDirectory();
  await write(builder, exportable(child), `${dest}/root`);
  expect(await readFile(`${dest}/root/child`, 'utf8')).toBe('made\n');
});

/** A real Docker Engine loads what `type=docker` writes and runs it, and what it saves can be loaded here. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withStored } from '../../src/images/open-image.js';
import { digestOf } from '../../src/registry/image.js';
import { type Built, TestBuilder } from '../support/builder.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, startDocker, type TestDocker, TURN_TIMEOUT_MS } from '../support/docker.js';
import { exportable, write } from './support.js';

const missing = dockerMissing();

describe.skipIf(missing !== undefined)(`docker${missing === undefined ? '' : `: ${missing}`}`, () => {
  let builder: TestBuilder;
  let docker: TestDocker;
  let built: Built;
  let directory: string;

  beforeAll(async () => {
    builder = await TestBuilder.start();
    directory = await temporaryDirectory();
    built = await builder.build(
      await builder.commit({
        Dockerfile: 'FROM busybox\nRUN echo made > /made && rm /etc/group\nRUN true\nCMD ["cat", "/made"]\n',
      }),
    );
    docker = await startDocker();
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    await docker?.stop();
    await builder?.stop();
  });

  test.each(['gzip', 'zstd', 'uncompressed'])(
    'an archive with layers in %s is loaded and runs',
    async (how) => {
      const archive = join(directory, `${how}.tar`);
      const name = `shop-${how}:v1`;
      const output = `type=docker,dest=${archive},compression=${how},force-compression=true`;
      const { configDigest } = await write(builder, exportable(built), output, { names: [name] });
      expect(await docker.docker(['load', '-i', archive])).toContain(name);
      expect(await docker.docker(['run', '--rm', '--network', 'none', name])).toBe('made');
      expect(await docker.docker(['image', 'inspect', '--format', '{{.Id}}', name])).toBe(configDigest);
    },
  );

  test('what docker saves is read, with the same content', async () => {
    const archive = join(directory, 'again.tar');
    await write(builder, exportable(built), `type=docker,dest=${archive}`, { names: ['again:v1'] });
    await docker.docker(['load', '-i', archive]);
    const saved = join(directory, 'saved.tar');
    await docker.docker(['save', '-o', saved, 'again:v1']);
    await withStored(
      saved,
      { stdin: process.stdin, name: 'again:v1', signal: new AbortController().signal },
      async ({ images }) => {
        expect(images).toHaveLength(1);
        const image = images[0];
        expect(digestOf(image?.image.config ?? '')).toBe(digestOf(built.image.config));
        expect(image?.image.layers.map(({ diffId }) => diffId)).toEqual(
          built.image.layers.map(({ diffId }) => diffId),
        );
        for (const layer of image?.image.layers ?? []) await image?.blob(layer);
      },
    );
  });
});

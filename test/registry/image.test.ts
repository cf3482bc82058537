import { describe, expect, test } from 'vitest';
import type { SlipwayError } from '../../src/errors.js';
import {
  digestOf,
  isForeignLayer,
  MEDIA_TYPES,
  parseImageConfig,
  parseManifest,
} from '../../src/registry/image.js';
import { makeImage } from './scripted.js';

const image = makeImage([Buffer.from('layer')]);
const json = JSON.parse(image.manifest.toString()) as Record<string, unknown>;

function refusal(document: unknown, contentType?: string): SlipwayError {
  try {
    const bytes = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
    parseManifest(bytes, contentType, 'example.com/a:b');
  } catch (error) {
    expect(error).toMatchObject({ code: 'image_invalid', where: 'example.com/a:b' });
    return error as SlipwayError;
  }
  throw new Error('it was accepted');
}

describe('a manifest', () => {
  test('of OCI and of Docker is read, its unknown fields too', () => {
    for (const kind of ['oci', 'docker'] as const) {
      const made = makeImage([Buffer.from('a'), Buffer.from('b')], undefined, kind);
      const document = parseManifest(made.manifest, undefined, 'x');
      expect(document.kind === 'image' && document.manifest.layers).toEqual(
        made.layers.map(({ descriptor }) => descriptor),
      );
    }
    const document = parseManifest(
      Buffer.from(JSON.stringify({ ...json, extra: 1 })),
      MEDIA_TYPES.ociManifest,
      'x',
    );
    expect(document).toMatchObject({ kind: 'image', manifest: { extra: 1 } });
  });

  test('without a media type of its own is what it is served as', () => {
    const { mediaType: _none, ...bare } = json;
    const bytes = Buffer.from(JSON.stringify(bare));
    expect(parseManifest(bytes, `${MEDIA_TYPES.dockerManifest}; charset=utf-8`, 'x').mediaType).toBe(
      MEDIA_TYPES.dockerManifest,
    );
    expect(parseManifest(bytes, 'application/json', 'x').mediaType).toBe(MEDIA_TYPES.ociManifest);
  });

  test('that is not what it was served as, or could be read as two things, is refused', () => {
    expect(refusal(json, MEDIA_TYPES.ociIndex).message).toContain('served as');
    expect(refusal({ ...json, manifests: [] }).message).toContain('both');
    expect(
      refusal({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, manifests: [] }).message,
    ).toContain('not an image');
    expect(refusal({ ...json, mediaType: 'application/vnd.other+json' }).message).toContain('not an image');
  });

  test('of schema 1 is refused with what to do', () => {
    expect(refusal({ schemaVersion: 1, fsLayers: [] }).message).toContain('schema 1');
    expect(refusal({}, 'application/vnd.docker.distribution.manifest.v1+prettyjws').hint).toContain(
      'push it again',
    );
  });

  test('that is malformed is refused by what is wrong in it', () => {
    expect(refusal('<html>').message).toContain('not JSON');
    expect(refusal('[]').message).toContain('not a JSON object');
    expect(
      refusal({ ...json, layers: [{ mediaType: 'x', digest: 'sha256:../../x', size: 1 }] }).message,
    ).toContain('layers.0.digest');
    expect(
      refusal({ ...json, layers: [{ mediaType: 'x', digest: image.digest, size: -1 }] }).message,
    ).toContain('layers.0.size');
  });
});

describe("an image's config", () => {
  test('keeps its bytes and unknown fields, and its nulls become nothing', () => {
    const config = parseImageConfig(image.config, 'x');
    expect(digestOf(config.raw)).toBe(digestOf(image.config));
    expect(config.json['x.unknown']).toEqual({ kept: true });
    expect(config.config).toMatchObject({
      Env: ['PATH=/bin'],
      Cmd: ['/bin/sh'],
      Volumes: [],
      Labels: {},
      ExposedPorts: [],
    });
    expect(config.config.Entrypoint).toBeUndefined();
    expect(config.diffIds).toEqual([image.layers[0]!.descriptor.digest]);
  });

  test('without a config, or with wrong types, is handled', () => {
    const bare = parseImageConfig(Buffer.from('{"rootfs":{"diff_ids":null}}'), 'x');
    expect(bare).toMatchObject({ architecture: '', os: '', diffIds: [], config: { Labels: {} } });
    for (const bad of ['{}', '{"rootfs":{"diff_ids":["x"]}}', '{"config":{"Env":"A=b"},"rootfs":{}}']) {
      expect(() => parseImageConfig(Buffer.from(bad), 'x')).toThrow(
        expect.objectContaining({ code: 'image_invalid' }),
      );
    }
  });
});

test('a layer that lies on other servers is foreign', () => {
  const { descriptor } = image.layers[0]!;
  expect(isForeignLayer(descriptor)).toBe(false);
  expect(isForeignLayer({ ...descriptor, urls: [] })).toBe(false);
  expect(isForeignLayer({ ...descriptor, urls: ['https://example.com/x'] })).toBe(true);
  expect(
    isForeignLayer({ ...descriptor, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }),
  ).toBe(true);
});

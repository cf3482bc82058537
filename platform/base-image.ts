/**
 * Base images made of what this machine has, for a machine that reaches no registry: `library/busybox` of Debian's static
 * busybox, and others of a directory that holds a root file system. Pushed to the local registry, which is asked before
 * docker.io, so that `FROM busybox` finds it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LayerEntry, openLayerWriter, type WrittenLayer, writeUpperLayer } from '../native/index.js';
import type { Config } from '../src/config.js';
import { isErrno, SlipwayError } from '../src/errors.js';
import { RegistryClient } from '../src/registry/client.js';
import { asDigest, digestOf, MEDIA_TYPES } from '../src/registry/image.js';
import { hostPlatform } from '../src/registry/pull.js';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The same input gives the same digest, so no time of today may get in. */
const EPOCH = '1970-01-01T00:00:00Z';
const BUSYBOX = '/bin/busybox';

export interface BaseImage {
  /** `library/busybox` */
  readonly repository: string;
  readonly tag: string;
  readonly cmd: readonly string[];
  /** Beside PATH. */
  readonly env?: readonly string[];
}

/** Pushes `library/busybox:latest`; returns its digest. */
export function pushBusybox(config: Config): Promise<string> {
  const image = { repository: 'library/busybox', tag: 'latest', cmd: ['sh'] };
  return push(config, image, async (path) => {
    const writer = openLayerWriter({ path, compression: 'gzip' });
    try {
      await writer.write(await busyboxEntries());
      return await writer.finish();
    } finally {
      await writer.abort();
    }
  });
}

/** Pushes a directory with a root file system as an image of one layer; returns its digest. */
export function pushDirectory(config: Config, directory: string, image: BaseImage): Promise<string> {
  return push(config, image, (path) =>
    writeUpperLayer({ upper: directory, lowers: [], path, compression: 'gzip' }),
  );
}

/** busybox, a link for each of its applets, and the few files that programs expect. */
async function busyboxEntries(): Promise<LayerEntry[]> {
  const binary = await readFile(BUSYBOX).catch((thrown: unknown) => {
    if (!isErrno(thrown, 'ENOENT')) throw thrown;
    throw new SlipwayError('source_missing', 'busybox is not installed', {
      where: BUSYBOX,
      hint: 'run bin/setup',
    });
  });
  const { stdout } = await promisify(execFile)(BUSYBOX, ['--list'], { timeout: 10_000 });
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  const directory = (path: string, mode = 0o755): LayerEntry => ({ ...owned, path, type: 'directory', mode });
  const file = (path: string, text: string): LayerEntry => ({
    ...owned,
    path,
    type: 'file',
    mode: 0o644,
    data: Buffer.from(text),
  });
  return [
    directory('bin'),
    { ...owned, path: 'bin/busybox', type: 'file', mode: 0o755, data: binary },
    ...applets.sort().map(
      (name): LayerEntry => ({
        ...owned,
        path: `bin/${name}`,
        type: 'symlink',
        mode: 0o777,
        linkname: 'busybox',
      }),
    ),
    ...['dev', 'etc'].map((path) => directory(path)),
    file('etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
    file(
      'etc/passwd',
      'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
    ),
    directory('proc'),
    directory('root', 0o700),
    directory('sys'),
    directory('tmp', 0o1777),
    directory('usr'),
    // Scripts that begin with #!/usr/bin/env are everywhere.
    directory('usr/bin'),
    { ...owned, path: 'usr/bin/env', type: 'symlink', mode: 0o777, linkname: '../../bin/busybox' },
    directory('var'),
    directory('var/tmp', 0o1777),
  ];
}

const owned = { uid: 0, gid: 0, mtime: 0 };

async function push(
  config: Config,
  image: BaseImage,
  writeLayer: (path: string) => Promise<WrittenLayer>,
): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'slipway-base-'));
  const registry = RegistryClient.fromConfig(config);
  try {
    const file = join(work, 'layer');
    const layer = await writeLayer(file);
    const descriptor = {
      mediaType: MEDIA_TYPES.ociLayerGzip,
      digest: asDigest(layer.digest),
      size: layer.sizeBytes,
    };
    const { os, architecture } = hostPlatform();
    const configBytes = toJson({
      created: EPOCH,
      os,
      architecture,
      config: { Env: [`PATH=${PATH}`, ...(image.env ?? [])], Cmd: image.cmd },
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [{ created: EPOCH, created_by: 'made from files of this machine' }],
    });
    const manifest = toJson({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(configBytes), size: configBytes.length },
      layers: [descriptor],
    });
    const { digest } = await registry.pushImage({
      registry: config.registry.host,
      repository: image.repository,
      layers: [{ descriptor, file }],
      config: configBytes,
      manifest,
      tags: [image.tag],
    });
    return digest;
  } finally {
    registry.close();
    await rm(work, { recursive: true, force: true });
  }
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

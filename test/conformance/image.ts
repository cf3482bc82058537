/**
 * A built image as files on disk (an OCI layout, `docker save`, or a `dir:` of buildah) → flattened file system and
 * config. Also holds a layout against what the image specification asks for.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type FileSystem, flatten } from './flatten.js';
import { readTar } from './tar.js';

export interface ImageConfig {
  readonly architecture?: string;
  readonly os?: string;
  readonly author?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history?: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
}

export interface Image {
  readonly files: FileSystem;
  readonly diffIds: readonly string[];
  /** Without times, ids and empty fields. */
  readonly config: Readonly<Record<string, unknown>>;
  /** `created_by`, with `(empty)` before it where there is no layer. */
  readonly history: readonly string[];
  /** What the specification forbids. */
  readonly faults: readonly string[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
interface Manifest {
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** image-spec image-layout.md, as a tar. */
export function readLayout(archive: Buffer): Image {
  const members = new Map(readTar(archive).map((entry) => [entry.path, entry.data]));
  const member = (path: string): Buffer => {
    const data = members.get(path);
    if (data === undefined) throw new Error(`the layout lacks ${path}`);
    return data;
  };
  const faults: string[] = [];
  const blob = (descriptor: Descriptor): Buffer => {
    const bytes = member(`blobs/${descriptor.digest.replace(':', '/')}`);
    if (sha256(bytes) !== descriptor.digest) faults.push(`${descriptor.digest} has other content`);
    if (bytes.length !== descriptor.size) faults.push(`${descriptor.digest} has another size`);
    return bytes;
  };
  const layout = JSON.parse(member('oci-layout').toString()) as Record<string, unknown>;
  if (layout.imageLayoutVersion !== '1.0.0') faults.push('oci-layout names no version');
  const index = JSON.parse(member('index.json').toString()) as {
    mediaType?: string;
    manifests: Descriptor[];
  };
  if (index.mediaType !== INDEX) faults.push(`index.json has the media type ${index.mediaType}`);
  const [first, ...more] = index.manifests;
  if (first === undefined || more.length > 0) throw new Error('not one manifest in the layout');
  if (first.mediaType !== MANIFEST) faults.push(`the manifest is listed as ${first.mediaType}`);
  const manifest = JSON.parse(blob(first).toString()) as Manifest;
  if (manifest.mediaType !== MANIFEST) faults.push(`the manifest calls itself ${manifest.mediaType}`);
  for (const { mediaType } of [manifest.config, ...manifest.layers]) {
    if (!mediaType.startsWith('application/vnd.oci.image.'))
      faults.push(`a foreign media type: ${mediaType}`);
  }
  const config = JSON.parse(blob(manifest.config).toString()) as ImageConfig;
  const layers = manifest.layers.map((layer) => inflated(blob(layer)));
  return imageOf(config, layers, faults);
}

/** `docker save`, unpacked in memory. */
export function readSaved(archive: Buffer): Image {
  const entries = new Map(readTar(archive).map((entry) => [entry.path, entry]));
  const data = (path: string): Buffer => {
    const entry = entries.get(path);
    // An identical layer is saved once; its other name is a symbolic link.
    if (entry?.type === 'symlink') return data(join(path, '..', entry.linkname));
    if (entry === undefined) throw new Error(`docker save lacks ${path}`);
    return entry.data;
  };
  const [image] = JSON.parse(data('manifest.json').toString()) as { Config: string; Layers: string[] }[];
  if (image === undefined) throw new Error('docker save has no image');
  return imageOf(
    JSON.parse(data(image.Config).toString()) as ImageConfig,
    image.Layers.map((path) => inflated(data(path))),
  );
}

/** `buildah push … dir:` */
export async function readDirectory(directory: string): Promise<Image> {
  const blob = (digest: string): Promise<Buffer> => readFile(join(directory, digest.replace('sha256:', '')));
  const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
  const layers = await Promise.all(manifest.layers.map(async ({ digest }) => inflated(await blob(digest))));
  return imageOf(JSON.parse((await blob(manifest.config.digest)).toString()) as ImageConfig, layers);
}

function imageOf(document: ImageConfig, layers: readonly Buffer[], faults: string[] = []): Image {
  const diffIds = layers.map(sha256);
  if (document.rootfs.diff_ids.join() !== diffIds.join()) faults.push('diff_ids are not those of the layers');
  const history = document.history ?? [];
  const full = history.filter((entry) => entry.empty_layer !== true).length;
  if (full !== layers.length) faults.push(`history tells of ${full} layers, there are ${layers.length}`);
  layers.forEach((layer, index) => {
    const seen = new Set<string>();
    for (const { rawPath, path } of readTar(layer)) {
      if (seen.has(path)) faults.push(`layer ${index} has ${path} twice`);
      if (/^\.?\/|\/\.\.?\//.test(rawPath)) faults.push(`layer ${index} calls an entry ${rawPath}`);
      seen.add(path);
    }
  });
  return {
    files: flatten(layers),
    diffIds,
    config: normalConfig(document),
    history: history.map((entry) => `${entry.empty_layer ? '(empty) ' : ''}${entry.created_by ?? ''}`),
    faults,
  };
}

const FIELDS = [
  'User',
  'Env',
  'Entrypoint',
  'Cmd',
  'WorkingDir',
  'ExposedPorts',
  'Volumes',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'OnBuild',
  'Shell',
];

function normalConfig({ architecture, os, author, config = {} }: ImageConfig): Record<string, unknown> {
  const known = FIELDS.map((field): [string, unknown] => [field, sorted(config[field])]);
  return Object.fromEntries(
    [['architecture', architecture], ['os', os], ['author', author], ...known].filter(
      ([, value]) => !isEmpty(value),
    ),
  ) as Record<string, unknown>;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The order of an object's keys says nothing. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function inflated(blob: Buffer): Buffer {
  return blob[0] === 0x1f && blob[1] === 0x8b ? gunzipSync(blob) : blob;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

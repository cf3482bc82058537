/**
 * The base images of the cases, pushed to the test registry as plain HTTP, without the code of the builder.
 *
 *   busybox   the machine's busybox-static; has what container engines mount over, so that no builder leaves stubs
 *   bare      the same without these: /bin and /etc/passwd only
 *   rich      busybox with every field of the config set, ONBUILD excepted, and awkward files
 *   trigger   busybox with ONBUILD instructions
 *   nopath    busybox without PATH in its config
 *   schema2   busybox under docker's media types
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { gzipSync } from 'node:zlib';
import { type FileSystem, flatten } from './flatten.js';
import { type TarItem, writeTar } from './tar.js';

export interface Base {
  readonly name: string;
  readonly layers: readonly Buffer[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly docker?: boolean;
}

const directory = (path: string, mode = 0o755): TarItem => ({ path, type: 'directory', mode });
const file = (path: string, data: string | Uint8Array, mode = 0o644): TarItem => ({ path, data, mode });

const PASSWD = [
  'root:x:0:0:root:/root:/bin/sh',
  'daemon:x:1:1::/:/bin/false',
  'app:x:1000:1001::/home/app:/bin/sh',
  'nobody:x:65534:65534::/:/bin/false',
];
const GROUP = [
  'root:x:0:',
  'daemon:x:1:',
  'app:x:1001:',
  'staff:x:50:app',
  'extra:x:2000:app,daemon',
  'nobody:x:65534:',
];

function busybox(): TarItem[] {
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean);
  return [
    directory('bin'),
    file('bin/busybox', readFileSync('/bin/busybox'), 0o755),
    ...applets
      .filter((name) => name !== 'busybox')
      .map((name): TarItem => ({ path: `bin/${name}`, type: 'symlink', mode: 0o777, link: 'busybox' })),
    directory('etc'),
    file('etc/group', `${GROUP.join('\n')}\n`),
    file('etc/passwd', `${PASSWD.join('\n')}\n`),
  ];
}

/** Container engines mount over these; where they are missing, some leave empty ones in the layer. */
const MOUNT_POINTS: readonly TarItem[] = [
  directory('dev'),
  directory('dev/pts'),
  directory('dev/shm'),
  directory('dev/mqueue'),
  file('dev/console', '', 0o600),
  file('etc/hosts', ''),
  file('etc/hostname', ''),
  file('etc/resolv.conf', ''),
  directory('proc'),
  directory('root', 0o700),
  directory('run'),
  directory('sys'),
  directory('tmp', 0o1777),
  directory('var'),
];

/** cap_net_raw=ep, as in linux/capability.h, revision 2. */
export const CAPABILITY: Buffer = Buffer.from('0100000200200000000000000000000000000000', 'hex');

const AWKWARD: readonly TarItem[] = [
  directory('data'),
  file('data/file', 'first\n'),
  { path: 'data/hard', type: 'hardlink', link: 'data/file' },
  directory('data/dir', 0o750),
  file('data/dir/inner', 'inner\n', 0o600),
  { path: 'data/owned', data: 'owned\n', uid: 1000, gid: 1001, mode: 0o640 },
  { path: 'data/link', type: 'symlink', link: 'file' },
  { path: 'data/dirlink', type: 'symlink', link: 'dir' },
  { path: 'data/absolute', type: 'symlink', link: '/data/dir' },
  { path: 'data/pipe', type: 'fifo', mode: 0o622 },
  { path: 'data/null', type: 'char', mode: 0o666, device: [1, 3] },
  { path: 'data/setuid', data: 'x', mode: 0o4755 },
  { path: 'data/capable', data: 'x', mode: 0o755, xattrs: { 'security.capability': CAPABILITY } },
  directory('data/sticky', 0o1777),
];

/** What a base image needs so that programs run in it and no builder leaves stubs. */
export function basicItems(): TarItem[] {
  return [...busybox(), ...MOUNT_POINTS];
}

function bases(): Base[] {
  const basic = gzipSync(writeTar(basicItems()), { level: 6 });
  const plain = { Cmd: ['sh'], Env: ['PATH=/bin'] };
  return [
    { name: 'busybox', layers: [basic], config: plain },
    { name: 'bare', layers: [gzipSync(writeTar(busybox()), { level: 6 })], config: plain },
    {
      name: 'rich',
      layers: [basic, gzipSync(writeTar(AWKWARD), { level: 6 })],
      config: {
        Cmd: ['from-base'],
        Entrypoint: ['/bin/sh', '-c'],
        Env: ['PATH=/bin', 'FROM_BASE=yes', 'TWICE=base'],
        ExposedPorts: { '80/tcp': {} },
        Healthcheck: { Test: ['CMD', 'true'], Interval: 5_000_000_000, Retries: 2 },
        Labels: { origin: 'base', keep: 'me' },
        StopSignal: 'SIGINT',
        User: 'app',
        Volumes: { '/vol': {} },
        WorkingDir: '/data',
      },
    },
    {
      name: 'trigger',
      layers: [basic],
      config: {
        ...plain,
        OnBuild: ['ENV TRIGGERED=1', 'COPY . /onbuild/', 'RUN echo "$TRIGGERED" > /ran', 'WORKDIR /onbuild'],
      },
    },
    { name: 'nopath', layers: [basic], config: { Cmd: ['sh'] } },
    { name: 'schema2', layers: [basic], config: { ...plain, Shell: ['/bin/sh', '-ec'] }, docker: true },
  ];
}

/** `empty` is `FROM scratch`. */
export type KnownBases = ReadonlyMap<
  string,
  { readonly diffIds: readonly string[]; readonly files: FileSystem }
>;

/** Pushes all of them to `host`, which is a registry on loopback without TLS. */
export async function pushBases(host: string): Promise<KnownBases> {
  const known = new Map([['scratch', { diffIds: [] as string[], files: new Map() as FileSystem }]]);
  const { gunzipSync } = await import('node:zlib');
  for (const base of bases()) {
    const tars = base.layers.map((layer) => gunzipSync(layer));
    const diffIds = tars.map(sha256);
    await pushBase(host, base, diffIds);
    known.set(base.name, { diffIds, files: flatten(tars) });
  }
  return known;
}

export async function pushBase(host: string, base: Base, diffIds: readonly string[]): Promise<void> {
  const [layerType, configType, manifestType] = base.docker
    ? [
        'application/vnd.docker.image.rootfs.diff.tar.gzip',
        'application/vnd.docker.container.image.v1+json',
        'application/vnd.docker.distribution.manifest.v2+json',
      ]
    : [
        'application/vnd.oci.image.layer.v1.tar+gzip',
        'application/vnd.oci.image.config.v1+json',
        'application/vnd.oci.image.manifest.v1+json',
      ];
  const created = '2020-01-01T00:00:00Z';
  const config = Buffer.from(
    JSON.stringify({
      created,
      architecture: { x64: 'amd64', arm64: 'arm64' }[arch() as string] ?? arch(),
      os: 'linux',
      config: base.config,
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: diffIds.map((_, index) => ({ created, created_by: `layer ${index} of ${base.name}` })),
    }),
  );
  const descriptor = (mediaType: string, bytes: Buffer): object => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
  });
  for (const blob of [config, ...base.layers]) await pushBlob(host, base.name, blob);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor(configType, config),
    layers: base.layers.map((layer) => descriptor(layerType, layer)),
  });
  const url = `http://${host}/v2/${base.name}/manifests/latest`;
  await done(fetch(url, { method: 'PUT', body: manifest, headers: { 'content-type': manifestType } }));
}

async function pushBlob(host: string, repository: string, blob: Buffer): Promise<void> {
  const begun = await done(fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' }));
  const to = new URL(begun.headers.get('location') ?? '', `http://${host}`);
  to.searchParams.set('digest', sha256(blob));
  const headers = { 'content-type': 'application/octet-stream' };
  await done(fetch(to, { method: 'PUT', body: new Uint8Array(blob), headers }));
}

async function done(answer: Promise<Response>): Promise<Response> {
  const response = await answer;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response;
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

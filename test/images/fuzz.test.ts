/** Archives and layouts that are not what they say: an image comes out of them whole, or they are refused by name. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SlipwayError } from '../../src/errors.js';
import { completeHistory } from '../../src/images/history.js';
import { ageText, historyRows } from '../../src/images/history-rows.js';
import { withStored } from '../../src/images/open-image.js';
import { type RawEntry, sha256, tar } from '../native/tar.js';
import { temporaryDirectory } from '../support/directories.js';

const SOON_MS = 2000;

async function answered(work: () => Promise<unknown>): Promise<void> {
  const before = performance.now();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code === 'internal') throw error;
    expect(error.message).not.toBe('');
  }
  expect(performance.now() - before).toBeLessThan(SOON_MS);
}

const layer = tar([{ path: 'a', data: 'x' }]);
const config = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
  history: [{ created_by: 'x' }],
};

type Json = unknown;
type Path = readonly (string | number)[];

function pathsOf(value: Json, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...at, key]))];
}

/** The value at a path replaced, or taken away. */
function replaced(value: Json, path: Path, by: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, Json>;
  const inner = replaced(copy[key], rest, by);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

const other = fc.oneof(
  fc.constantFrom<Json>(
    undefined,
    null,
    0,
    -1,
    1e21,
    '',
    'x',
    '../../etc/passwd',
    '/etc/passwd',
    [],
    {},
    [null],
    [[]],
    true,
  ),
  fc.constantFrom<Json>('sha256:', `sha256:${'0'.repeat(64)}`, sha256(layer), 'sha512:00', { digest: 'x' }),
  fc.jsonValue({ maxDepth: 2 }),
);
/** One place of one document is something else. */
const change = fc.record({
  document: fc.constantFrom('config', 'manifest', 'index'),
  at: fc.nat(1000),
  by: other,
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function changed(name: string, value: Json, changes: readonly Change[]): Buffer {
  let now = value;
  for (const { document, at, by } of changes) {
    const paths = pathsOf(now);
    if (document === name) now = replaced(now, paths[at % paths.length] ?? [], by);
  }
  return Buffer.from(JSON.stringify(now) ?? '');
}

function files(kind: 'oci' | 'docker', changes: readonly Change[]): Map<string, Buffer> {
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer): { digest: string; size: number } => {
    blobs.set(`blobs/sha256/${sha256(bytes).slice(7)}`, bytes);
    return { digest: sha256(bytes), size: bytes.length };
  };
  const ofConfig = changed('config', config, changes);
  if (kind === 'docker') {
    const manifest = [{ Config: 'config.json', RepoTags: ['a:b'], Layers: ['1/layer.tar'] }];
    return new Map([
      ['config.json', ofConfig],
      ['1/layer.tar', layer],
      ['manifest.json', changed('manifest', manifest, changes)],
    ]);
  }
  const type = (what: string): string => `application/vnd.oci.image.${what}`;
  const manifest = {
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: { mediaType: type('config.v1+json'), ...put(ofConfig) },
    layers: [{ mediaType: type('layer.v1.tar'), ...put(layer) }],
  };
  const entry = {
    mediaType: manifest.mediaType,
    ...put(changed('manifest', manifest, changes)),
    annotations: { 'io.containerd.image.name': 'docker.io/library/a:b' },
  };
  const index = { schemaVersion: 2, manifests: [entry] };
  return new Map([
    ...blobs,
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', changed('index', index, changes)],
  ]);
}

const odd = fc.record({
  path: fc.constantFrom(
    '../out',
    '/tmp/slipway-fuzz-out',
    'config.json',
    'index.json',
    'manifest.json',
    '1/layer.tar',
    'a/../index.json',
    '',
  ),
  type: fc.constantFrom('0', '1', '2', '3', '5', 'x', 'g', 'L'),
  link: fc.constantFrom(
    '/etc/passwd',
    '../../../etc/passwd',
    'index.json',
    'config.json',
    '1/layer.tar',
    'manifest.json',
  ),
  data: fc.constantFrom('', 'x', '{}', '[]'),
});
const flips = fc.array(fc.tuple(fc.nat(1 << 16), fc.nat(255)), { maxLength: 3 });

async function use(place: string): Promise<void> {
  await withStored(
    place,
    { stdin: process.stdin, signal: new AbortController().signal },
    async ({ images }) => {
      for (const { image, blob } of images) {
        for (const each of image.layers) expect(sha256(await readFile(await blob(each)))).toBe(each.digest);
        for (const { created, instruction } of historyRows(image)) ageText(created, instruction.length);
      }
    },
  );
}

it('an archive of anything is read or refused, and leaves nothing behind', async () => {
  const directory = await temporaryDirectory();
  const left = async (): Promise<string[]> =>
    (await readdir(tmpdir())).filter((name) => /^slipway-(image|fuzz)-/.test(name));
  const before = await left();
  await fc.assert(
    fc.asyncProperty(
      ...([fc.constantFrom('oci' as const, 'docker' as const), fc.array(change, { maxLength: 3 })] as const),
      ...([fc.array(odd, { maxLength: 2 }), fc.boolean(), fc.boolean(), flips] as const),
      async (kind, changes, extra, first, zipped, bytes) => {
        const plain = [...files(kind, changes)].map(([path, data]): RawEntry => ({ path, data }));
        const archive = tar(first ? [...extra, ...plain] : [...plain, ...extra]);
        for (const [at, value] of bytes) archive[at % archive.length] = value;
        const place = join(directory, 'archive.tar');
        await writeFile(place, zipped ? gzipSync(archive) : archive);
        await answered(() => use(place));
        await rm(place);
      },
    ),
    { numRuns: 250 },
  );
  expect(await left()).toEqual(before);
}, 60_000);

it('a layout of anything is read or refused', async () => {
  const directory = await temporaryDirectory();
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), async (changes) => {
      const place = join(directory, 'layout');
      await mkdir(join(place, 'blobs/sha256'), { recursive: true });
      for (const [path, data] of files('oci', changes)) await writeFile(join(place, path), data);
      await answered(() => use(place));
      await rm(place, { recursive: true });
    }),
    { numRuns: 120 },
  );
}, 60_000);

it('a history of any length is completed to that of the layers', () => {
  const entry = fc.record({ empty_layer: fc.boolean() }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.array(entry), fc.array(entry, { maxLength: 5 }), fc.nat(8), (base, added, baseLayers) => {
      const own = added.filter((each) => each.empty_layer !== true).length;
      const complete = completeHistory([...base, ...added], base.length, baseLayers + own, 'now');
      expect(complete.filter((each) => each.empty_layer !== true)).toHaveLength(baseLayers + own);
    }),
  );
});

it('a header without end is not kept in memory', async () => {
  const place = join(await temporaryDirectory(), 'archive.tar.gz');
  const plain = [...files('docker', [])].map(([path, data]): RawEntry => ({ path, data }));
  const endless = { path: 'x', type: 'x', data: Buffer.alloc(40 << 20) };
  await writeFile(place, gzipSync(tar([...plain, endless])));
  await expect(use(place)).rejects.toMatchObject({
    code: 'image_invalid',
    message: expect.stringContaining('exceeds max size'),
  });
  const large = { path: 'large', data: Buffer.alloc(40 << 20) };
  await writeFile(place, gzipSync(tar([large, ...plain])));
  await use(place);
});

/** Layers that are laid out at the same time, and while their blobs arrive, are as they are one after the other. */
import { appendFile, readdir, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArrivingBlob } from '../../src/layers/arriving-blob.js';
import type { Layer } from '../../src/layers/layer.js';
import type { FetchLayer } from '../../src/layers/layer-store.js';
import { picture } from '../native/support.js';
import { type RawEntry, sha256, tar } from '../native/tar.js';
import { openStores, type Stores, storedLayer } from './stores.js';

interface Made {
  readonly layer: Layer;
  readonly blob: Buffer;
}

function made(entries: readonly RawEntry[]): Made {
  const archive = tar(entries);
  const blob = gzipSync(archive);
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  return {
    layer: { diffId: sha256(archive), digest: sha256(blob), sizeBytes: blob.length, mediaType },
    blob,
  };
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How a blob comes: by default in parts of that many bytes. */
type Arrival = (file: string, blob: Buffer) => Promise<void>;
const inParts =
  (bytes: number): Arrival =>
  async (file, blob) => {
    for (let at = 0; at < blob.length; at += bytes) {
      await appendFile(file, blob.subarray(at, at + bytes));
      await tick();
    }
  };

/** Brings the blobs in the order in which they are asked for, a different number of times slower each. */
function fetchOf(stores: Stores, all: readonly Made[], arrival: Arrival = inParts(700)): FetchLayer {
  return (layer, signal) => {
    const found = all.find(({ layer: { digest } }) => digest === layer.digest);
    return found === undefined ? undefined : arriving(stores, found, signal, arrival);
  };
}

function arriving(
  { blobs }: Stores,
  { layer, blob }: Made,
  signal: AbortSignal,
  arrival: Arrival,
): ArrivingBlob {
  const growing = blobs.newTemporary().then(async (path) => {
    await writeFile(path, '');
    return path;
  });
  const stored = growing.then(async (path) => {
    try {
      await arrival(path, blob);
      signal.throwIfAborted();
      const whole = await blobs.newTemporary();
      await rename(path, whole);
      await blobs.commit(whole, layer.digest);
    } finally {
      await blobs.discard(path);
    }
  });
  return { sizeBytes: blob.length, growing, stored };
}

async function nothingLeft({ directory }: Stores): Promise<void> {
  expect(await readdir(join(directory, 'layers/tmp'))).toEqual([]);
  expect(await readdir(join(directory, 'blobs/tmp'))).toEqual([]);
}

const BELOW = made([
  { path: 'd/', type: '5', mode: 0o1750, uid: 7, gid: 8 },
  { path: 'd/e/', type: '5', mode: 0o700, uid: 9, gid: 9 },
  { path: 'd/file', data: 'x'.repeat(200_000), mode: 0o640, uid: 5 },
]);
const ABOVE = made([
  { path: 'd/e/new', data: 'n' },
  { path: 'd/link', type: '1', link: 'd/file' },
]);

/** Whiteouts are of the hour. */
async function timeless(root: string): Promise<unknown> {
  const entries = Object.entries(await picture(root)) as [string, { type: string }][];
  return entries.map(([path, entry]) => [path, entry.type === 'char' ? { ...entry, mtime: 0 } : entry]);
}

describe('layers of one chain', () => {
  it('take from those below what they imply and link to, in whatever order they arrive', async () => {
    for (const [below, above] of [
      [200, 100_000],
      [100_000, 10],
    ] as const) {
      const stores = await openStores();
      const fetch: FetchLayer = (layer, signal) =>
        layer === BELOW.layer
          ? arriving(stores, BELOW, signal, inParts(below))
          : arriving(stores, ABOVE, signal, inParts(above));
      const [top = '', bottom = ''] = await stores.layers.layout(
        [BELOW.layer, ABOVE.layer],
        undefined,
        fetch,
      );
      const shown = await picture(top);
      expect(shown.d).toMatchObject({ mode: 0o1750, uid: 7, gid: 8 });
      expect(shown['d/e']).toMatchObject({ mode: 0o700, uid: 9, gid: 9 });
      expect(shown['d/link']).toEqual((await picture(bottom))['d/file']);
      await nothingLeft(stores);
    }
  });

  it('are the same at the same time and one after the other', async () => {
    const folders = ['a', 'b', 'a/a', 'a/b', 'a/a/b'];
    const files = folders.flatMap((folder) => [`${folder}/f`, `${folder}/g`]);
    const bottom: RawEntry[] = [
      ...folders.map((path, at) => ({ path: `${path}/`, type: '5', mode: 0o700 + at, uid: at, gid: 9 })),
      ...files.map((path, at) => ({ path, data: path, uid: at })),
    ];
    const folder = fc.constantFrom(...folders);
    const file = fc.constantFrom(...files);
    const owner = { mode: fc.constantFrom(0o755, 0o700, 0o2755), uid: fc.nat(3), gid: fc.nat(3) };
    const entry: fc.Arbitrary<RawEntry> = fc.oneof(
      fc.record({ path: folder.map((name) => `${name}/`), type: fc.constant('5'), ...owner }),
      fc.record({ path: file, data: fc.string({ maxLength: 2000 }), ...owner }),
      fc.record({ path: file, type: fc.constant('2'), link: file }),
      fc.record({ path: file, type: fc.constant('1'), link: file }),
      fc.oneof(folder, file).map((name) => ({ path: name.replace(/[abfg]$/, '.wh.$&') })),
      folder.map((name) => ({ path: `${name}/.wh..wh..opq` })),
      // Something else than the directory that it was.
      { weight: 1, arbitrary: folder.map((name) => ({ path: name, data: 'file' })) },
    );
    const upper = fc.array(entry, { minLength: 1, maxLength: 5 });
    const chain = fc.array(upper, { minLength: 1, maxLength: 4 }).map((above) => [bottom, ...above]);
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(chain, fc.integer({ min: 20, max: 400 }), async (archives, part) => {
        // Each with a file of its own: two equal layers would be one blob.
        const all = archives.map((entries, at) => made([{ path: `layer${at}`, data: `${at}` }, ...entries]));
        const layers = all.map(({ layer }) => layer);
        const look = async (atOnce: number): Promise<unknown> => {
          const stores = await openStores(undefined, { layersAtOnce: atOnce });
          const roots = await stores.layers
            .layout(layers, undefined, fetchOf(stores, all, inParts(part)))
            .catch((error: { code?: string }) => error.code ?? 'no code');
          await nothingLeft(stores);
          return typeof roots === 'string' ? roots : Promise.all(roots.map(timeless));
        };
        const inTurn = await look(1);
        if (typeof inTurn !== 'string') whole++;
        expect(await look(4)).toEqual(inTurn);
      }),
      { numRuns: 60 },
    );
    expect(whole).toBeGreaterThan(10);
  }, 120_000);
});

describe('a blob on its way', () => {
  it('may begin anew, with other bytes: what it is in the end counts', async () => {
    const stores = await openStores();
    const again: Arrival = async (file, blob) => {
      await appendFile(file, Buffer.concat([blob.subarray(0, 100), Buffer.alloc(300, 'wrong')]));
      await new Promise((resolve) => setTimeout(resolve, 20));
      await truncate(file, 0);
      await inParts(64)(file, blob);
    };
    const [root = ''] = await stores.layers.layout([BELOW.layer], undefined, fetchOf(stores, [BELOW], again));
    expect(Object.keys(await picture(root))).toEqual(['d', 'd/e', 'd/file']);
    await nothingLeft(stores);
  });

  it('is told to be damaged like any other', async () => {
    const stores = await openStores();
    const wrong: Made = { ...BELOW, layer: { ...BELOW.layer, diffId: `sha256:${'0'.repeat(64)}` } };
    const attempt = stores.layers.layout([wrong.layer], undefined, fetchOf(stores, [wrong]));
    await expect(attempt).rejects.toMatchObject({ code: 'layer_invalid' });
    await nothingLeft(stores);
  });

  it('that does not come ends the others, and its error is told', async () => {
    const stores = await openStores();
    const never: FetchLayer = (layer, signal) =>
      layer === BELOW.layer
        ? arriving(stores, BELOW, signal, async () => {
            throw new Error('the registry is gone');
          })
        : arriving(stores, ABOVE, signal, inParts(10));
    const attempt = stores.layers.layout([BELOW.layer, ABOVE.layer], undefined, never);
    await expect(attempt).rejects.toThrow('the registry is gone');
    await nothingLeft(stores);
  });

  it('is no longer read when the build is cancelled', async () => {
    const stores = await openStores();
    const cancel = new AbortController();
    const stuck: FetchLayer = (_, signal) =>
      arriving(stores, BELOW, signal, async (file, blob) => {
        await appendFile(file, blob.subarray(0, 50));
        setTimeout(() => cancel.abort(new Error('cancelled')), 10);
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        );
      });
    await expect(stores.layers.layout([BELOW.layer], cancel.signal, stuck)).rejects.toThrow('cancelled');
    await nothingLeft(stores);
  });

  it('is only fetched where the lay-out is missing', async () => {
    const stores = await openStores();
    const layer = await storedLayer(stores, [{ path: 'a', data: 'a' }]);
    const roots = await stores.layers.layout([layer]);
    await stores.blobs.remove(layer.digest);
    const refuse: FetchLayer = () => {
      throw new Error('nothing is needed');
    };
    expect(await stores.layers.layout([layer], undefined, refuse)).toEqual(roots);
  });
});

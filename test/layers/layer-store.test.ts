import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chainId, digestHex } from '../../src/layers/layer.js';
import { mountedOverlay } from '../../src/layers/overlay.js';
import { Temporaries } from '../../src/layers/temporaries.js';
import { mountsBelow, run, subdirectory, testDirectory } from '../native/support.js';
import { openStores, storedLayer } from './stores.js';

const tmp = (directory: string): string[] => readdirSync(join(directory, 'layers/tmp'));

describe('chain ids', () => {
  it('are those of the OCI image specification', () => {
    const [a, b] = ['a', 'b'].map((letter) => `sha256:${letter.repeat(64)}`) as [string, string];
    expect(chainId([a])).toBe(a);
    const expected = run(['sha256sum'], Buffer.from(`${a} ${b}`)).slice(0, 64);
    expect(chainId([a, b])).toBe(`sha256:${expected}`);
    expect(chainId([b], a)).toBe(`sha256:${expected}`);
    expect(chainId([], a)).toBe(a);
  });

  it.each([
    '',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha512:${'a'.repeat(64)}`,
    '../../etc',
    `sha256:${'a'.repeat(64)}/..`,
  ])('take no name of a file but a digest: "%s"', (wrong) => {
    expect(() => digestHex(wrong)).toThrow(expect.objectContaining({ code: 'layer_invalid' }));
    expect(() => chainId([wrong])).toThrow(expect.objectContaining({ code: 'layer_invalid' }));
  });
});

describe('the layer store', () => {
  it('lays out what is missing, the top first, and only once', async () => {
    const stores = await openStores();
    const one = await storedLayer(stores, [{ path: 'd/', type: '5', mode: 0o700 }]);
    const two = await storedLayer(stores, [{ path: 'd/f', data: 'two' }]);
    const lowers = await stores.layers.layout([one, two]);
    expect(readFileSync(join(lowers[0]!, 'd/f'), 'utf8')).toBe('two');
    expect(statSync(join(lowers[0]!, 'd')).mode & 0o777).toBe(0o700);
    const made = statSync(lowers[1]!).ino;
    await stores.blobs.remove(one.digest);
    await stores.blobs.remove(two.digest);
    expect(await stores.layers.layout([one, two])).toEqual(lowers);
    expect(statSync(lowers[1]!).ino).toBe(made);
    expect(tmp(stores.directory)).toEqual([]);
    expect(await stores.layers.layout([])).toEqual([]);
  });

  it('does not look again at what it is told stands below', async () => {
    const stores = await openStores();
    const [one, two] = [
      await storedLayer(stores, [{ path: 'a' }]),
      await storedLayer(stores, [{ path: 'b' }]),
    ];
    const below = await stores.layers.layout([one]);
    utimesSync(join(below[0]!, '..'), 1000, 1000);
    const lowers = await stores.layers.layout([one, two], undefined, undefined, below);
    expect(lowers.slice(1)).toEqual(below);
    expect(statSync(join(below[0]!, '..')).mtimeMs).toBe(1_000_000);
    expect(await stores.layers.layout([one, two], undefined, undefined, lowers)).toEqual(lowers);
    expect(await stores.layers.layout([one, two])).toEqual(lowers);
  });

  it('lays the same layers out once for builds that ask at the same time, and again for another builder', async () => {
    const stores = await openStores();
    const other = await openStores(stores.directory);
    const layer = await storedLayer(
      stores,
      Array.from({ length: 300 }, (_, i) => ({ path: `f${i}`, data: `${i}` })),
    );
    const asked = [stores, stores, stores, other, other].map(({ layers }) => layers.layout([layer]));
    const answers = await Promise.all(asked);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(readdirSync(answers[0]![0]!)).toHaveLength(300);
    expect(tmp(stores.directory)).toEqual([]);
  });

  it('goes on for one build when another one that waits for the same layer is cancelled', async () => {
    const stores = await openStores();
    const layer = await storedLayer(
      stores,
      Array.from({ length: 500 }, (_, i) => ({ path: `f${i}`, data: `${i}` })),
    );
    const controller = new AbortController();
    const cancelled = stores.layers.layout([layer], controller.signal);
    const kept = stores.layers.layout([layer]);
    controller.abort(new Error('cancelled by alice'));
    await expect(cancelled).rejects.toThrow('cancelled by alice');
    expect(readdirSync((await kept)[0]!)).toHaveLength(500);
  });

  it('leaves nothing when the only build is cancelled, and the next one starts anew', async () => {
    const stores = await openStores();
    const layer = await storedLayer(
      stores,
      Array.from({ length: 3000 }, (_, i) => ({ path: `f${i}`, data: `${i}` })),
    );
    const controller = new AbortController();
    const cancelled = stores.layers.layout([layer], controller.signal);
    const waiting = setInterval(
      () => tmp(stores.directory).length > 0 && controller.abort(new Error('cancelled')),
      1,
    );
    await expect(cancelled).rejects.toThrow('cancelled');
    clearInterval(waiting);
    expect(tmp(stores.directory)).toEqual([]);
    expect(readdirSync((await stores.layers.layout([layer]))[0]!)).toHaveLength(3000);
  });

  it('names the layer that is damaged, and keeps nothing of it', async () => {
    const stores = await openStores();
    const good = await storedLayer(stores, [{ path: 'a', data: 'a' }]);
    const bad = { ...good, diffId: `sha256:${'0'.repeat(64)}` };
    const attempt = stores.layers.layout([bad]);
    await expect(attempt).rejects.toMatchObject({
      code: 'layer_invalid',
      message: expect.stringContaining(good.digest),
    });
    expect(await stores.layers.has(bad.diffId)).toBe(false);
    expect(tmp(stores.directory)).toEqual([]);
  });

  it('says when a blob is not there, and refuses a layer beyond the limit', async () => {
    const stores = await openStores(testDirectory(), { maxLayerBytes: 4096 });
    const layer = await storedLayer(stores, [{ path: 'a', data: 'a'.repeat(10_000) }]);
    await expect(stores.layers.layout([layer])).rejects.toMatchObject({
      code: 'layer_invalid',
      hint: expect.stringContaining('disk'),
    });
    await stores.blobs.remove(layer.digest);
    await expect(stores.layers.layout([layer])).rejects.toMatchObject({
      code: 'layer_invalid',
      message: expect.stringContaining('not in the store'),
    });
  });

  it('says that the disk is full with the bytes that are free and what to change', async () => {
    const directory = testDirectory();
    run(['mount', '-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', subdirectory(directory, 'layers')]);
    const stores = await openStores(directory);
    const layer = await storedLayer(stores, [{ path: 'a', data: 'a'.repeat(1 << 20) }]);
    const attempt = stores.layers.layout([layer]);
    await expect(attempt).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/\d+ bytes are free/),
      hint: expect.stringContaining('SLIPWAY_STORE_BUDGET_BYTES'),
    });
    expect(tmp(directory)).toEqual([]);
  });

  it('gives fresh times to layers made of a git tree, and only to them', async () => {
    const stores = await openStores();
    const fresh = await storedLayer(stores, [{ path: 'a', mtime: 1000 }], { freshTimes: true });
    const own = await storedLayer(stores, [{ path: 'b', mtime: 1000 }]);
    const [top, bottom] = await stores.layers.layout([fresh, own]);
    expect(statSync(join(bottom!, 'a')).mtimeMs).toBeGreaterThan(Date.now() - 600_000);
    expect(statSync(join(top!, 'b')).mtimeMs).toBe(1_000_000);
  });

  it('adopts what a step left as the lay-out of its layer, once', async () => {
    const stores = await openStores();
    const base = await storedLayer(stores, [{ path: 'a', data: 'a' }]);
    const made = { ...base, diffId: `sha256:${'1'.repeat(64)}`, digest: `sha256:${'2'.repeat(64)}` };
    for (const text of ['first', 'second']) {
      const scratch = await stores.layers.newScratch();
      const upper = join(scratch, 'upper');
      const lowers = await stores.layers.layout([base]);
      {
        await using overlay = await mountedOverlay({ scratch, lowers, upper });
        writeFileSync(join(overlay.path, 'b'), text);
      }
      await stores.layers.adopt(made, lowers, upper);
      expect(existsSync(upper)).toBe(false);
      await stores.layers.removeScratch(scratch);
    }
    const [top] = await stores.layers.layout([base, made]);
    expect(readFileSync(join(top!, 'b'), 'utf8')).toBe('first');
    expect(tmp(stores.directory)).toEqual([]);
  });

  it('removes a lay-out at once and tells when each was used last', async () => {
    const stores = await openStores();
    const layer = await storedLayer(stores, [{ path: 'a', data: 'a'.repeat(100_000) }]);
    const [root] = await stores.layers.layout([layer]);
    utimesSync(join(root!, '..'), 1000, 1000);
    expect(await stores.layers.list()).toEqual([{ chainId: layer.diffId, lastUsedAt: 1_000_000 }]);
    await stores.layers.layout([layer]);
    expect((await stores.layers.list())[0]!.lastUsedAt).toBeGreaterThan(1_000_000);
    expect(await stores.layers.size(layer.diffId)).toBeGreaterThan(100_000);
    await stores.layers.remove(layer.diffId);
    await stores.layers.remove(layer.diffId);
    expect(await stores.layers.list()).toEqual([]);
  });
});

describe('what a killed builder left', () => {
  it('is removed at the next start, mounts first; what a living one has stays', async () => {
    const stores = await openStores();
    const mine = await stores.layers.newScratch();
    const child = spawn('sleep', ['600']);
    const theirs = await new Temporaries(join(stores.directory, 'layers/tmp')).newPath();
    const ofChild = theirs.replace(/\/\d+-\d+-/, `/${child.pid}-${startTime(child.pid!)}-`);
    mkdirSync(ofChild);
    const lower = subdirectory(stores.directory, 'lower');
    writeFileSync(join(lower, 'precious'), 'p');
    await mountedOverlay({ scratch: ofChild, lowers: [lower], upper: join(ofChild, 'upper') });
    expect(mountsBelow(ofChild)).toHaveLength(1);

    await openStores(stores.directory);
    expect(existsSync(join(ofChild, 'merged/precious'))).toBe(true);

    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    await openStores(stores.directory);
    expect(mountsBelow(stores.directory)).toEqual([]);
    expect(existsSync(ofChild)).toBe(false);
    expect(existsSync(mine)).toBe(true);
    expect(readFileSync(join(lower, 'precious'), 'utf8')).toBe('p');
  });

  it('is known although its process id was given to another process', async () => {
    const stores = await openStores();
    const stale = join(stores.directory, 'layers/tmp', `${process.pid}-1-abc`);
    mkdirSync(stale);
    await openStores(stores.directory);
    expect(existsSync(stale)).toBe(false);
  });
});

it('does not trust what was made in the last moments before a reboot', async () => {
  const stores = await openStores();
  const [old, late] = [
    await storedLayer(stores, [{ path: 'old' }]),
    await storedLayer(stores, [{ path: 'late' }]),
  ];
  await stores.layers.layout([old]);
  await stores.layers.layout([late]);
  const longAgo = Date.now() / 1000 - 3600;
  utimesSync(join(stores.directory, 'layers/sha256', digestHex(old.diffId), 'made'), longAgo, longAgo);
  utimesSync(stores.blobs.path(old.digest), longAgo, longAgo);
  for (const store of ['layers', 'blobs'])
    writeFileSync(join(stores.directory, store, 'boot'), 'an earlier boot');
  const { blobs, layers } = await openStores(stores.directory);
  expect([await layers.has(old.diffId), await layers.has(late.diffId)]).toEqual([true, false]);
  expect([await blobs.has(old.digest), await blobs.has(late.digest)]).toEqual([true, false]);
});

function startTime(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')[19]!;
}

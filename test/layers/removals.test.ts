import { existsSync } from 'node:fs';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Removals } from '../../src/layers/removals.js';
import { temporaryDirectory } from '../support/directories.js';
import { openStores, storedLayer } from './stores.js';

const LONG_AGO = new Date(2001, 1, 1);
const ROUNDS = 300;

it('a lay-out that a build was told of is not out of sight for a moment, whatever a cleaning does', async () => {
  const stores = await openStores();
  const other = await openStores(stores.directory);
  const layer = await storedLayer(stores, [{ path: 'a', data: 'x' }]);
  for (let round = 0; round < ROUNDS; round++) {
    const [root = ''] = await stores.layers.layout([layer]);
    await utimes(join(root, '..'), LONG_AGO, LONG_AGO);
    const [old] = await other.layers.list();
    const removing = other.layers.removeUnused(old!);
    // The two meet at another place each time.
    for (let turn = 0; turn < round % 10; turn++) await setImmediate();
    const [path = ''] = await stores.layers.layout([layer]);
    for (let isOver = false; !isOver; ) {
      isOver = await Promise.race([removing.then(() => true), setImmediate(false)]);
      expect([round, existsSync(join(path, 'a'))]).toEqual([round, true]);
    }
  }
});

it('a blob that a build has marked is there, whatever a cleaning does', async () => {
  const stores = await openStores();
  const other = await openStores(stores.directory);
  for (let round = 0; round < ROUNDS; round++) {
    const { digest } = await storedLayer(stores, [{ path: 'a', data: 'x' }]);
    await utimes(stores.blobs.path(digest), LONG_AGO, LONG_AGO);
    const [old] = await other.blobs.list();
    const seen = stores.blobs.use(digest).then((isHere) => isHere === existsSync(stores.blobs.path(digest)));
    await other.blobs.removeUnused(old!);
    expect([round, await seen]).toEqual([round, true]);
  }
});

it('a blob that is written anew stays, whatever a cleaning does', async () => {
  const stores = await openStores();
  const other = await openStores(stores.directory);
  for (let round = 0; round < ROUNDS; round++) {
    const { digest } = await storedLayer(stores, [{ path: 'a', data: 'x' }]);
    await utimes(stores.blobs.path(digest), LONG_AGO, LONG_AGO);
    const [old] = await other.blobs.list();
    const removing = other.blobs.removeUnused(old!);
    for (let turn = 0; turn < round % 10; turn++) await setImmediate();
    await storedLayer(stores, [{ path: 'a', data: 'x' }]);
    for (let isOver = false; !isOver; ) {
      isOver = await Promise.race([removing.then(() => true), setImmediate(false)]);
      expect([round, existsSync(stores.blobs.path(digest))]).toEqual([round, true]);
    }
  }
});

it('the mark of a cleaning that was killed keeps nobody waiting for ever', async () => {
  const directory = await temporaryDirectory();
  const removals = new Removals(directory);
  await removals.open();
  await writeFile(join(directory, 'entry'), '');
  await utimes(join(directory, 'entry'), LONG_AGO, LONG_AGO);
  await removals.decided('entry');
  expect(await removals.marked('entry', async () => 'taken')).toBe('taken');
});

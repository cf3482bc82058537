import { beforeEach, describe, expect, test } from 'vitest';
import { EndedDeployments } from '../../src/metrics/ended.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { temporaryDirectory } from '../support/directories.js';

let now: number;
let store: DeploymentStore;
const clock = { now: (): number => now };

beforeEach(async () => {
  now = Date.parse('2026-01-01T00:00:00Z');
  store = new DeploymentStore(await temporaryDirectory(), clock);
});

async function accept(app = 'hello'): Promise<string> {
  return (await store.create(app, { kind: 'restart', who: 'alice' })).id;
}

describe('what has ended', () => {
  test('is told once, however long it took, and not what had ended before', async () => {
    const old = await accept();
    await store.end('hello', old, { state: 'cancelled' });
    now += 10;
    const ended = new EndedDeployments(store, clock);
    expect(await ended.take()).toEqual([]);
    const [quick, slow] = [await accept(), await accept('shop')];
    await store.end('hello', quick, { state: 'superseded' });
    expect((await ended.take()).map(({ state }) => state)).toEqual(['superseded']);
    expect(await ended.take()).toEqual([]);
    now += 10 * 60_000;
    await ended.take();
    await store.end('shop', slow, { state: 'cancelled' });
    expect((await ended.take()).map(({ state }) => state)).toEqual(['cancelled']);
    expect(await ended.take()).toEqual([]);
  });

  test('is told also when its journal appears after its id was given out', async () => {
    const ended = new EndedDeployments(store, clock);
    const id = store.newId();
    now += 30_000;
    const later = await accept();
    await store.end('hello', later, { state: 'cancelled' });
    expect(await ended.take()).toHaveLength(1);
    await store.create('hello', { id, kind: 'restart', who: 'alice' });
    await store.end('hello', id, { state: 'superseded' });
    expect((await ended.take()).map(({ state }) => state)).toEqual(['superseded']);
  });

  test('leaves out what was destroyed meanwhile', async () => {
    const ended = new EndedDeployments(store, clock);
    await accept();
    await ended.take();
    await store.setAside('hello');
    expect(await ended.take()).toEqual([]);
  });
});

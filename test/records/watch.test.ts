import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import type { Deployment } from '../../src/model/deployment.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { temporaryDirectory } from '../support/directories.js';

let home: string;
let store: DeploymentStore;

beforeEach(async () => {
  home = await temporaryDirectory();
  store = new DeploymentStore(home);
});

async function collect(id: string, signal = new AbortController().signal): Promise<Deployment[]> {
  const seen: Deployment[] = [];
  for await (const deployment of store.watch('hello', id, signal)) seen.push(deployment);
  return seen;
}

describe('watching a deployment', () => {
  it('shows it as it is, then each change, and ends after the final state', async () => {
    const { id } = await store.create('hello', { kind: 'rollback', who: 'alice' });
    const states: string[] = [];
    for await (const deployment of store.watch('hello', id, new AbortController().signal)) {
      states.push(deployment.state);
      // Each step is taken only when the last was seen, so no state may be missing.
      if (deployment.state === 'accepted')
        await store.append('hello', id, { type: 'release', at: 1, number: 1 });
      else if (deployment.state === 'ready') await store.claim('hello', id, 'rollout', 'deployer');
      else if (deployment.state === 'releasing') {
        await store.end('hello', id, { state: 'live', claim: deployment.claim?.token ?? '' });
      }
    }
    expect(states).toEqual(['accepted', 'ready', 'releasing', 'live']);
  });

  it('that has ended shows it once', async () => {
    const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
    await store.end('hello', id, { state: 'cancelled' });
    expect((await collect(id)).map((deployment) => deployment.state)).toEqual(['cancelled']);
  });

  it('is told of changes by other processes', async () => {
    const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
    const seen = collect(id);
    const other = new DeploymentStore(home);
    await other.append('hello', id, { type: 'release', at: 1, number: 4 });
    await other.end('hello', id, { state: 'superseded', reason: 'by v5' });
    expect((await seen).at(-1)).toMatchObject({ state: 'superseded', reason: 'by v5', release: 4 });
  });

  it('never misses the final state, however fast it comes', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
      const [seen] = await Promise.all([
        collect(id),
        store.end('hello', id, { state: 'failed', reason: 'fast' }),
      ]);
      expect(seen.at(-1)?.state).toBe('failed');
    }
  });

  it('says nothing when a line changes nothing', async () => {
    const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
    const states: string[] = [];
    for await (const deployment of store.watch('hello', id, new AbortController().signal)) {
      states.push(deployment.state);
      if (deployment.state !== 'accepted') continue;
      await appendFile(join(homePaths(home).deployments, 'hello', id, 'journal'), '\n{"torn');
      await store.append('hello', id, { type: 'ended', at: 1, state: 'live' });
      setTimeout(() => void store.end('hello', id, { state: 'cancelled' }), 20);
    }
    expect(states).toEqual(['accepted', 'cancelled']);
  });

  it('ends without an error when the viewer leaves', async () => {
    const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
    const leaving = new AbortController();
    const states: string[] = [];
    for await (const deployment of store.watch('hello', id, leaving.signal)) {
      states.push(deployment.state);
      setTimeout(() => leaving.abort(), 20);
    }
    expect(states).toEqual(['accepted']);
    expect(await collect(id, leaving.signal)).toEqual([]);
  });

  it('is not_found when there is none', async () => {
    await expect(collect(store.newId())).rejects.toMatchObject({ code: 'not_found' });
  });

  it('serves a hundred viewers of one deployment', async () => {
    const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
    const viewers = Array.from({ length: 100 }, () => collect(id));
    await store.append('hello', id, { type: 'release', at: 1, number: 4 });
    await store.end('hello', id, { state: 'failed' });
    for (const seen of await Promise.all(viewers)) expect(seen.at(-1)?.state).toBe('failed');
  });
});

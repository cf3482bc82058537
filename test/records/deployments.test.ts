import { appendFile, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import type { PushedCommit } from '../../src/model/deployment.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';

const push: PushedCommit = {
  ref: 'refs/heads/main',
  oldOid: '0'.repeat(40),
  newOid: 'a'.repeat(40),
  options: { detach: false, noCache: false, buildOnly: false },
};
const accepted = { kind: 'push', who: 'alice', push } as const;

let home: string;
let clock: HeldClock;
let store: DeploymentStore;

beforeEach(async () => {
  home = await temporaryDirectory();
  clock = new HeldClock(Date.now());
  store = new DeploymentStore(home, clock);
});

const markers = async (): Promise<string[]> => (await readdir(homePaths(home).openDeployments)).sort();
const journal = (app: string, id: string): string => join(homePaths(home).deployments, app, id, 'journal');

describe('creating a deployment', () => {
  it('makes it open, readable and found by another process', async () => {
    const created = await store.create('hello', accepted);
    expect(created).toMatchObject({ app: 'hello', state: 'accepted', kind: 'push', who: 'alice', push });
    const other = new DeploymentStore(home, clock);
    expect(await other.get('hello', created.id)).toEqual(created);
    expect(await other.open()).toEqual([created]);
  });

  it('takes the id that the caller pinned', async () => {
    const id = store.newId();
    expect((await store.create('hello', { ...accepted, id })).id).toBe(id);
  });

  it('refuses an id that exists and leaves the first as it was', async () => {
    const { id } = await store.create('hello', accepted);
    await expect(store.create('hello', { ...accepted, id, who: 'bob' })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect((await store.get('hello', id))?.who).toBe('alice');
  });

  it('refuses an ended id, and does not open it again', async () => {
    const { id } = await store.create('hello', accepted);
    await store.end('hello', id, { state: 'cancelled' });
    await expect(store.create('hello', { ...accepted, id })).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.open()).toEqual([]);
    expect(await markers()).toEqual([]);
  });

  it.each(['../hello', 'a/b', '-rf', '', '.open', 'UPPER', 'a+b'])('refuses the app name %j', async (app) => {
    await expect(store.create(app, accepted)).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(store.get(app, 'b123456789012')).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(store.list(app)).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(store.open(app)).rejects.toMatchObject({ code: 'invalid_name' });
    expect(() => store.logPath(app, 'b123456789012')).toThrow(
      expect.objectContaining({ code: 'invalid_name' }),
    );
  });

  it.each(['..', '../../x', 'b1', '-b1234567890'])('refuses the id %j', async (id) => {
    await expect(store.create('hello', { ...accepted, id })).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(store.get('hello', id)).rejects.toMatchObject({ code: 'invalid_name' });
    expect(() => store.logPath('hello', id)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
  });

  it('keeps records away from other users of the machine', async () => {
    const { id } = await store.create('hello', accepted);
    expect((await stat(journal('hello', id))).mode & 0o777).toBe(0o600);
    expect((await stat(homePaths(home).deployments)).mode & 0o077).toBe(0);
  });
});

describe('a crash while a deployment is created', () => {
  it('leaves a marker that is reported as nothing and goes after a minute', async () => {
    const id = store.newId();
    await mkdir(homePaths(home).openDeployments, { recursive: true });
    await writeFile(join(homePaths(home).openDeployments, `hello+${id}`), '');
    expect(await store.open()).toEqual([]);
    expect(await markers()).toEqual([`hello+${id}`]);
    clock.advance(61_000);
    expect(await store.open()).toEqual([]);
    expect(await markers()).toEqual([]);
  });

  it('within the first line leaves no deployment', async () => {
    const { id } = await store.create('hello', accepted);
    const whole = await readFile(journal('hello', id));
    await writeFile(journal('hello', id), whole.subarray(0, whole.length - 5));
    expect(await store.get('hello', id)).toBeUndefined();
    expect(await store.list('hello')).toEqual([]);
    expect(await store.open()).toEqual([]);
    await expect(store.append('hello', id, { type: 'cancel', at: 1, who: 'bob' })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('never takes away the marker of a deployment whose creator was slow', async () => {
    const { id } = await store.create('hello', accepted);
    const path = join(homePaths(home).openDeployments, `hello+${id}`);
    await utimes(path, 0, 0);
    expect(await store.open()).toHaveLength(1);
    expect(await markers()).toEqual([`hello+${id}`]);
  });

  it('passes over names in the marker directory that are not markers', async () => {
    const { id } = await store.create('hello', accepted);
    for (const name of ['x', '..+b123456789012', 'hello+..', `hello+${id}+`, 'README']) {
      await writeFile(join(homePaths(home).openDeployments, name), '');
    }
    expect((await store.open()).map((deployment) => deployment.id)).toEqual([id]);
  });
});

describe('appending', () => {
  it('returns the deployment after the event', async () => {
    const { id } = await store.create('hello', { kind: 'rollback', who: 'alice' });
    const ready = await store.append('hello', id, { type: 'release', at: 2, number: 3 });
    expect(ready).toMatchObject({ state: 'ready', release: 3 });
  });

  it('to what does not exist is not_found, and creates nothing', async () => {
    const id = store.newId();
    await expect(store.append('hello', id, { type: 'cancel', at: 1, who: 'bob' })).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(await store.get('hello', id)).toBeUndefined();
  });

  it('goes on behind a torn line', async () => {
    const { id } = await store.create('hello', accepted);
    await appendFile(journal('hello', id), '\n{"type":"cancel","at":1,"wh');
    const after = await store.append('hello', id, { type: 'cancel', at: 2, who: 'bob' });
    expect(after.cancelledBy).toBe('bob');
  });
});

describe('a claim', () => {
  it('is current until it is taken over', async () => {
    const { id } = await store.create('hello', accepted);
    const first = await store.claim('hello', id, 'build', 'builder-1');
    expect(await first?.isCurrent()).toBe(true);
    const second = await store.claim('hello', id, 'build', 'builder-2');
    expect(await first?.isCurrent()).toBe(false);
    expect(await second?.isCurrent()).toBe(true);
  });

  it('that was taken over can end nothing; the newer one can', async () => {
    const { id } = await store.create('hello', accepted);
    const first = await store.claim('hello', id, 'build', 'builder-1');
    const second = await store.claim('hello', id, 'build', 'builder-2');
    const stale = await store.end('hello', id, {
      state: 'failed',
      reason: 'late',
      claim: first?.token ?? '',
    });
    expect(stale.state).toBe('building');
    expect(await markers()).toHaveLength(1);
    const ended = await store.end('hello', id, {
      state: 'failed',
      reason: 'right',
      claim: second?.token ?? '',
    });
    expect(ended).toMatchObject({ state: 'failed', reason: 'right' });
    expect(await second?.isCurrent()).toBe(false);
  });

  it('is not given, and not written, where there is nothing to claim', async () => {
    const { id } = await store.create('hello', { kind: 'config', who: 'alice' });
    const before = await readFile(journal('hello', id), 'utf8');
    expect(await store.claim('hello', id, 'build', 'builder')).toBeUndefined();
    expect(await store.claim('hello', id, 'rollout', 'deployer')).toBeUndefined();
    expect(await store.claim('hello', store.newId(), 'build', 'builder')).toBeUndefined();
    expect(await readFile(journal('hello', id), 'utf8')).toBe(before);
  });

  it('of ten workers at once is current for exactly one', async () => {
    const { id } = await store.create('hello', accepted);
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        new DeploymentStore(home).claim('hello', id, 'build', `builder-${n}`),
      ),
    );
    const current = await Promise.all(claims.map((claim) => claim?.isCurrent() ?? false));
    expect(current.filter(Boolean)).toHaveLength(1);
  });

  it('ends when the records of the app are gone', async () => {
    const { id } = await store.create('hello', accepted);
    const claim = await store.claim('hello', id, 'build', 'builder');
    await rm(homePaths(home).deployments, { recursive: true });
    expect(await claim?.isCurrent()).toBe(false);
  });
});

describe('ending', () => {
  it('removes the open marker', async () => {
    const { id } = await store.create('hello', accepted);
    await store.end('hello', id, { state: 'superseded', reason: 'by b2', code: 'superseded' });
    expect(await markers()).toEqual([]);
    expect(await store.open()).toEqual([]);
    expect(await store.get('hello', id)).toMatchObject({
      state: 'superseded',
      reason: 'by b2',
      code: 'superseded',
    });
  });

  it('happens once: of many at the same time the first line holds for all', async () => {
    const { id } = await store.create('hello', accepted);
    const ends = await Promise.all(
      Array.from({ length: 8 }, (_, n) => store.end('hello', id, { state: 'cancelled', reason: `by ${n}` })),
    );
    expect(new Set(ends.map((end) => end.reason)).size).toBe(1);
  });

  it('without a claim does not touch what a worker holds', async () => {
    const { id } = await store.create('hello', accepted);
    await store.claim('hello', id, 'build', 'builder');
    expect((await store.end('hello', id, { state: 'superseded' })).state).toBe('building');
  });

  it('followed by a crash leaves a marker that the next reader removes', async () => {
    const { id } = await store.create('hello', accepted);
    await store.end('hello', id, { state: 'cancelled' });
    await writeFile(join(homePaths(home).openDeployments, `hello+${id}`), '');
    expect(await store.open()).toEqual([]);
    expect(await markers()).toEqual([]);
  });
});

describe('finding deployments', () => {
  it('lists the newest first, in pages', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) ids.unshift((await store.create('hello', accepted)).id);
    await store.create('other', accepted);
    const page = async (options: { limit?: number; before?: string }): Promise<string[]> =>
      (await store.list('hello', options)).map((deployment) => deployment.id);
    expect(await page({})).toEqual(ids);
    expect(await page({ limit: 3 })).toEqual(ids.slice(0, 3));
    expect(await page({ limit: 3, before: ids[2] ?? '' })).toEqual(ids.slice(3, 6));
    expect(await page({ limit: 0 })).toEqual([]);
  });

  it('reads only as many journals as it returns', async () => {
    const { id: old } = await store.create('hello', accepted);
    const { id: newest } = await store.create('hello', accepted);
    // A directory in the place of a journal makes a read of it an error.
    await rm(journal('hello', old));
    await mkdir(journal('hello', old));
    expect((await store.list('hello', { limit: 1 })).map((deployment) => deployment.id)).toEqual([newest]);
    await expect(store.list('hello', { limit: 2 })).rejects.toThrow();
  });

  it('gives the open ones of one app or all, oldest first', async () => {
    const first = await store.create('hello', accepted);
    clock.advance(5);
    const second = await store.create('other', accepted);
    clock.advance(5);
    const third = await store.create('hello', accepted);
    expect((await store.open()).map((deployment) => deployment.id)).toEqual([first.id, second.id, third.id]);
    expect((await store.open('hello')).map((deployment) => deployment.id)).toEqual([first.id, third.id]);
  });

  it('of an app that never deployed is empty', async () => {
    expect(await store.list('hello')).toEqual([]);
    expect(await store.open()).toEqual([]);
  });
});

describe('setting an app aside', () => {
  it('leaves nothing of it to a new app of the same name', async () => {
    const { id } = await store.create('hello', accepted);
    await writeFile(store.logPath('hello', id), 'secret of the first app');
    await store.create('other', accepted);
    const moved = await store.setAside('hello');
    expect(await store.list('hello')).toEqual([]);
    expect(await store.get('hello', id)).toBeUndefined();
    expect((await store.open()).map((deployment) => deployment.app)).toEqual(['other']);
    expect(await readFile(join(moved ?? '', id, 'log'), 'utf8')).toContain('secret');
    expect(await store.setAside('hello')).toBeUndefined();
  });
});

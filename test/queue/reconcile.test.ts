import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Ledger, type ReleaseDraft } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { createLogger } from '../../src/log.js';
import type { Deployment, PushedCommit } from '../../src/model/deployment.js';
import { type ReconcileParts, reconcile } from '../../src/queue/reconcile.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { HeldClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/directories.js';
import { releaseDraft } from '../support/release-draft.js';
import { commitFile, git } from '../support/repository.js';

const at = '2026-01-01T00:00:00.000Z';

let home: string;
let clock: HeldClock;
let store: DeploymentStore;
let ledger: Ledger;
let source: string;
let enqueued: string[];
let parts: ReconcileParts;

const gitDir = (app: string): string => join(homePaths(home).appRepositories, `${app}.git`);
const pin = (id: string): Promise<void> => new AppRepositories(homePaths(home), git).pin('hello', id, source);

beforeEach(async () => {
  home = await temporaryDirectory();
  clock = new HeldClock(Date.now());
  store = new DeploymentStore(home, clock);
  const vault = await Vault.open(homePaths(home).secretKey);
  const repositories = new AppRepositories(homePaths(home), git);
  const createRepository = (app: string, branch: string): Promise<void> => repositories.ensure(app, branch);
  ledger = new Ledger(homePaths(home), git, vault, { clock, createRepository });
  for (const app of ['hello', 'other']) await ledger.createApp(app, { deployBranch: 'main' }, 'alice');
  source = await commitFile(gitDir('hello'), 'Dockerfile', 'FROM scratch\n');
  enqueued = [];
  parts = {
    store,
    ledger,
    clock,
    queues: {
      enqueueBuild: async (app) => enqueued.push(`build ${app}`) > 0,
      enqueueRollout: async (app) => enqueued.push(`rollout ${app}`) > 0,
    },
    repositories,
    log: createLogger('test', 'silent'),
  };
});

async function pushed(app = 'hello'): Promise<Deployment> {
  const push: PushedCommit = {
    ref: 'refs/heads/main',
    oldOid: '0'.repeat(40),
    newOid: source,
    options: { detach: false, noCache: false, buildOnly: false },
  };
  return store.create(app, { kind: 'push', who: 'alice', push });
}

const draft = (deploymentId: string): ReleaseDraft => releaseDraft('hello', { source, deploymentId });

/** A push as far as `ready`, with its release. */
async function built(): Promise<Deployment & { number: number }> {
  const { id } = await pushed();
  await pin(id);
  const claim = await store.claim('hello', id, 'build', 'builder');
  const { number } = await ledger.appendRelease('hello', draft(id), 'alice');
  const ready = await store.append('hello', id, {
    type: 'release',
    at: 1,
    claim: claim?.token ?? '',
    number,
  });
  return { ...ready, number };
}

describe('an accepted push', () => {
  it('goes back to the builders, once per app', async () => {
    for (let n = 0; n < 2; n += 1) await pin((await pushed()).id);
    await reconcile(parts);
    expect(enqueued).toEqual(['build hello']);
  });

  it('that a dead builder claimed goes back to the builders', async () => {
    const { id } = await pushed();
    await store.claim('hello', id, 'build', 'builder');
    await reconcile(parts);
    expect(enqueued).toEqual(['build hello']);
  });

  it('that was never pinned is left alone for a minute and then told to come again', async () => {
    const { id } = await pushed();
    clock.advance(59_000);
    await reconcile(parts);
    expect((await store.get('hello', id))?.state).toBe('accepted');
    clock.advance(2_000);
    await reconcile(parts);
    expect(await store.get('hello', id)).toMatchObject({
      state: 'failed',
      reason: 'was interrupted before it was accepted; push again',
    });
    expect(enqueued).toEqual([]);
    expect(await store.open()).toEqual([]);
  });

  it('whose commit its builder has yet to fetch is kept without a pin', async () => {
    const from = { remote: 'https://git.example.com/shop.git', ref: 'refs/heads/main' };
    const options = { detach: true, noCache: false, buildOnly: false };
    const push = { ref: 'refs/heads/main', oldOid: '0'.repeat(40), newOid: source, options, from };
    const { id } = await store.create('hello', { kind: 'push', who: 'alice', push });
    clock.advance(3600_000);
    await reconcile(parts);
    expect([(await store.get('hello', id))?.state, enqueued]).toEqual(['accepted', ['build hello']]);
  });

  it('that is pinned is kept, however old it is', async () => {
    const { id } = await pushed();
    await pin(id);
    clock.advance(86_400_000);
    await reconcile(parts);
    expect((await store.get('hello', id))?.state).toBe('accepted');
    expect(enqueued).toEqual(['build hello']);
  });
});

describe('a deployment with a release', () => {
  it('goes to the deployers', async () => {
    const { id } = await built();
    await reconcile(parts);
    await store.claim('hello', id, 'rollout', 'deployer');
    await reconcile(parts);
    expect(enqueued).toEqual(['rollout hello', 'rollout hello']);
  });

  it('that the ledger says is live is left to the deployer', async () => {
    const { id, number } = await built();
    await store.claim('hello', id, 'rollout', 'deployer');
    await ledger.recordOutcome('hello', number, { state: 'live', at });
    await reconcile(parts);
    expect((await store.get('hello', id))?.state).toBe('releasing');
    expect(enqueued).toEqual(['rollout hello']);
  });

  it('that ended gives its release that outcome', async () => {
    const { id, number } = await built();
    await store.end('hello', id, { state: 'superseded', reason: 'superseded by build b2' });
    const endedAt = new Date(clock.now()).toISOString();
    clock.advance(5000);
    await reconcile(parts);
    const { releases } = await ledger.read('hello');
    expect(releases.find((release) => release.number === number)?.outcome).toEqual({
      state: 'superseded',
      at: endedAt,
      reason: 'superseded by build b2',
    });
    const { head } = await ledger.read('hello');
    await reconcile(parts);
    expect((await ledger.read('hello')).head).toBe(head);
    expect(enqueued).toEqual([]);
  });

  it('whose record is lost fails its release after a minute', async () => {
    const { number } = await built();
    await rm(homePaths(home).deployments, { recursive: true });
    await reconcile(parts);
    expect((await ledger.read('hello')).releases[number - 1]?.outcome).toBeUndefined();
    clock.advance(61_000);
    await reconcile(parts);
    expect((await ledger.read('hello')).releases[number - 1]?.outcome).toMatchObject({ state: 'failed' });
  });
});

describe.each(['rollback', 'config'] as const)('an accepted %s', (kind) => {
  it('whose release is in the ledger goes on with it', async () => {
    const { id } = await store.create('hello', { kind, who: 'alice' });
    const { number } = await ledger.appendRelease('hello', { ...draft(id), kind }, 'alice');
    await reconcile(parts);
    expect(await store.get('hello', id)).toMatchObject({ state: 'ready', release: number });
    expect(enqueued).toEqual(['rollout hello']);
  });

  it('without a release fails after a minute, not before', async () => {
    const { id } = await store.create('hello', { kind, who: 'alice' });
    await reconcile(parts);
    expect((await store.get('hello', id))?.state).toBe('accepted');
    clock.advance(61_000);
    await reconcile(parts);
    expect(await store.get('hello', id)).toMatchObject({
      state: 'failed',
      reason: 'was interrupted before it was accepted; try again',
    });
    expect(enqueued).toEqual([]);
  });
});

describe('an app that is gone', () => {
  it('ends what was open, also what a worker still holds', async () => {
    const waiting = await pushed();
    const held = await pushed();
    const claim = await store.claim('hello', held.id, 'build', 'builder');
    const released = await built();
    await store.claim('hello', released.id, 'rollout', 'deployer');
    await ledger.destroyApp('hello', 'alice');
    await reconcile(parts);
    for (const { id } of [waiting, held, released]) {
      expect(await store.get('hello', id)).toMatchObject({
        state: 'cancelled',
        reason: 'the app was destroyed',
      });
    }
    expect(await claim?.isCurrent()).toBe(false);
    expect(await store.open()).toEqual([]);
    expect(enqueued).toEqual([]);
  });
});

describe('trouble', () => {
  it('with one app does not keep the others waiting', async () => {
    await pushed('hello');
    const { id } = await pushed('other');
    const own = await commitFile(gitDir('other'), 'Dockerfile', 'FROM scratch\n');
    await new AppRepositories(homePaths(home), git).pin('other', id, own);
    const pins = async (app: string): Promise<Map<string, string>> => {
      if (app === 'hello') throw new Error('the repository cannot be read');
      return parts.repositories.pins(app);
    };
    await reconcile({ ...parts, repositories: { pins } });
    expect(enqueued).toEqual(['build other']);
  });

  it('with Redis stops the enqueueing, not the rest', async () => {
    await pin((await pushed('hello')).id);
    await store.claim('other', (await pushed('other')).id, 'build', 'builder');
    const { id, number } = await built();
    await store.end('hello', id, { state: 'cancelled' });
    let asked = 0;
    const refuse = async (): Promise<boolean> => {
      asked += 1;
      return false;
    };
    await reconcile({ ...parts, queues: { enqueueBuild: refuse, enqueueRollout: refuse } });
    expect(asked).toBe(1);
    expect((await ledger.read('hello')).releases[number - 1]?.outcome?.state).toBe('cancelled');
  });
});

describe('several reconcilers at once', () => {
  it('come to the same end', async () => {
    const interrupted = await pushed();
    const { id } = await store.create('hello', { kind: 'rollback', who: 'alice' });
    await ledger.appendRelease('hello', { ...draft(id), kind: 'rollback' }, 'alice');
    const ended = await built();
    await store.end('hello', ended.id, { state: 'cancelled' });
    clock.advance(61_000);
    await Promise.all(Array.from({ length: 5 }, () => reconcile(parts)));
    expect((await store.get('hello', interrupted.id))?.state).toBe('failed');
    expect((await store.get('hello', id))?.state).toBe('ready');
    const { releases } = await ledger.read('hello');
    expect(releases.map((release) => release.outcome?.state)).toEqual([undefined, 'cancelled']);
    expect(enqueued).toEqual(Array.from({ length: 5 }, () => 'rollout hello'));
  });
});

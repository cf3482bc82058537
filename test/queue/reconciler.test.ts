import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { homePaths } from '../../src/config.js';
import { AppRepositories } from '../../src/git/app-repository.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { Vault } from '../../src/ledger/vault.js';
import { createLogger } from '../../src/log.js';
import { Queues } from '../../src/queue/queues.js';
import { type Reconciler, startReconciler } from '../../src/queue/reconciler.js';
import { type QueueWorker, startWorker } from '../../src/queue/worker.js';
import { DeploymentStore } from '../../src/records/deployments.js';
import { temporaryDirectory } from '../support/directories.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { git } from '../support/repository.js';
import { until } from '../support/until.js';

const log = createLogger('test', 'silent');
const HOUR_MS = 3_600_000;

let redis: TestRedis;
let queues: Queues;
let store: DeploymentStore;
let ledger: Ledger;
let worker: QueueWorker | undefined;
let reconciler: Reconciler | undefined;

beforeEach(async () => {
  const home = await temporaryDirectory();
  redis = await startRedis();
  queues = new Queues(redis.url, { log });
  store = new DeploymentStore(home);
  const real = new AppRepositories(homePaths(home), git);
  const createRepository = (app: string, branch: string): Promise<void> => real.ensure(app, branch);
  ledger = new Ledger(homePaths(home), git, await Vault.open(homePaths(home).secretKey), {
    createRepository,
  });
  for (const app of ['hello', 'other']) await ledger.createApp(app, { deployBranch: 'main' }, 'alice');
});

afterEach(async () => {
  await Promise.all([reconciler?.close(), worker?.close()]);
  await queues.close();
  await redis.stop();
  worker = undefined;
  reconciler = undefined;
});

/** Everything is pinned. */
const repositories = {
  pins: async (app: string): Promise<Map<string, string>> =>
    new Map((await store.open(app)).map(({ id }) => [id, 'f'.repeat(40)])),
};
const start = (intervalMs = HOUR_MS): void => {
  reconciler = startReconciler({ store, ledger, queues, repositories, log, intervalMs });
};
const waiting = async (): Promise<number> => redis.client().llen('slipway:builds:wait');

/** Takes what the reconciler enqueues and ends it as a builder that fails would; the first run waits for the wipe. */
function startBuilder(onFirst: (signal: AbortSignal) => Promise<void>): string[] {
  const ended: string[] = [];
  let runs = 0;
  worker = startWorker({
    queue: 'builds',
    concurrency: 2,
    leaseMs: 1500,
    redisUrl: redis.url,
    log,
    handle: async (app, signal) => {
      runs += 1;
      const [deployment] = await store.open(app);
      if (deployment === undefined) return;
      const claim = await store.claim(app, deployment.id, 'build', `run-${runs}`);
      if (runs === 1) await onFirst(signal);
      const after = await store.end(app, deployment.id, {
        state: 'failed',
        reason: `by run ${runs}`,
        claim: claim?.token ?? '',
      });
      ended.push(after.state);
    },
  });
  return ended;
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

describe('the reconciler', () => {
  it('enqueues at start what was left', async () => {
    await store.create('hello', { kind: 'push', who: 'alice' });
    await store.create('other', { kind: 'push', who: 'alice' });
    start();
    await until(async () => (await waiting()) === 2);
  });

  it('looks again every so often', async () => {
    start(100);
    await until(async () => (await waiting()) === 0);
    await store.create('hello', { kind: 'push', who: 'alice' });
    await until(async () => (await waiting()) === 1);
  });

  it('puts back what FLUSHALL took, again and again', async () => {
    await store.create('hello', { kind: 'push', who: 'alice' });
    start();
    for (let n = 0; n < 3; n += 1) {
      await until(async () => (await waiting()) === 1);
      await redis.client().flushall();
    }
    await until(async () => (await waiting()) === 1);
  });

  it('puts back what a restart of Redis took', async () => {
    await store.create('hello', { kind: 'push', who: 'alice' });
    start();
    await until(async () => (await waiting()) === 1);
    await redis.restart();
    await until(async () => (await waiting()) === 1);
  });

  it('enqueues what was accepted while Redis was away, though nothing in it was lost', async () => {
    start();
    await until(() => queues.ping().then(() => true));
    const client = redis.client();
    process.kill(redis.pid, 'SIGSTOP');
    await store.create('hello', { kind: 'push', who: 'alice' });
    process.kill(redis.pid, 'SIGCONT');
    // Every connection is cut, as by a network that comes back.
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no').catch(() => undefined);
    await until(async () => (await waiting()) === 1);
  });

  it('ends when it is closed, also in the middle', async () => {
    for (let n = 0; n < 20; n += 1) await store.create('hello', { kind: 'push', who: 'alice' });
    start(1);
    await reconciler?.close();
    await reconciler?.close();
  });
});

describe('an accepted push', () => {
  it('ends exactly once though Redis is wiped in the middle of its build', async () => {
    const { id } = await store.create('hello', { kind: 'push', who: 'alice' });
    let begun = false;
    const ended = startBuilder((signal) => {
      begun = true;
      return untilAborted(signal);
    });
    start();
    await until(() => begun);
    await redis.client().flushall();
    await until(() => ended.length > 0);
    expect(await store.get('hello', id)).toMatchObject({ state: 'failed', reason: 'by run 2' });
    expect(ended).toEqual(['failed']);
  });

  it('ends exactly once though Redis is restarted in the middle of its build', async () => {
    const { id } = await store.create('hello', { kind: 'push', who: 'alice' });
    let begun = false;
    const ended = startBuilder((signal) => {
      begun = true;
      return untilAborted(signal);
    });
    start();
    await until(() => begun);
    await redis.restart();
    await until(() => ended.length > 0);
    expect(await store.get('hello', id)).toMatchObject({ state: 'failed', reason: 'by run 2' });
  });
});

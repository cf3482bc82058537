import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/log.js';
import { Queues } from '../../src/queue/queues.js';
import { type QueueWorker, startWorker, type WorkerOptions } from '../../src/queue/worker.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { until } from '../support/until.js';

const log = createLogger('test', 'silent');
const LEASE_MS = 1500;

let redis: TestRedis;
let queues: Queues;
let workers: QueueWorker[];
let children: ChildProcess[];
/** Opened at the end of each test, so that no handler outlives it. */
let released: Promise<void>;
let release: () => void;

beforeEach(async () => {
  redis = await startRedis();
  queues = new Queues(redis.url, { log });
  workers = [];
  children = [];
  released = new Promise((resolve) => {
    release = resolve;
  });
});

afterEach(async () => {
  release();
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(workers.map((worker) => worker.close()));
  await queues.close();
  await redis.stop();
});

function start(handle: WorkerOptions['handle'], more: Partial<WorkerOptions> = {}): QueueWorker {
  const options = {
    queue: 'builds',
    concurrency: 1,
    leaseMs: LEASE_MS,
    redisUrl: redis.url,
    log,
    closeGraceMs: 500,
  } as const;
  const worker = startWorker({ ...options, handle, ...more });
  workers.push(worker);
  return worker;
}

/** Resolves when the test lets it, or rejects with the lease. */
function held(signal: AbortSignal): Promise<void> {
  return Promise.race([
    released,
    new Promise<void>((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
  ]);
}

async function waitingAndActive(queue = 'builds'): Promise<[waiting: number, active: number]> {
  const client = redis.client();
  return [await client.llen(`slipway:${queue}:wait`), await client.llen(`slipway:${queue}:active`)];
}

describe('enqueueing', () => {
  it('hands each app to a worker of its queue', async () => {
    const seen: string[] = [];
    start(async (app) => void seen.push(`build ${app}`));
    start(async (app) => void seen.push(`roll out ${app}`), { queue: 'rollouts' });
    expect(await queues.enqueueBuild('hello')).toBe(true);
    expect(await queues.enqueueRollout('other')).toBe(true);
    await until(() => seen.length === 2);
    expect(seen.sort()).toEqual(['build hello', 'roll out other']);
  });

  it('an app that waits already changes nothing', async () => {
    for (let n = 0; n < 5; n += 1) await queues.enqueueBuild('hello');
    await queues.enqueueBuild('other');
    expect(await waitingAndActive()).toEqual([2, 0]);
    const seen: string[] = [];
    start(async (app) => void seen.push(app));
    await until(async () => seen.length >= 2 && `${await waitingAndActive()}` === '0,0');
    expect(seen.sort()).toEqual(['hello', 'other']);
  });

  it('an app that is worked on makes exactly one more run, after this one', async () => {
    let runs = 0;
    let together = 0;
    let most = 0;
    let letFirstEnd = (): void => {};
    const first = new Promise<void>((resolve) => {
      letFirstEnd = resolve;
    });
    start(
      async () => {
        runs += 1;
        together += 1;
        most = Math.max(most, together);
        if (runs === 1) await first;
        together -= 1;
      },
      { concurrency: 4 },
    );
    await queues.enqueueBuild('hello');
    await until(() => runs === 1);
    for (let n = 0; n < 10; n += 1) await queues.enqueueBuild('hello');
    expect(await waitingAndActive()).toEqual([0, 1]);
    letFirstEnd();
    await until(async () => runs === 2 && `${await waitingAndActive()}` === '0,0');
    await queues.enqueueBuild('last');
    await until(() => runs >= 3);
    expect([runs, most]).toEqual([3, 1]);
  });

  it('leaves nothing of a job in Redis once it is done, well or not', async () => {
    let runs = 0;
    start(async () => {
      runs += 1;
      if (runs === 2) throw new Error('a bug');
    });
    for (const app of ['one', 'two', 'three']) await queues.enqueueBuild(app);
    await until(async () => runs === 3 && `${await waitingAndActive()}` === '0,0');
    const keys = await redis.client().keys('slipway:builds:*');
    expect(keys.filter((key) => /one|two|three/.test(key))).toEqual([]);
    expect(keys.filter((key) => /completed|failed/.test(key))).toEqual([]);
  });

  it('puts no more into a job than the name of the app', async () => {
    await queues.enqueueBuild('hello');
    const client = redis.client();
    const [key] = await client.keys('slipway:builds:hello-*');
    expect(await client.hget(key!, 'data')).toBe('{"app":"hello"}');
  });

  it('says false while Redis is gone, and works again once it is back', async () => {
    await queues.ping();
    await redis.restart();
    await until(() =>
      queues.ping().then(
        () => true,
        () => false,
      ),
    );
    process.kill(redis.pid, 'SIGSTOP');
    try {
      expect(await queues.enqueueBuild('hello')).toBe(false);
      await expect(queues.ping()).rejects.toMatchObject({ code: 'unavailable', temporary: true });
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    expect(await queues.enqueueBuild('other')).toBe(true);
  });
});

describe('a handler', () => {
  it('that throws is logged, and the worker goes on', async () => {
    const lines: string[] = [];
    const { pino } = await import('pino');
    const seen: string[] = [];
    start(
      async (app) => {
        seen.push(app);
        if (app === 'broken') throw new Error('a bug in the builder');
      },
      { log: pino({ level: 'error' }, { write: (line: string) => void lines.push(line) }) },
    );
    await queues.enqueueBuild('broken');
    await queues.enqueueBuild('hello');
    await until(() => seen.length === 2);
    expect(lines.join('')).toContain('a bug in the builder');
    expect(lines.join('')).toContain('"app":"broken"');
    // It can be enqueued again: nothing remembers the failure.
    await queues.enqueueBuild('broken');
    await until(() => seen.length === 3);
  });

  it('keeps its lease for as long as it works', async () => {
    let runs = 0;
    let aborted = false;
    start(async (_app, signal) => {
      runs += 1;
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      await held(signal);
    });
    start(async () => {
      runs += 1;
    });
    await queues.enqueueBuild('hello');
    await until(() => runs === 1);
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 4));
    expect([runs, aborted]).toEqual([1, false]);
  });

  it('is aborted when its lock is gone', async () => {
    let reason: unknown;
    start(async (_app, signal) => {
      await held(signal).catch((thrown) => {
        reason = thrown;
      });
    });
    await queues.enqueueBuild('hello');
    const client = redis.client();
    await until(async () => (await client.keys('slipway:builds:*:lock')).length === 1);
    await client.del(...(await client.keys('slipway:builds:*:lock')));
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ code: 'lease_lost' });
  });

  it('is aborted when Redis is silent for longer than the lease', async () => {
    let reason: unknown;
    let begun = false;
    start(async (_app, signal) => {
      begun = true;
      await held(signal).catch((thrown) => {
        reason = thrown;
      });
    });
    await queues.enqueueBuild('hello');
    await until(() => begun);
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await until(() => reason !== undefined);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    expect(reason).toMatchObject({ code: 'lease_lost' });
  });
});

describe('a job', () => {
  it('of a process that was killed goes to another worker, again and again', async () => {
    const script = fileURLToPath(new URL('./hold-job.mjs', import.meta.url));
    const hold = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [script, redis.socket, 'builds', `${LEASE_MS}`], {
        stdio: 'pipe',
      });
      children.push(child);
      const [chunk] = await once(child.stdout!, 'data');
      expect(`${chunk}`).toBe('holding hello\n');
      return child;
    };
    await queues.enqueueBuild('hello');
    // Killed twice: BullMQ gives a job up after one stall unless told otherwise.
    for (let n = 0; n < 2; n += 1) (await hold()).kill('SIGKILL');
    const seen: string[] = [];
    start(async (app) => void seen.push(app));
    await until(() => seen.length > 0);
    expect(seen).toEqual(['hello']);
  });

  it('of a worker that closes goes to another one at once', async () => {
    const seen: string[] = [];
    const first = start(async (_app, signal) => {
      seen.push('first');
      await held(signal);
    });
    await queues.enqueueBuild('hello');
    await until(() => seen.length === 1);
    await first.close();
    expect(await waitingAndActive()).toEqual([1, 0]);
    start(async () => void seen.push('second'));
    await until(() => seen.length === 2);
  });

  it('goes back also when the handler takes the abort for an end', async () => {
    let begun = false;
    const worker = start(async (_app, signal) => {
      begun = true;
      await held(signal).catch(() => undefined);
    });
    await queues.enqueueBuild('hello');
    await until(() => begun);
    await worker.close();
    expect(await waitingAndActive()).toEqual([1, 0]);
  });

  it('without an app is dropped', async () => {
    const client = redis.client();
    const seen: string[] = [];
    start(async (app) => void seen.push(app));
    const { Queue } = await import('bullmq');
    const foreign = new Queue('builds', { connection: client, prefix: 'slipway' });
    for (const data of [{}, { app: '../x' }, { app: 7 }]) await foreign.add('work', data);
    await queues.enqueueBuild('hello');
    await until(() => seen.length > 0);
    expect(seen).toEqual(['hello']);
    await foreign.close();
  });
});

describe('when Redis loses everything in the middle of a job', () => {
  it('the handler is aborted and the worker takes new jobs', async () => {
    const seen: string[] = [];
    let reason: unknown;
    start(async (app, signal) => {
      seen.push(app);
      if (seen.length > 1) return;
      await held(signal).catch((thrown) => {
        reason = thrown;
      });
    });
    await queues.enqueueBuild('first');
    await until(() => seen.length === 1);
    await redis.client().flushall();
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ code: 'lease_lost' });
    await queues.enqueueBuild('second');
    await until(() => seen.length === 2);
    await queues.enqueueBuild('first');
    await until(() => seen.length === 3);
    await until(async () => `${await waitingAndActive()}` === '0,0');
  });

  it('the app that is enqueued again does not run twice at a time in one process', async () => {
    let together = 0;
    let most = 0;
    let runs = 0;
    start(
      async (_app, signal) => {
        runs += 1;
        together += 1;
        most = Math.max(most, together);
        await held(signal).catch(() => new Promise((resolve) => setTimeout(resolve, 200)));
        together -= 1;
      },
      { concurrency: 3, leaseMs: 60_000 },
    );
    await queues.enqueueBuild('hello');
    await until(() => runs === 1);
    await redis.client().flushall();
    await queues.enqueueBuild('hello');
    await until(() => runs === 2);
    expect(most).toBe(1);
  });

  it('by a restart, workers and producers go on', async () => {
    const seen: string[] = [];
    let reason: unknown;
    start(async (app, signal) => {
      seen.push(app);
      if (app !== 'first') return;
      await held(signal).catch((thrown) => {
        reason = thrown;
      });
    });
    await queues.enqueueBuild('first');
    await until(() => seen.length === 1);
    await redis.restart();
    await until(() => reason !== undefined);
    await until(() => queues.enqueueBuild('second'));
    await until(() => seen.includes('second'));
  });

  it('while a worker is idle, it takes the next job all the same', async () => {
    const seen: string[] = [];
    start(async (app) => void seen.push(app));
    await queues.enqueueBuild('first');
    await until(() => seen.length === 1);
    await redis.restart();
    await until(() => queues.enqueueBuild('second'));
    await until(() => seen.includes('second'));
  });
});

describe('closing', () => {
  it.each(['idle', 'busy'])('ends though Redis is gone and the worker is %s', async (state) => {
    let begun = false;
    const worker = start(async (_app, signal) => {
      begun = true;
      await held(signal);
    });
    await queues.enqueueBuild(state === 'busy' ? 'hello' : 'other');
    await until(() => begun);
    if (state === 'idle') {
      release();
      await until(async () => `${await waitingAndActive()}` === '0,0');
    }
    process.kill(redis.pid, 'SIGKILL');
    await expect(queues.ping()).rejects.toMatchObject({ code: 'unavailable' });
    await Promise.all([worker.close(), queues.close()]);
  });

  it('ends though Redis was never there', async () => {
    const redisUrl = 'unix:///nowhere/redis.sock';
    const worker = start(async () => undefined, { redisUrl });
    const nowhere = new Queues(redisUrl, { log });
    expect(await nowhere.enqueueBuild('hello')).toBe(false);
    await Promise.all([worker.close(), nowhere.close()]);
  });

  it('ends though Redis is silent', async () => {
    let begun = false;
    const worker = start(async (_app, signal) => {
      begun = true;
      await held(signal);
    });
    await queues.enqueueBuild('hello');
    await until(() => begun);
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await Promise.all([worker.close(), queues.close()]);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
  });

  it('ends though a handler does not listen', async () => {
    let begun = false;
    const worker = start(async () => {
      begun = true;
      await released;
    });
    await queues.enqueueBuild('hello');
    await until(() => begun);
    await worker.close();
    await worker.close();
  });
});

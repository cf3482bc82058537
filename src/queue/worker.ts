/**
 * Takes jobs from a queue under a lease and hands the app to a handler. BullMQ delivers at least once and never stops
 * code whose lock is lost; so the handler gets a signal that is aborted with the lease, and fences what it writes by
 * its claim (src/records).
 *
 *   waiting → active   [taken; the lease begins]
 *   active  → gone     [the handler ended, well or not; what is left to do is in the journal, and the reconciler finds it]
 *   active  → waiting  [the worker died: found by any other worker after the lease; it was closed: at once]
 */
import { type Job, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { isAppName } from '../model/app.js';
import { Lease, leaseLost } from './lease.js';
import type { AppJob, QueueName } from './queues.js';
import { connectRedis, KEY_PREFIX } from './redis.js';

export interface WorkerOptions {
  readonly queue: QueueName;
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly redisUrl: string;
  readonly log: Logger;
  /** Does what there is to do for the app. The signal is aborted when the lease is lost or the worker closes. */
  readonly handle: (app: string, signal: AbortSignal) => Promise<void>;
  /** How long `close` waits for handlers whose signal was aborted, in ms. Default 10,000. */
  readonly closeGraceMs?: number;
}

export interface QueueWorker {
  /** Aborts the handlers, gives their jobs to other workers and disconnects. Ends in seconds even without Redis. */
  close(): Promise<void>;
}

/** How often jobs are looked through for dead workers. One worker with a longer interval slows all down. */
const STALLED_INTERVAL_MS = 2000;
/** A worker that dies is no fault of the job. */
const STALLED_LIMIT = Number.MAX_SAFE_INTEGER;
const RETRY_MS = 1000;
const DISCONNECT_MS = 2000;

interface Run {
  readonly lease: Lease;
  readonly done: Promise<unknown>;
}

export function startWorker(options: WorkerOptions): QueueWorker {
  const log = options.log.child({ queue: options.queue });
  const connections = new WorkerConnections(options.redisUrl, log);
  const runs = new Map<string, Run>();
  let closing = false;

  const handleAlone = async (app: string, lease: Lease): Promise<void> => {
    const earlier = runs.get(app);
    // Only after a wipe: the earlier job is not known to Redis any more, and its handler is still at work here.
    earlier?.lease.end(leaseLost('the job was given out again'));
    const done = Promise.resolve(earlier?.done).then(() => {
      lease.signal.throwIfAborted();
      return options.handle(app, lease.signal);
    });
    const run: Run = { lease, done: done.catch(() => undefined) };
    runs.set(app, run);
    if (closing) lease.end(leaseLost('the worker is stopping'));
    try {
      await done;
    } finally {
      if (runs.get(app) === run) runs.delete(app);
    }
  };

  const work = async (job: Job<AppJob>, token: string): Promise<void> => {
    const { app } = job.data;
    if (typeof app !== 'string' || !isAppName(app)) {
      log.error({ job: job.id }, 'a job without an app was dropped');
      return;
    }
    const renew = async (): Promise<boolean> => (await job.extendLock(token, options.leaseMs)) === 1;
    const lease = new Lease({ leaseMs: options.leaseMs, renew });
    try {
      await handleAlone(app, lease);
    } catch (thrown) {
      const { code, message } = toSlipwayError(thrown);
      const err = code === 'internal' ? thrown : message;
      if (lease.signal.aborted) log.warn({ app, code, err }, 'stopped the work on an app');
      else log.error({ app, code, err }, 'the work on an app was broken off');
    } finally {
      lease.close();
    }
    // However the handler took the abort: there may be work left, and another worker need not wait for the reconciler.
    if (lease.signal.aborted) {
      await job.moveToWait(token);
      throw new WaitingError();
    }
  };

  const worker = new Worker<AppJob>(options.queue, (job, token = '') => work(job, token), {
    connection: connections.main,
    prefix: KEY_PREFIX,
    autorun: false,
    concurrency: options.concurrency,
    lockDuration: options.leaseMs,
    skipLockRenewal: true,
    stalledInterval: STALLED_INTERVAL_MS,
    maxStalledCount: STALLED_LIMIT,
    runRetryDelay: RETRY_MS,
  });
  // After a wipe: "Missing key for job". The job is gone, the work is not: see the reconciler.
  worker.on('error', (error) => log.debug({ err: error.message }, 'worker error'));
  worker.on('stalled', (job) => log.warn({ job }, 'taken back from a worker that died'));
  void keepRunning(worker, log, () => closing);

  const stop = async (): Promise<void> => {
    closing = true;
    const stopping = connections.ready ? worker.close() : undefined;
    for (const { lease } of runs.values()) lease.end(leaseLost('the worker is stopping'));
    await within(options.closeGraceMs ?? 10_000, Promise.all([...runs.values()].map((run) => run.done)));
    // Without Redis there is nothing to wait for: the forced way.
    await within(DISCONNECT_MS, stopping ?? worker.close(true));
    connections.disconnect();
  };
  let stopped: Promise<void> | undefined;
  return {
    close: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** `run` ends with the worker, and never otherwise as far as is known; a queue that stands still would be silent. */
async function keepRunning(worker: Worker, log: Logger, closing: () => boolean): Promise<void> {
  while (!closing()) {
    try {
      await worker.run();
    } catch (thrown) {
      log.error({ err: thrown }, 'the worker stopped; starting it again');
    }
    if (!closing()) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The connection for commands and the one that BullMQ duplicates from it to block on. */
class WorkerConnections {
  readonly main: Redis;
  readonly #duplicates: Redis[] = [];

  constructor(url: string, log: Logger) {
    // null: commands wait for Redis to come back instead of failing, which BullMQ asks for.
    this.main = connectRedis(url, log, { maxRetriesPerRequest: null });
    const duplicate = this.main.duplicate.bind(this.main);
    this.main.duplicate = (override) => {
      const made = duplicate(override);
      made.on('error', () => undefined);
      this.#duplicates.push(made);
      return made;
    };
  }

  get ready(): boolean {
    return this.main.status === 'ready';
  }

  /** BullMQ's own disconnect waits for an event that never comes while ioredis is between two attempts. */
  disconnect(): void {
    for (const connection of [this.main, ...this.#duplicates]) connection.disconnect();
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), enough]);
  clearTimeout(timer);
}

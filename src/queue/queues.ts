/**
 * The queues as their producers see them. A job says only that there is work for an app; what the work is stands in the
 * journals (src/records). So a job that is lost or comes twice changes nothing but the time.
 *
 * Per app and queue at most one job waits; one that comes while another is active runs once after it (BullMQ:
 * deduplication with keepLastIfActive). Nothing durable is here (invariant 2): when Redis does not answer, the
 * reconciler enqueues later.
 */
import { randomUUID } from 'node:crypto';
import { type JobsOptions, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { SlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { type DataLossWatch, watchDataLoss } from './data-loss.js';
import { connectRedis, KEY_PREFIX } from './redis.js';

export type QueueName = 'builds' | 'rollouts';

export interface AppJob {
  readonly app: string;
}

/** How long a caller waits for Redis, in ms. A push has been accepted by then; it must not hang on this. */
const ANSWER_MS = 2000;
/** BullMQ's event stream is read by nobody here. */
const EVENTS_KEPT = 100;

export class Queues {
  readonly #redis: Redis;
  readonly #log: Logger;
  readonly #queues: Readonly<Record<QueueName, Queue<AppJob>>>;

  constructor(redisUrl: string, options: { readonly log: Logger }) {
    this.#log = options.log;
    this.#redis = connectRedis(redisUrl, options.log, { maxRetriesPerRequest: 1 });
    const open = (name: QueueName): Queue<AppJob> => {
      const queue = new Queue<AppJob>(name, {
        connection: this.#redis,
        prefix: KEY_PREFIX,
        skipMetasUpdate: true,
        streams: { events: { maxLen: EVENTS_KEPT } },
      });
      // The connection's own trouble is logged there.
      queue.on('error', (error) => this.#log.debug({ err: error.message, queue: name }, 'queue error'));
      return queue;
    };
    this.#queues = { builds: open('builds'), rollouts: open('rollouts') };
  }

  /** False when Redis did not take it: the reconciler will, as soon as Redis is back. Never throws. */
  enqueueBuild(app: string): Promise<boolean> {
    return this.#enqueue('builds', app);
  }

  /** As `enqueueBuild`. */
  enqueueRollout(app: string): Promise<boolean> {
    return this.#enqueue('rollouts', app);
  }

  /** Throws `unavailable` when Redis does not answer within two seconds. */
  async ping(): Promise<void> {
    try {
      await withinAnswerTime(this.#redis.ping());
    } catch (thrown) {
      throw new SlipwayError('unavailable', `Redis does not answer: ${messageOf(thrown)}`, {
        hint: 'see that Redis runs and that SLIPWAY_REDIS_URL names it',
        temporary: true,
        cause: thrown,
      });
    }
  }

  /** Calls back when jobs may have been lost: within about a second of a wipe, and of a new connection. */
  watchDataLoss(onLoss: () => void): DataLossWatch {
    return watchDataLoss(this.#redis, onLoss);
  }

  /** Ends at once, also while Redis is gone. */
  async close(): Promise<void> {
    // The connection was given to BullMQ, which leaves it open; nothing is in flight that anyone waits for.
    this.#redis.disconnect();
    await Promise.all(Object.values(this.#queues).map((queue) => queue.close().catch(() => undefined)));
  }

  async #enqueue(name: QueueName, app: string): Promise<boolean> {
    const options: JobsOptions = {
      // Of this program: numbers given out by Redis start again after a wipe, and a worker could mix two jobs up.
      jobId: `${app}-${randomUUID()}`,
      deduplication: { id: app, keepLastIfActive: true },
      removeOnComplete: true,
      removeOnFail: true,
    };
    try {
      await withinAnswerTime(this.#queues[name].add('work', { app }, options));
      return true;
    } catch (thrown) {
      this.#log.warn({ err: messageOf(thrown), queue: name, app }, 'not enqueued; the reconciler will');
      return false;
    }
  }
}

async function withinAnswerTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
    // It may still fail after nobody waits for it.
    answer.catch(() => undefined);
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

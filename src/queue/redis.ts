/** Connections to Redis: what an address means, how a lost connection is taken up again, and what is logged of it. */
import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../log.js';

/** All keys of Slipway in Redis begin with this. */
export const KEY_PREFIX = 'slipway';

const RETRY_MS = 100;
const LONGEST_RETRY_MS = 1000;

/** Connects in the background, again and again until `disconnect`. `unix:///path` is a socket. Never throws later. */
export function connectRedis(
  url: string,
  log: Logger,
  options: Pick<RedisOptions, 'maxRetriesPerRequest'> = {},
): Redis {
  const all = {
    connectTimeout: 5000,
    // Never more than a second, or a queue would stand still for as long after Redis has come back.
    retryStrategy: (attempt: number) => Math.min(attempt * RETRY_MS, LONGEST_RETRY_MS),
    ...options,
  };
  const redis = url.startsWith('unix:')
    ? new Redis({ ...all, path: decodeURIComponent(new URL(url).pathname) })
    : new Redis(url, all);
  logConnection(redis, log);
  return redis;
}

/** One line when Redis goes and one when it is back, however many attempts lie between. */
function logConnection(redis: Redis, log: Logger): void {
  let gone = false;
  redis.on('error', (error: Error) => {
    if (!gone) log.warn({ err: error.message }, 'Redis cannot be reached; trying again');
    gone = true;
  });
  redis.on('ready', () => {
    if (gone) log.info('Redis is back');
    gone = false;
  });
}

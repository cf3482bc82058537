/** Redis, for the queues only: nothing in it has to survive, so it writes to disk now and then and no more. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SlipwayError } from '../../src/errors.js';
import { type Service, type ServiceContext, startProgram } from './service.js';

const PING_TIMEOUT_MS = 3000;

/** On a unix socket that only this user can open: Redis has no other protection, and no port to be reached by. */
export async function startRedis(context: ServiceContext): Promise<Service> {
  const socket = join(context.paths.run, 'redis.sock');
  rmSync(socket, { force: true });
  const address = `unix://${socket}`;
  return startProgram(context, {
    name: 'redis',
    address,
    argv: [
      'redis-server',
      ...['--port', '0', '--unixsocket', socket, '--unixsocketperm', '600'],
      ...['--dir', context.paths.redis, '--save', '60 1', '--appendonly', 'no'],
      // BullMQ's requirement: a queue must never lose keys to eviction.
      ...['--maxmemory-policy', 'noeviction', '--daemonize', 'no'],
    ],
    ready: () => answers(address),
  });
}

/** Throws `unavailable` when the Redis of SLIPWAY_REDIS_URL does not answer. */
export async function checkRedis(url: string): Promise<void> {
  try {
    if (await answers(url)) return;
  } catch (cause) {
    throw new SlipwayError(
      'unavailable',
      `Redis does not answer at ${withoutPassword(url)}: ${(cause as Error).message}`,
      {
        where: 'SLIPWAY_REDIS_URL',
        hint: 'start it or correct the address; unset the variable to have one started',
        cause,
      },
    );
  }
}

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: PING_TIMEOUT_MS,
    commandTimeout: PING_TIMEOUT_MS,
  });
  let problem: Error | undefined;
  redis.on('error', (error: Error) => {
    problem = error;
  });
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch (thrown) {
    throw problem ?? thrown;
  } finally {
    redis.disconnect();
  }
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@');
}

/** A real redis-server on a unix socket in a temporary directory, stopped by pid after the test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll } from 'vitest';

export interface TestRedis {
  /** `unix:///…`, the same after a restart. */
  readonly url: string;
  readonly socket: string;
  readonly pid: number;
  /** Kills it; its data is gone. */
  stop(): Promise<void>;
  /** Kills it if it runs, and starts an empty one. */
  restart(): Promise<void>;
  /** A connection of the test's own, closed by `stop`. */
  client(): Redis;
}

const running = new Set<TestRedis>();

afterAll(async () => {
  for (const redis of [...running]) await redis.stop();
});

export async function startRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-redis-'));
  const socket = join(directory, 'redis.sock');
  const clients: Redis[] = [];
  let server: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const args = [
      '--port',
      '0',
      '--unixsocket',
      socket,
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      directory,
    ];
    server = spawn('redis-server', args, { stdio: 'ignore' });
    const started = server;
    const failed = once(server, 'error').then(([error]) => {
      throw error;
    });
    await Promise.race([answers(socket, started), failed]);
    failed.catch(() => undefined);
  };
  const kill = async (): Promise<void> => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  };
  const redis: TestRedis = {
    url: `unix://${socket}`,
    socket,
    get pid(): number {
      return server?.pid ?? 0;
    },
    stop: async () => {
      running.delete(redis);
      for (const client of clients.splice(0)) client.disconnect();
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
    restart: async () => {
      await kill();
      await rm(socket, { force: true });
      await start();
    },
    client: () => {
      const client = new Redis({ path: socket, retryStrategy: () => 50, maxRetriesPerRequest: null });
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
  };
  running.add(redis);
  await start();
  return redis;
}

async function answers(socket: string, server: ChildProcess): Promise<void> {
  const probe = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => null });
  probe.on('error', () => undefined);
  try {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
      const pong = await probe.connect().then(
        () => probe.ping(),
        () => undefined,
      );
      if (pong === 'PONG') return;
      await delay(25);
    }
    throw new Error('redis-server does not answer');
  } finally {
    probe.disconnect();
  }
}

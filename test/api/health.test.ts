/** Liveness and readiness: real parts, taken away one after the other. */
import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { healthRoutes } from '../../src/api/health.js';
import { createLogger } from '../../src/log.js';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { Platform } from './support/platform.js';

let registry: TestRegistry;
let platform: Platform;

beforeAll(async () => {
  registry = await startRegistry();
  platform = await Platform.start({ registry: registry.host });
});
afterAll(async () => {
  await platform.stop();
  await registry.stop();
});

async function ready(): Promise<unknown> {
  const { status, body } = await platform.call('GET', '/readyz', { as: 'nobody' });
  return { status, ...body };
}

/** An answer holds for a second. */
const nextAnswer = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100));

describe('ready', () => {
  const all = { redis: 'ok', registry: 'ok', home: 'ok', deployer: 'ok' };

  test('is a platform with all its parts, and each one that is missing is named', async () => {
    expect(await ready()).toEqual({ status: 200, ready: true, parts: all });

    await nextAnswer();
    await platform.deployer.stop();
    await registry.stop();
    expect(await ready()).toEqual({
      status: 503,
      ready: false,
      parts: { ...all, registry: 'missing', deployer: 'missing' },
    });
    expect((await platform.call('GET', '/healthz', { as: 'nobody' })).body).toEqual({ status: 'ok' });

    await nextAnswer();
    await platform.redis.stop();
    // A link that leads to itself: nobody, not even root, can write there.
    const { appRepositories } = platform.paths;
    await rm(appRepositories, { recursive: true, force: true });
    await mkdir(dirname(appRepositories), { recursive: true });
    await symlink(appRepositories, appRepositories);
    expect(await ready()).toEqual({
      status: 503,
      ready: false,
      parts: { redis: 'missing', registry: 'missing', home: 'missing', deployer: 'missing' },
    });
  });

  test('is not kept waiting by a part that says nothing, and asks it once for all who ask', async () => {
    let asked = 0;
    const server = fastify();
    const silent = (): Promise<void> => {
      asked += 1;
      return new Promise(() => undefined);
    };
    healthRoutes(server, { silent }, createLogger('test', 'silent'));
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => server.inject({ method: 'GET', url: '/readyz' })),
    );
    await server.close();
    expect(answers.map((answer) => answer.json())).toEqual(
      answers.map(() => ({ ready: false, parts: { silent: 'missing' } })),
    );
    expect(asked).toBe(1);
  });
});

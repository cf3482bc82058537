import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry, type TestRegistry } from '../support/registry.js';
import { until } from '../support/until.js';
import { LivePlatform, page } from './support/live.js';

/** A step that no other app has built: steps are shared between apps. */
const slow = (seconds: number, name: string): string => `RUN sleep ${seconds}; : ${name}`;

const FINAL = ['live', 'built', 'failed', 'cancelled', 'superseded'];

describe('what may be killed at any time', () => {
  let live: LivePlatform;
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
    live = await LivePlatform.start({
      env: { SLIPWAY_REGISTRY: registry.host, SLIPWAY_MIRRORS: `docker.io=${registry.host}` },
    });
  });
  afterAll(async () => {
    await live?.stop();
    await registry?.stop();
  }, 60_000);

  it.each(['web', 'builder', 'deployer'])(
    'a push outlives the %s process, and traffic never stops',
    async (name) => {
      const app = await live.app(`kill-${name}`, page('old'));
      expect((await app.push()).exitCode).toBe(0);
      const traffic = app.traffic('old', 'new');
      await app.commit(page('new', slow(2, name)));
      const push = app.startPush();
      await push.says(name === 'deployer' ? 'Pushing the image' : 'RUN sleep');
      await live.kill(name);
      await push.ended;
      await until(async () => FINAL.includes((await app.builds().catch(() => []))[0]?.state ?? ''), 60_000);
      expect((await app.builds())[0]).toMatchObject({ state: 'live', release: 2 });
      await expect.poll(async () => (await app.page()).body).toContain('new');
      expect(await traffic.stop()).toMatchObject({ failed: 0 });
    },
    120_000,
  );

  it('a push outlives FLUSHALL', async () => {
    const app = await live.app('flushed', page('old', slow(3, 'flushed')));
    const push = app.startPush();
    await push.says('RUN sleep');
    const redis = new Redis({ path: live.platform.config.redisUrl.replace('unix://', '') });
    await redis.flushall();
    redis.disconnect();
    const { exitCode, output } = await push.ended;
    expect(exitCode, output).toBe(0);
    expect((await app.page()).body).toContain('old');
    // The queue works on.
    await app.commit(page('new'));
    expect((await app.push()).exitCode).toBe(0);
  }, 120_000);

  it('a push outlives a restart of Redis', async () => {
    const app = await live.app('redis', page('old', slow(3, 'redis')));
    const push = app.startPush();
    await push.says('RUN sleep');
    await live.kill('redis');
    const { exitCode, output } = await push.ended;
    expect(exitCode, output).toBe(0);
    expect((await app.page()).body).toContain('old');
  }, 120_000);

  it('a push fails clearly when the registry goes in the middle of it, and succeeds when it is back', async () => {
    const app = await live.app('layers', page('old'));
    expect((await app.push()).exitCode).toBe(0);
    await app.commit(page('new', 'RUN head -c 50000000 /dev/urandom > /big'));
    const push = app.startPush();
    await push.says('Pushing the image');
    await registry.halt('SIGKILL');
    try {
      const { exitCode, output } = await push.ended;
      expect(exitCode).toBe(1);
      expect(output).toContain(registry.host);
      expect(output).toContain('cannot be reached');
    } finally {
      await registry.resume();
    }
    expect((await app.page()).body).toContain('old');
    const again = await app.push();
    expect(again.exitCode, again.output).toBe(0);
    expect((await app.page()).body).toContain('new');
  }, 120_000);

  it('a push fails clearly or goes live when the Docker Engine goes at the rollout; the old release serves', async () => {
    const app = await live.app('engine', page('old'));
    expect((await app.push()).exitCode).toBe(0);
    await app.commit(page('new', slow(1, 'engine')));
    const push = app.startPush();
    await push.says('RUN sleep');
    await live.kill('engine');
    const { output } = await push.ended;
    const state = (await app.builds())[0]?.state;
    expect(['live', 'failed']).toContain(state);
    if (state === 'failed') expect(output).toContain('Docker Engine');
    await expect
      .poll(async () => (await app.page()).body, { timeout: 60_000 })
      .toContain(state === 'live' ? 'new' : 'old');
    const again = await app.push();
    if (state === 'failed') expect(again.exitCode, again.output).toBe(0);
  }, 180_000);

  it('an edge that was killed serves again by itself', async () => {
    const app = await live.app('edge', page('old'));
    await app.push();
    await live.kill('edge');
    await expect.poll(async () => (await app.page()).body, { timeout: 30_000 }).toContain('old');
  }, 60_000);
});

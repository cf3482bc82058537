/** /metrics as Prometheus reads it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/root.js';
import { json } from './support/deployer.js';
import { follow } from './support/events.js';
import { Platform } from './support/platform.js';

const TOKEN = 'a-token-for-prometheus-only';
let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start({ settings: { SLIPWAY_METRICS_TOKEN: TOKEN } });
  await platform.createApp('hello');
});
afterAll(() => platform.stop());

const scrape = async (token = TOKEN): Promise<{ status: number; text: string }> =>
  platform.call('GET', '/metrics', { as: 'nobody', headers: { authorization: `Bearer ${token}` } });

/** The value of a sample, written as on the page. */
async function value(sample: string): Promise<number | undefined> {
  const line = (await scrape()).text.split('\n').find((each) => each.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}

describe('the page', () => {
  test('is for administrators, and for the token of its own, which opens nothing else', async () => {
    expect((await scrape()).status).toBe(200);
    expect((await platform.call('GET', '/metrics')).status).toBe(200);
    expect((await platform.call('GET', '/metrics', { as: 'alice' })).status).toBe(403);
    for (const token of ['', 'x', `${TOKEN}x`]) expect((await scrape(token)).status).toBe(401);
    const other = await platform.call('GET', '/v1/whoami', {
      as: 'nobody',
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(other.status).toBe(401);
  });

  test('counts deployments, waits, phases and steps from the journals, each once', async () => {
    await platform.live('hello', 'FROM one');
    const { id, claim } = await platform.building('hello', 'FROM two');
    const steps = { cached: 3, total: 4 };
    await platform.store.append(
      'hello',
      id,
      { type: 'built', at: Date.now(), claim, digest: 'sha256:0', steps },
      { type: 'phase', at: Date.now(), claim, name: 'build', ms: 1500 },
    );
    await platform.store.end('hello', id, { state: 'failed', claim });
    const before = await value('slipway_deployments_total{kind="push",state="live"}');
    expect(before).toBe(1);
    expect(await value('slipway_deployments_total{kind="push",state="live"}')).toBe(1);
    expect(await value('slipway_deployments_total{kind="push",state="failed"}')).toBe(1);
    expect(await value('slipway_queue_wait_seconds_count{queue="builds"}')).toBe(2);
    expect(await value('slipway_queue_wait_seconds_count{queue="rollouts"}')).toBe(1);
    expect(await value('slipway_phase_seconds_sum{phase="build"}')).toBe(1.5);
    expect(await value('slipway_build_steps_total{result="cached"}')).toBe(3);
    expect(await value('slipway_build_steps_total{result="executed"}')).toBe(1);
    expect((await scrape()).text).not.toContain('hello');
  });

  test('counts what waits and what is worked on now', async () => {
    const { id } = await platform.push('hello', 'FROM three');
    expect(await value('slipway_open_deployments{state="accepted"}')).toBe(1);
    await platform.store.claim('hello', id, 'build', 'a builder');
    expect(await value('slipway_open_deployments{state="accepted"}')).toBe(0);
    expect(await value('slipway_open_deployments{state="building"}')).toBe(1);
  });

  test('passes on what the reconciler has put right, and says when no deployer answers', async () => {
    const drift = { passes: 7, failures: 2, stopped: 3, missing: 1, discarded: 0, strays: 4 };
    platform.deployer.script = (_request, response) => json(response, 200, drift);
    expect(await value('slipway_reconcile_drift_total{what="stopped"}')).toBe(3);
    expect(await value('slipway_reconcile_passes_total{result="failed"}')).toBe(2);
    expect(await value('slipway_deployer_up')).toBe(1);
    platform.deployer.script = (_request, response) => json(response, 500, {});
    expect(await value('slipway_deployer_up')).toBe(0);
  });

  test('counts followers while they are there, and how long they let a part wait', async () => {
    const { id } = await platform.building('hello', 'FROM four');
    await platform.log('hello', id, (log) => log.headline('Building'));
    const url = `${await platform.url()}/v1/apps/hello/builds/${id}/output/stream`;
    const follower = await follow(url, { authorization: `Bearer ${platform.token('admin')}` });
    await expect.poll(() => follower.text()).toContain('Building');
    expect(await value('slipway_followers')).toBe(1);
    expect(await value('slipway_follower_lag_seconds_count')).toBeGreaterThan(0);
    follower.leave();
    await expect.poll(() => value('slipway_followers')).toBe(0);
  });

  test('counts requests by route, and no path that somebody made up', async () => {
    await platform.call('GET', '/v1/apps/hello/config');
    await platform.call('GET', '/made/up');
    const sample = 'slipway_http_requests_total{method="GET",route="/v1/apps/:app/config",status="200"}';
    expect(await value(sample)).toBe(1);
    expect((await scrape()).text).not.toContain('made/up');
  });
});

test('the dashboard asks for metrics that there are', async () => {
  const dashboard = await readFile(join(projectRoot(), 'docs', 'dashboard.json'), 'utf8');
  const { text } = await scrape();
  const names = new Set(dashboard.match(/\b(?:slipway|process|nodejs)_[a-z0-9_]+/g) ?? []);
  expect(names.size).toBeGreaterThan(12);
  for (const name of names) {
    const metric = name.replace(/_(bucket|sum|count)$/, '');
    expect([name, text]).toEqual([name, expect.stringContaining(`# TYPE ${metric} `)]);
  }
});

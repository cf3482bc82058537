/** What the views compute before they show it. */
import { describe, expect, test } from 'vitest';
import type { AppGlance } from '../../src/api/overview.js';
import { ago, bytes, command, duration, number, webAddress } from '../../src/ui/format.js';
import { filterApps, healthOf, sortApps } from '../../src/ui/health.js';
import { appPath, buildPath, routeOf } from '../../src/ui/routes.js';
import { ratesOf, type Sample } from '../../src/ui/samples.js';

function app(name: string, more: Partial<AppGlance> = {}): AppGlance {
  const release = { version: 'v3', description: 'deploy', message: 'Mend the till', at: '', by: 'ada' };
  return { name, url: '', release, wanted: 2, running: 2, ...more };
}

const latest = (state: 'failed' | 'building' | 'live'): Pick<AppGlance, 'latest'> => ({
  latest: { id: 'b', kind: 'push', state, who: 'ada', acceptedAt: '' },
});

describe('how an app is', () => {
  test('is what somebody should know first', () => {
    expect(healthOf(app('a'))).toBe('up');
    expect(healthOf(app('a', { running: 1 }))).toBe('down');
    expect(healthOf(app('a', { ...latest('failed'), running: 1 }))).toBe('failed');
    expect(healthOf(app('a', latest('building')))).toBe('deploying');
    expect(healthOf(app('a', { stopped: true, running: 0, wanted: 0 }))).toBe('stopped');
    const { release: _release, ...never } = app('a');
    expect(healthOf(never)).toBe('empty');
    const { running: _running, ...unknown } = app('a');
    expect(healthOf(unknown)).toBe('up');
  });

  test('decides the order; names decide the rest', () => {
    const apps = [
      app('b'),
      app('a'),
      app('z', { running: 0 }),
      app('y', latest('building')),
      app('x', latest('failed')),
      app('s', { stopped: true }),
    ];
    expect(sortApps(apps).map(({ name }) => name)).toEqual(['x', 'z', 'y', 'a', 'b', 's']);
  });

  test('is filtered by every word, wherever it stands', () => {
    const apps = [app('shop'), app('wiki', { running: 0 })];
    const names = (text: string, healths: ('up' | 'down')[] = []): string[] =>
      filterApps(apps, text, new Set(healths)).map(({ name }) => name);
    expect(names(' ADA till ')).toEqual(['shop', 'wiki']);
    expect(names('wik v3')).toEqual(['wiki']);
    expect(names('shop', ['down'])).toEqual([]);
    expect(names('', ['down', 'up'])).toHaveLength(2);
  });
});

describe('addresses', () => {
  test('lead to views and back', () => {
    expect(routeOf('/')).toEqual({ view: 'apps' });
    expect(routeOf('/apps/hello/')).toEqual({ view: 'app', app: 'hello', tab: 'overview' });
    expect(routeOf(appPath('hello', 'config'))).toEqual({ view: 'app', app: 'hello', tab: 'config' });
    expect(routeOf(buildPath('hello', 'b1'))).toEqual({ view: 'build', app: 'hello', build: 'b1' });
    expect(routeOf(appPath('a/b?c'))).toEqual({ view: 'app', app: 'a/b?c', tab: 'overview' });
    for (const path of [
      '/no',
      '/apps/hello/no',
      '/apps/hello/builds/b1/more',
      '/apps/hello/config/x',
      '/hosts/a',
      '/apps/%',
    ])
      expect([path, routeOf(path).view]).toEqual([path, path === '/apps/%' ? 'app' : 'nowhere']);
  });

  test('become links only when they are of the web', () => {
    expect(webAddress('https://x.example')).toBe('https://x.example');
    for (const url of ['javascript:alert(1)', 'data:text/html,x', ' http://x'])
      expect(webAddress(url)).toBeUndefined();
  });
});

describe('numbers for people', () => {
  test('have the digits that matter', () => {
    expect([420, 4200, 42_000, 200_000, 3_900_000].map(duration)).toEqual([
      '0.42 s',
      '4.2 s',
      '42 s',
      '3 min 20 s',
      '1 h 5 min',
    ]);
    expect([0, 1023, 2048, 80e6].map(bytes)).toEqual(['0 B', '1023 B', '2.0 KiB', '76 MiB']);
    expect([0, 0.123, 12.34, 1240].map(number)).toEqual(['0', '0.12', '12.3', '1,240']);
    expect(command(['/bin/sh', '-c', 'a && b'])).toBe('a && b');
    const now = Date.parse('2026-01-02T00:00:00Z');
    expect(
      [5, 90, 7200, 90_000].map((seconds) => ago(new Date(now - seconds * 1000).toISOString(), now)),
    ).toEqual(['just now', '1 min. ago', '2 hr. ago', 'yesterday']);
    expect(ago('soon', now)).toBe('soon');
  });
});

describe('rates', () => {
  const sample = (at: number, requests: number, errors: number, since = 'then'): Sample => ({
    at,
    usage: [],
    traffic: {
      since,
      requests,
      responses: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': errors },
      bytesIn: 0,
      bytesOut: 0,
      underWay: 0,
      failures: { connections: 0, responses: 0, retries: 0 },
      averageMs: { queue: 0, connect: 0, response: 0, total: 0 },
    },
  });

  test('are what happened between two looks, and nothing where the edge has begun to count anew', () => {
    const samples = [
      sample(0, 100, 0),
      sample(2000, 120, 4),
      sample(4000, 5, 0, 'later'),
      sample(6000, 7, 0, 'later'),
    ];
    expect(ratesOf(samples)).toEqual([
      { at: 2000, requests: 10, errors: 2 },
      { at: 6000, requests: 1, errors: 0 },
    ]);
  });
});

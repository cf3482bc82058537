/** Cache mounts that local builds leave in a registry and take from there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalBuilds } from './support.js';

describe('slipway build --cache-mounts-to, --cache-mounts-from', () => {
  let builds: LocalBuilds;
  beforeAll(async () => {
    builds = await LocalBuilds.start();
  });
  afterAll(() => builds.stop());

  test('another store goes on with what a build left in the registry', async () => {
    const run = 'RUN --mount=type=cache,target=/c cat /c/seen 2>/dev/null; echo "one more" >> /c/seen\n';
    await builds.write({ 'a/Dockerfile': `FROM busybox\n${run}` });
    const caches = `${builds.registry.host}/cache:mounts`;
    const first = await builds.build(['a', '--cache-mounts-to', caches, '--cache-mounts-from', caches]);
    expect([first.code, first.err]).toEqual([0, expect.stringContaining(`exporting the cache mounts to`)]);
    expect(first.err).not.toContain(' one more\n');
    const store = ['--store', builds.path('other')];
    const other = await builds.build(['a', '--cache-mounts-from', `type=registry,ref=${caches}`, ...store]);
    expect([other.code, other.err]).toEqual([0, expect.stringContaining(`cache mounts from ${caches}: /c`)]);
    expect(other.err).toMatch(/\d one more\n/);
  });

  test('what cannot be had is told, and the build goes on', async () => {
    await builds.write({
      'b/Dockerfile': 'FROM busybox\nRUN --mount=type=cache,target=/d echo built anyway\n',
    });
    const built = await builds.build(['b', '--cache-mounts-from', '127.0.0.1:1/cache:mounts']);
    expect([built.code, built.err]).toEqual([0, expect.stringContaining('are of no help: ')]);
    expect(built.err).toMatch(/\d built anyway\n/);
  });

  test('what cannot be written fails the build', async () => {
    await builds.write({ 'c/Dockerfile': 'FROM busybox\nRUN --mount=type=cache,target=/e touch /e/x\n' });
    const built = await builds.build(['c', '--cache-mounts-to', '127.0.0.1:1/cache:mounts']);
    expect(built.code).toBe(1);
    const twice = ['--cache-mounts-to', 'a/b', '--cache-mounts-to', 'a/c'];
    expect((await builds.build(['c', ...twice])).code).toBe(2);
  });
});

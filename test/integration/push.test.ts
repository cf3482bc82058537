import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LivePlatform, page } from './support/live.js';

describe('the way of a push', () => {
  let live: LivePlatform;
  beforeAll(async () => {
    live = await LivePlatform.start();
  });
  afterAll(async () => {
    await live?.stop();
  }, 60_000);

  it('goes from git push to a page, to a second one without a lost request, and back', async () => {
    const app = await live.app('way', page('one'));
    const first = await app.push();
    expect(first.output).toContain('v1');
    expect(first.exitCode, first.output).toBe(0);
    expect((await app.page()).body).toContain('one');
    expect(await app.git('rev-parse', 'slipway/main')).toBe(await app.git('rev-parse', 'HEAD'));

    await app.commit(page('two'));
    const traffic = app.traffic('one', 'two');
    const second = await app.push();
    expect(second.exitCode, second.output).toBe(0);
    const back = await app.trySlipway('rollback', 'v1');
    expect(back.exitCode, back.output).toBe(0);
    const seen = await traffic.stop();
    expect(seen).toMatchObject({ failed: 0 });
    expect(seen.pages.two).toBeGreaterThan(0);
    expect((await app.page()).body).toContain('one');
    expect((await app.releases()).map(({ version, state }) => `${version} ${state}`)).toEqual([
      'v3 live',
      'v2 was live',
      'v1 was live',
    ]);
  });

  it('says what it did: the release, the digest, the times, the cached steps, the address and how to undo it', async () => {
    const app = await live.app('says', page('says one'));
    await app.push();
    await app.commit(page('says two'));
    const { output } = await app.push();
    expect(output).toMatch(/CACHED/);
    expect(output).toMatch(/not cached: "index.html" changed/);
    expect(output).toMatch(/=====> .*v2/);
    expect(output).toMatch(/sha256:[0-9a-f]{64}/);
    expect(output).toMatch(/1\/2/);
    expect(output).toContain(`http://says.localhost:`);
    expect(output).toContain('slipway rollback v1 -a says');
  });

  it('rejects a push whose build fails, and the same commit can be pushed again', async () => {
    const app = await live.app('broken', page('fine'));
    await app.push();
    await app.commit(page('never', 'RUN false'));
    for (const _ of [1, 2]) {
      const { exitCode, output } = await app.push();
      expect(exitCode).toBe(1);
      expect(output).toContain('Dockerfile:3');
      expect(output).toContain('remote rejected');
    }
    expect((await app.page()).body).toContain('fine');
    expect(await app.git('ls-remote', 'slipway', 'main')).not.toContain(await app.git('rev-parse', 'HEAD'));
  });

  it('keeps the old release when the new container exits at once, and shows what it said', async () => {
    const app = await live.app('dies', page('fine'));
    await app.push();
    await app.commit({
      Dockerfile: 'FROM busybox\nEXPOSE 8080\nCMD ["sh", "-c", "echo cannot start; exit 7"]\n',
    });
    const { exitCode, output } = await app.push();
    expect(exitCode).toBe(1);
    expect(output).toContain('cannot start');
    expect(output).toMatch(/exit code 7/);
    expect((await app.page()).body).toContain('fine');
    expect((await app.releases())[0]).toMatchObject({ version: 'v2', state: 'failed' });
    // A failed release is never what rollback goes to.
    expect((await app.trySlipway('rollback', 'v2')).exitCode).toBe(1);
  });

  it('believes a HEALTHCHECK', async () => {
    const app = await live.app(
      'sick',
      page(
        'fine',
        'HEALTHCHECK --interval=200ms --timeout=1s --retries=1 CMD test -e /healthy',
        'RUN touch /healthy',
      ),
    );
    const { exitCode, output } = await app.push();
    expect(exitCode, output).toBe(0);
    await app.commit(
      page(
        'sick',
        'HEALTHCHECK --interval=200ms --timeout=1s --retries=1 CMD echo so sick; test -e /healthy',
      ),
    );
    const sick = await app.push();
    expect(sick.exitCode).toBe(1);
    expect(sick.output).toContain('so sick');
    expect((await app.page()).body).toContain('fine');
  });

  it('refuses another branch and names the right one', async () => {
    const app = await live.app('branches', page('x'));
    const { ended } = app.start('git', ['push', 'slipway', 'HEAD:develop']);
    expect(await ended).toMatchObject({ exitCode: 1, output: expect.stringContaining('main') });
  });

  it('gives config vars to the containers, and a change of them is a release', async () => {
    const app = await live.app('vars', {
      Dockerfile:
        'FROM busybox\nEXPOSE 8080\nCMD ["sh", "-c", "mkdir /w; echo greeting $GREETING > /w/index.html; exec httpd -f -p 8080 -h /w"]\n',
    });
    await app.slipway('config:set', 'GREETING=hi there');
    await app.push();
    expect((await app.page()).body).toContain('greeting hi there');
    await app.slipway('config:set', 'GREETING=hello');
    expect((await app.page()).body).toContain('greeting hello');
    await app.slipway('rollback', 'v1');
    expect((await app.page()).body).toContain('greeting hi there');
    expect(await app.slipway('config')).toContain('GREETING=hello');
    expect(await app.slipway('ps')).toMatch(/web\.1\s+v3\s+running/);
  });

  it('builds only, or without the cache, or detached, as the push options say', async () => {
    const app = await live.app('options', page('one'));
    const only = await app.push('-o', 'build-only');
    expect(only.exitCode, only.output).toBe(0);
    expect((await app.page()).status).not.toBe(200);
    const uncached = await app.push('-o', 'no-cache');
    expect(uncached.output).toContain('no-cache was asked for');
    expect((await app.page()).body).toContain('one');
    await app.commit(page('two', 'RUN sleep 1; : options'));
    const detached = await app.push('-o', 'detach');
    expect(detached.exitCode).toBe(0);
    expect((await app.builds())[0]?.state).not.toBe('live');
    const followed = await app.trySlipway('builds:output', '-f');
    expect(followed.exitCode).toBe(0);
    expect((await app.page()).body).toContain('two');
    await app.commit(page('three'));
    expect(await app.push('-o', 'nonsense')).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('detach'),
    });
  });

  it('goes on when the pusher presses ^C', async () => {
    const app = await live.app('ctrlc', page('one', 'RUN sleep 2; : ctrlc'));
    const push = app.startPush();
    await push.says('RUN sleep 2');
    push.child.kill('SIGINT');
    await push.ended;
    const followed = await app.trySlipway('builds:output', '-f');
    expect(followed.exitCode, followed.output).toBe(0);
    expect(followed.output).toContain('Building');
    expect((await app.page()).body).toContain('one');
  });

  it('cancels a build', async () => {
    const app = await live.app('cancelled', page('one', 'RUN sleep 100; : cancelled'));
    const push = app.startPush();
    await push.says('RUN sleep 100');
    await app.slipway('builds:cancel');
    expect(await push.ended).toMatchObject({ exitCode: 1, output: expect.stringContaining('cancelled') });
    expect((await app.builds())[0]).toMatchObject({ state: 'cancelled' });
  });

  it('builds one of several waiting pushes: the newest; the others are told', async () => {
    const app = await live.app('queue', page('zero', 'RUN sleep 3; : queue'));
    const pushes = [app.startPush('--force')];
    await pushes[0]?.says('RUN sleep 3');
    for (const text of ['one', 'two', 'three']) {
      await app.commit(page(text));
      const push = app.startPush('--force');
      await push.says('-----> Build');
      pushes.push(push);
    }
    const ended = await Promise.all(pushes.map((push) => push.ended));
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 1, 1, 0]);
    expect(ended[1]?.output).toContain('superseded by build');
    expect((await app.page()).body).toContain('three');
    expect((await app.builds()).map(({ state }) => state)).toEqual([
      'live',
      'superseded',
      'superseded',
      'live',
    ]);
  });

  it('takes ten apps at once', async () => {
    const apps = await Promise.all(
      Array.from({ length: 10 }, (_, index) => live.app(`many${index}`, page(`page ${index}`))),
    );
    const pushed = await Promise.all(apps.map((app) => app.push()));
    expect(pushed.map(({ exitCode }) => exitCode)).toEqual(apps.map(() => 0));
    for (const [index, app] of apps.entries()) expect((await app.page()).body).toContain(`page ${index}`);
  }, 180_000);

  it('takes a destroyed app off the edge and off the engine', async () => {
    const app = await live.app('gone', page('here'));
    await app.push();
    expect((await app.page()).status).toBe(200);
    await app.slipway('apps:destroy', '-a', 'gone', '--confirm', 'gone');
    await expect.poll(async () => (await app.page()).status, { timeout: 30_000 }).toBe(404);
    expect((await app.trySlipway('apps:info', '-a', 'gone')).exitCode).toBe(1);
  });
});

describe('a second start on the same home', () => {
  it('finds all apps again and running', async () => {
    const home = await mkdtemp(join(tmpdir(), 'sw-'));
    try {
      let live = await LivePlatform.start({ home });
      let app = await live.app('again', page('still here'));
      expect((await app.push()).exitCode).toBe(0);
      const { url } = live.platform;
      await live.stop();
      expect((await app.page()).status).toBe(0);

      live = await LivePlatform.start({ home });
      try {
        expect(live.platform.url).toBe(url);
        app = new (app.constructor as new (...args: unknown[]) => typeof app)(live, 'again', app.directory);
        await expect.poll(async () => (await app.page()).body, { timeout: 30_000 }).toContain('still here');
        expect((await app.builds())[0]).toMatchObject({ state: 'live' });
        expect(await app.slipway('builds:output')).toContain('Building');
        await app.commit(page('and on'));
        expect((await app.push()).exitCode).toBe(0);
      } finally {
        await live.stop();
      }
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  }, 180_000);
});

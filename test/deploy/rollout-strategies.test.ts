/** Each strategy on a real engine behind a real edge, under load: what it does, what its failure leaves, and how a killed one ends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestCancel } from '../../src/endings.js';
import type { Deployment } from '../../src/model/deployment.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { killAfter } from './support/killed.js';
import { type Load, startLoad } from './support/load.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

/** Where a strategy takes its next turn. */
const TURNS = /^(engine: (start|stop) |file: commit|ledger: record)/;

describe.skipIf(missing !== undefined)('a rollout', () => {
  let world: World;
  let images: readonly [ReleaseImage, ReleaseImage];
  let broken: ReleaseImage;

  beforeAll(async () => {
    world = await World.open();
    const even = await world.image({ script: server('even') });
    images = [even, await world.image({ script: server('odd') })];
    broken = await world.image({ script: 'sleep 0.3; exit 7' });
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  /** v1, `even`. */
  const deployed = async (app: string, scale = 1): Promise<Load> => {
    await world.createApp(app);
    expect(await world.rollOut(await world.release(app, images[0], { scale }))).toMatchObject({
      state: 'live',
    });
    return startLoad({ port: world.edge.port, host: `${app}.localhost`, connections: 4 });
  };
  const release = (app: string, strategy: string, scale = 1, image = images[1]): Promise<Deployment> =>
    world.release(app, image, { scale, strategy });
  const states = async (app: string): Promise<string[]> =>
    (await world.containers(app))
      .map((one) => `v${one.release} ${one.instance.process}.${one.instance.number} ${one.state}`)
      .sort();
  /** What runs, what the edge knows and what the ledger says are one release. */
  const isWhole = async (app: string, number: number, scale: number, body: string): Promise<void> => {
    await world.reconcile(world.deployer());
    expect((await world.ledger.read(app)).live).toBe(number);
    expect(await states(app)).toEqual(
      Array.from({ length: scale }, (_, index) => `v${number} web.${index + 1} running`),
    );
    const entry = (await world.edge.edge.state()).apps.find((one) => one.app === app);
    expect(entry?.servers).toHaveLength(scale);
    expect(entry?.share).toBeUndefined();
    const running = await world.edge.edge.running(`${app}.localhost`);
    expect(running.map(({ name }) => name).sort()).toEqual(entry?.servers.map(({ name }) => name));
    expect(await world.get(app)).toEqual({ status: 200, body });
  };
  /** Kills at the steps in which strategies differ, with TEST_ALL_STEPS at each, always on the way to the next release. */
  const killEverywhere = async (app: string, strategy: string, scale: number, load?: Load): Promise<void> => {
    await release(app, strategy, scale);
    const taken = await killAfter(world, app, undefined);
    const steps = process.env.TEST_ALL_STEPS === undefined ? taken.filter((name) => TURNS.test(name)) : taken;
    for (const [index, step] of steps.entries()) {
      const number = index + 2;
      const next = await release(app, strategy, scale, images[number % 2]);
      await killAfter(world, app, step);
      if (number % 3 === 0) await world.reconcile(world.deployer());
      expect(await world.rollOut(next, world.deployer()), `killed after ${step}`).toMatchObject({
        state: 'live',
      });
      await isWhole(app, number + 1, scale, number % 2 === 0 ? 'even' : 'odd');
      expect(load?.failures ?? [], `killed after ${step}`).toEqual([]);
    }
    expect(steps.length).toBeGreaterThan(3);
  };

  describe('that bakes', () => {
    it('keeps the old release warm, and a rollback switches back to it without a start', async () => {
      const load = await deployed('warm', 2);
      const before = (await world.containers('warm')).map(({ id }) => id).sort();
      const deployment = await release('warm', 'blue-green,bake=10m', 2);
      expect(await world.rollOut(deployment)).toMatchObject({ state: 'live' });
      expect(await world.log(deployment)).toMatch(/warm +v1 until /);
      const both = ['v1 web.1 running', 'v1 web.2 running', 'v2 web.1 running', 'v2 web.2 running'];
      expect(await states('warm')).toEqual(both);
      // Another process knows of it too.
      await world.reconcile(world.deployer());
      expect(await states('warm')).toEqual(both);
      expect(await world.get('warm')).toEqual({ status: 200, body: 'odd' });
      const started: string[] = [];
      const parts = world.deployer({
        step: (name, run) => {
          if (name.startsWith('engine: start') || name.startsWith('engine: create')) started.push(name);
          return run();
        },
      });
      const back = await world.release('warm', images[0], { kind: 'rollback', scale: 2 });
      expect(await world.rollOut(back, parts)).toMatchObject({ state: 'live' });
      expect(started).toEqual([]);
      await world.reconcile(world.deployer());
      expect((await world.containers('warm')).map(({ id }) => id).sort()).toEqual(before);
      expect(await world.get('warm')).toEqual({ status: 200, body: 'even' });
      await load.stop();
      expect(load.failures).toEqual([]);
    });

    it('lets the old release go when the time is over', async () => {
      const load = await deployed('cooled');
      const deployment = await release('cooled', 'blue-green,bake=1s');
      expect(await world.rollOut(deployment)).toMatchObject({ state: 'live' });
      await until(async () => {
        await world.reconcile(world.deployer());
        return (await states('cooled')).length === 1;
      });
      await isWhole('cooled', 2, 1, 'odd');
      await load.stop();
      expect(load.failures).toEqual([]);
    });

    it('is ended right wherever its deployer was killed', async () => {
      const load = await deployed('warmon');
      const app = 'warmon';
      // With two the next release would be what is warm.
      const three = [...images, await world.image({ script: server('third') })];
      await release(app, 'blue-green,bake=10m');
      const steps = (await killAfter(world, app, undefined)).filter((name) => TURNS.test(name));
      for (const [index, step] of steps.entries()) {
        const number = index + 2;
        const next = await release(app, 'blue-green,bake=10m', 1, three[number % 3]);
        await killAfter(world, app, step);
        expect(await world.rollOut(next, world.deployer()), `killed after ${step}`).toMatchObject({
          state: 'live',
        });
        await world.reconcile(world.deployer());
        expect(await states(app), `killed after ${step}`).toEqual(
          [number, number + 1].map((each) => `v${each} web.1 running`).sort(),
        );
      }
      await load.stop();
      expect(load.failures).toEqual([]);
    }, 600_000);
  });

  describe('in batches', () => {
    it('replaces so many at a time, without a lost request', async () => {
      const load = await deployed('rolled', 3);
      const most: number[] = [];
      const parts = world.deployer({
        step: async (name, run) => {
          if (name === 'engine: start a container') {
            const running = (await states('rolled')).filter((one) => one.endsWith('running'));
            most.push(running.length);
          }
          return run();
        },
      });
      const deployment = await release('rolled', 'rolling,batch=1', 3);
      expect(await world.rollOut(deployment, parts)).toMatchObject({ state: 'live' });
      // Each is started when the one before has taken its place.
      expect(most).toEqual([3, 3, 3]);
      const log = await world.log(deployment);
      expect(log).toMatch(
        /batch 2 of 3\n.*started web.2 .*\n.*\n.*requests go to old and new .*\n.*stopped v1 web.2 /,
      );
      await isWhole('rolled', 2, 3, 'odd');
      await load.stop();
      expect(load.failures).toEqual([]);
    });

    it('that fails in a later batch has the old ones back everywhere', async () => {
      const load = await deployed('rolledback', 2);
      const before = (await world.containers('rolledback')).map(({ id }) => id).sort();
      // The second one dies as soon as it is there.
      const parts = world.deployer({
        step: async (name, run) => {
          const result = await run();
          const second = (await states('rolledback')).includes('v2 web.2 running');
          if (name === 'engine: start a container' && second)
            for (const one of await world.containers('rolledback'))
              if (one.release === 2 && one.instance.number === 2) await world.docker.docker(['kill', one.id]);
          return result;
        },
      });
      const deployment = await release('rolledback', 'rolling,batch=1', 2);
      expect(await world.rollOut(deployment, parts)).toMatchObject({ state: 'failed', code: 'unhealthy' });
      await isWhole('rolledback', 1, 2, 'even');
      expect((await world.containers('rolledback')).map(({ id }) => id).sort()).toEqual(before);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect([...load.seen.keys()].map((body) => body.trim()).sort()).toEqual(['even', 'odd']);
    });

    it('is ended right wherever its deployer was killed', async () => {
      const load = await deployed('rolledon', 2);
      await killEverywhere('rolledon', 'rolling,batch=1', 2, load);
      await load.stop();
      expect(load.failures).toEqual([]);
    }, 600_000);
  });

  describe('that recreates', () => {
    it('stops the old ones before it starts the new ones', async () => {
      const load = await deployed('anew', 2);
      await load.stop();
      const seen: string[][] = [];
      const parts = world.deployer({
        step: async (name, run) => {
          if (name === 'engine: start a container') seen.push(await states('anew'));
          return run();
        },
      });
      const deployment = await release('anew', 'recreate', 2);
      expect(await world.rollOut(deployment, parts)).toMatchObject({ state: 'live' });
      for (const at of seen) expect(at.filter((one) => /^v1 .*running/.test(one))).toEqual([]);
      expect(await world.log(deployment)).toContain('nothing answers until the new containers do');
      await isWhole('anew', 2, 2, 'odd');
    });

    it('that fails starts the old ones again, when the new ones are gone', async () => {
      const load = await deployed('old', 1);
      await load.stop();
      const [before] = await world.containers('old');
      const seen: string[][] = [];
      const parts = world.deployer({
        step: async (name, run) => {
          if (name === 'engine: start a container') seen.push(await states('old'));
          return run();
        },
      });
      const deployment = await release('old', 'recreate', 1, broken);
      expect(await world.rollOut(deployment, parts)).toMatchObject({ state: 'failed', code: 'unhealthy' });
      expect(seen.at(-1)).toEqual(['v1 web.1 exited']);
      expect((await world.containers('old')).map(({ id }) => id)).toEqual([before?.id]);
      await isWhole('old', 1, 1, 'even');
    });

    it('is ended right wherever its deployer was killed', async () => {
      const load = await deployed('anewon', 1);
      await load.stop();
      await killEverywhere('anewon', 'recreate', 1);
    }, 600_000);
  });

  describe('with a canary', () => {
    it('sends a share of the requests to it, and all of them when it was well', async () => {
      const load = await deployed('bird', 3);
      const seen: string[][] = [];
      const reloads = (await world.edge.haproxy.processes()).reloads;
      const parts = world.deployer({
        step: async (name, run) => {
          if (name === 'store: open') seen.push(await states('bird'));
          return run();
        },
      });
      const deployment = await release('bird', 'canary,percent=20,bake=4s', 3);
      expect(await world.rollOut(deployment, parts)).toMatchObject({ state: 'live' });
      expect(seen).toContainEqual([
        'v1 web.1 running',
        'v1 web.2 running',
        'v1 web.3 running',
        'v2 web.1 running',
      ]);
      expect((await world.edge.haproxy.processes()).reloads).toBe(reloads);
      const [, errors, answers] =
        /the canary is well: (\d+) errors in (\d+) answers/.exec(await world.log(deployment)) ?? [];
      const [, old] = /the old release 0 errors in (\d+)/.exec(await world.log(deployment)) ?? [];
      expect(errors).toBe('0');
      const share = Number(answers) / (Number(answers) + Number(old));
      expect(share).toBeGreaterThan(0.1);
      expect(share).toBeLessThan(0.3);
      await load.stop();
      expect(load.failures).toEqual([]);
      await isWhole('bird', 2, 3, 'odd');
    });

    it('returns when the canary has more errors than the old release', async () => {
      const load = await deployed('sick');
      // What the checks ask it answers well.
      const page = `case "$HTTP_USER_AGENT" in slipway-check) ;; *) echo "Status: 500 No";; esac; echo; echo sick`;
      const faulty = await world.image({
        script: `trap 'exit 0' TERM; mkdir -p /www/cgi-bin; printf '%s\\n' '#!/bin/sh' '${page}' > /www/cgi-bin/index.cgi; busybox chmod +x /www/cgi-bin/index.cgi; httpd -f -p $PORT -h /www & wait`,
      });
      const deployment = await release('sick', 'canary,percent=50,bake=10m', 1, faulty);
      expect(await world.rollOut(deployment)).toMatchObject({
        state: 'failed',
        code: 'unhealthy',
        reason: expect.stringMatching(/^the canary has \d+ errors in \d+ answers, .*more than 5 % beyond/),
      });
      await isWhole('sick', 1, 1, 'even');
      const before = load.failures.length;
      expect(before).toBeGreaterThan(0);
      await load.stop();
      expect(load.failures).toHaveLength(before);
    });

    it('returns when the canary stops doing its work, when it is cancelled, and when a newer release waits', async () => {
      const load = await deployed('ended');
      const baking = async (): Promise<{ deployment: Deployment; done: Promise<Deployment> }> => {
        const deployment = await release('ended', 'canary,percent=10,bake=10m');
        const done = world.rollOut(deployment);
        await until(async () =>
          (await world.edge.edge.state()).apps.some(
            ({ app, share }) => app === 'ended' && share !== undefined,
          ),
        );
        return { deployment, done };
      };
      const dying = await baking();
      const canary = (await world.containers('ended')).find((one) => one.release === 2);
      await world.docker.docker(['pause', canary?.id ?? '']);
      expect(await dying.done).toMatchObject({ state: 'failed', code: 'unhealthy' });
      await isWhole('ended', 1, 1, 'even');
      // What a paused container does not answer nobody else may be asked for.
      load.failures.splice(0);
      const cancelled = await baking();
      await requestCancel(world, 'ended', cancelled.deployment.id, 'bob');
      expect(await cancelled.done).toMatchObject({ state: 'cancelled' });
      await isWhole('ended', 1, 1, 'even');
      const overtaken = await baking();
      const newer = await release('ended', 'blue-green');
      expect(await overtaken.done).toMatchObject({ state: 'superseded' });
      expect(await world.deployment('ended', newer.id)).toMatchObject({ state: 'live' });
      await load.stop();
      expect(load.failures).toEqual([]);
      await isWhole('ended', 5, 1, 'odd');
    });

    it('has its share again after a restart of the edge', async () => {
      const load = await deployed('back');
      const deployment = await release('back', 'canary,percent=50,bake=10m');
      const done = world.rollOut(deployment);
      const canaryAnswers = async (): Promise<number> => {
        const answers = await world.edge.edge.answers('back.localhost').catch(() => new Map());
        return [...answers].find(([name]) => name.startsWith('v2-'))?.[1].answers ?? 0;
      };
      await until(async () => (await canaryAnswers()) > 0);
      await load.stop();
      await world.edge.kill();
      await world.edge.start();
      await until(async () => {
        await world.get('back');
        return (await canaryAnswers()) > 0;
      });
      await requestCancel(world, 'back', deployment.id, 'bob');
      expect(await done).toMatchObject({ state: 'cancelled' });
      await isWhole('back', 1, 1, 'even');
    });

    it('is ended right wherever its deployer was killed', async () => {
      const load = await deployed('flown');
      await killEverywhere('flown', 'canary,percent=30,bake=1s', 1, load);
      await load.stop();
      expect(load.failures).toEqual([]);
    }, 600_000);
  });
});

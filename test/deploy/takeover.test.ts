import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployNext } from '../../deploy/deployer.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { startLoad } from './support/load.js';
import { type Step, World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

/** Steps that others see. TEST_ALL_STEPS kills at each of the others as well; that takes minutes. */
const EFFECTS =
  /^(engine: (create|start|update|stop|remove|pull)|file: (commit|write)|haproxy: (enable|drain|reload|remove)|ledger: record|store: (append|claim|end)|repositories: move)/;

/** As a process that is killed: from then on nothing that it tries has an effect. */
class Killed extends Error {}

describe.skipIf(missing !== undefined)('a deployer that is killed', () => {
  let world: World;
  const images: ReleaseImage[] = [];

  beforeAll(async () => {
    world = await World.open();
    for (const text of ['even', 'odd']) images.push(await world.image({ script: server(text) }));
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  /**
   * Kills after a step: `engine: create 1` is the first of its name, since some steps are taken side by side, in any order.
   * Returns the steps that were taken.
   */
  const killAfter = async (app: string, last: string | undefined): Promise<string[]> => {
    const lease = new AbortController();
    const taken: string[] = [];
    let isKilled = false;
    const step: Step = async (name, run) => {
      if (isKilled) throw new Killed(name);
      const result = await run();
      if (isKilled) throw new Killed(name);
      if (process.env.TEST_ALL_STEPS === undefined && !EFFECTS.test(name)) return result;
      const before = taken.filter((one) => one.startsWith(`${name} `)).length;
      taken.push(`${name} ${before + 1}`);
      if (taken.at(-1) !== last) return result;
      isKilled = true;
      lease.abort(new Killed(name));
      throw new Killed(name);
    };
    const parts = world.deployer({ step });
    await deployNext(parts, app, lease.signal).catch((error: unknown) => {
      if (!isKilled) throw error;
    });
    await parts.retirements.idle();
    return taken;
  };

  it('at any step leaves a rollout that the next one ends right, without a lost request', async () => {
    const app = 'survivor';
    await world.createApp(app);
    await world.rollOut(await world.release(app, images[0]!));
    const load = startLoad({ port: world.edge.port, host: `${app}.localhost`, connections: 4 });
    await world.release(app, images[1]!);
    const steps = await killAfter(app, undefined);
    for (const [index, step] of steps.entries()) {
      const number = index + 2;
      const release = await world.release(app, images[number % 2]!);
      await killAfter(app, step);
      expect(load.failures, `killed after ${step}`).toEqual([]);
      // Another process begins with a look at everything, and then takes the job.
      if (number % 3 === 0) await world.reconcile(world.deployer());
      const ended = await world.rollOut(release, world.deployer());
      await world.reconcile(world.deployer());
      expect(ended, `killed after ${step}`).toMatchObject({ state: 'live', release: number + 1 });
      expect((await world.ledger.read(app)).live).toBe(number + 1);
      expect(await world.repositories.branch(app, 'main')).toBe(release.push?.newOid);
      const containers = await world.containers(app);
      expect(
        containers.map((one) => `v${one.release} ${one.state}`),
        `killed after ${step}`,
      ).toEqual([`v${number + 1} running`]);
      expect(
        [...(await world.edge.haproxy.backends())]
          .filter(([host]) => host === `${app}.localhost`)
          .map(([, servers]) => servers.map((one) => one.name)),
      ).toEqual([
        (await world.edge.edge.state()).apps.find((one) => one.app === app)?.servers.map((one) => one.name),
      ]);
      expect(await world.get(app)).toEqual({ status: 200, body: number % 2 === 0 ? 'even' : 'odd' });
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(steps.length).toBeGreaterThan(15);
    for (const effect of [
      'engine: create',
      'engine: start',
      'file: commit',
      'haproxy: enable',
      'ledger: record',
      'repositories: move',
      'store: end',
      'engine: stop',
      'engine: remove',
    ])
      expect(
        steps.some((name) => name.startsWith(effect)),
        effect,
      ).toBe(true);
  }, 600_000);

  it('in the first rollout of an app leaves nothing that a failed second attempt would keep', async () => {
    const app = 'newborn';
    await world.createApp(app);
    const broken = await world.image({ script: 'sleep 0.5; exit 3' });
    const release = await world.release(app, broken);
    expect(await killAfter(app, 'engine: start a container 1')).toContain('engine: start a container 1');
    expect(await world.rollOut(release, world.deployer())).toMatchObject({
      state: 'failed',
      code: 'unhealthy',
    });
    expect(await world.containers(app)).toEqual([]);
    expect((await world.get(app)).status).toBe(404);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { killAfter } from './support/killed.js';
import { startLoad } from './support/load.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a deployer that is killed', () => {
  let world: World;
  const images: ReleaseImage[] = [];

  beforeAll(async () => {
    world = await World.open();
    for (const text of ['even', 'odd']) images.push(await world.image({ script: server(text) }));
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  it('at any step leaves a rollout that the next one ends right, without a lost request', async () => {
    const app = 'survivor';
    await world.createApp(app);
    await world.rollOut(await world.release(app, images[0]!));
    const load = startLoad({ port: world.edge.port, host: `${app}.localhost`, connections: 4 });
    await world.release(app, images[1]!);
    const steps = await killAfter(world, app, undefined);
    for (const [index, step] of steps.entries()) {
      const number = index + 2;
      const release = await world.release(app, images[number % 2]!);
      await killAfter(world, app, step);
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
      expect((await world.edge.edge.running(`${app}.localhost`)).map((one) => one.name)).toEqual(
        (await world.edge.edge.state()).apps.find((one) => one.app === app)?.servers.map((one) => one.name),
      );
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
    expect(await killAfter(world, app, 'engine: start a container 1')).toContain(
      'engine: start a container 1',
    );
    expect(await world.rollOut(release, world.deployer())).toMatchObject({
      state: 'failed',
      code: 'unhealthy',
    });
    expect(await world.containers(app)).toEqual([]);
    expect((await world.get(app)).status).toBe(404);
  });
});

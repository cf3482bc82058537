import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployNext } from '../../deploy/deployer.js';
import { requestRollback } from '../../src/changes.js';
import type { Deployment } from '../../src/model/deployment.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { startLoad } from './support/load.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a release that is what runs already', () => {
  let world: World;
  let one: ReleaseImage;
  let two: ReleaseImage;

  beforeAll(async () => {
    world = await World.open();
    one = await world.image({ script: server('one') });
    two = await world.image({ script: server('two') });
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  const ids = async (app: string): Promise<string[]> => (await world.containers(app)).map(({ id }) => id);
  const deploy = async (app: string, image: ReleaseImage, scale = 1): Promise<Deployment> => {
    const ended = await world.rollOut(await world.release(app, image, { scale }));
    expect(ended.state, await world.log(ended)).toBe('live');
    return ended;
  };
  const deployed = async (app: string, scale = 1): Promise<string[]> => {
    await world.createApp(app);
    await deploy(app, one, scale);
    return ids(app);
  };
  const live = async (app: string): Promise<number | undefined> => (await world.ledger.read(app)).live;

  it('goes live with the containers that are there, without a lost request', async () => {
    const before = await deployed('same', 2);
    const load = startLoad({ port: world.edge.port, host: 'same.localhost', connections: 4 });
    const edge = await world.edge.edge.state();
    const again = await deploy('same', one, 2);
    expect(await ids('same')).toEqual(before);
    expect(await world.edge.edge.state()).toEqual(edge);
    await load.stop();
    expect(load.failures).toEqual([]);
    const { live, releases } = await world.ledger.read('same');
    expect(live).toBe(2);
    expect(releases[1]?.outcome).toMatchObject({ containersOf: [releases[0]?.deploymentId] });
    expect(await world.repositories.branch('same', 'main')).toBe(again.push?.newOid);
    expect(again.phases.map(({ name }) => name)).toEqual(['pull', 'start']);
    const log = await world.log(again);
    expect(log).toContain('it runs already: v1 has the same image, config and processes');
    expect(log).toContain('=====> v2 of same is live');
    expect(log).toContain('To undo: slipway rollback v1');
  });

  it('is kept running by the reconciler, time and again', async () => {
    const before = await deployed('kept');
    for (let time = 0; time < 3; time += 1) {
      await deploy('kept', one);
      await world.reconcile(world.deployer());
      expect(await ids('kept')).toEqual(before);
    }
    expect(await live('kept')).toBe(4);
    // One that has to be made anew is the live release's own, and the next such release adopts that one.
    await world.docker.docker(['rm', '-f', before[0] ?? '']);
    await world.reconcile(world.deployer());
    expect(await world.states('kept')).toEqual(['v4 running']);
    await deploy('kept', one);
    await world.reconcile(world.deployer());
    expect(await world.states('kept')).toEqual(['v4 running']);
    expect(await world.get('kept')).toEqual({ status: 200, body: 'one' });
  });

  it('is followed by another image and by a rollback as any other', async () => {
    await deployed('followed');
    await deploy('followed', one);
    await deploy('followed', two);
    expect(await world.states('followed')).toEqual(['v3 running']);
    const back = await requestRollback(
      {
        ...world.parts,
        hostBook: { list: async () => [] },
        queues: { enqueueRollout: async () => true },
        limits: world.config.limits,
      },
      'followed',
      2,
      'alice',
    );
    expect(await world.rollOut(back)).toMatchObject({ state: 'live', release: 4 });
    expect(await world.states('followed')).toEqual(['v4 running']);
    expect(await world.get('followed')).toEqual({ status: 200, body: 'one' });
  });

  it('goes on when what comes after it fails', async () => {
    const before = await deployed('failing');
    await deploy('failing', one);
    const broken = await world.image({ script: 'exit 7' });
    expect((await world.rollOut(await world.release('failing', broken))).state).toBe('failed');
    await world.reconcile(world.deployer());
    expect(await ids('failing')).toEqual(before);
    expect(await world.get('failing')).toEqual({ status: 200, body: 'one' });
  });

  it('compares config vars by what they say', async () => {
    await world.createApp('vars');
    await world.ledger.setConfig('vars', { COLOUR: 'red' }, 'alice');
    await deploy('vars', one);
    const before = await ids('vars');
    await world.ledger.setConfig('vars', { COLOUR: 'red' }, 'alice');
    await deploy('vars', one);
    expect(await ids('vars')).toEqual(before);
    await world.ledger.setConfig('vars', { COLOUR: 'blue' }, 'alice');
    await deploy('vars', one);
    expect(await world.states('vars')).toEqual(['v3 running']);
  });

  it('gets new containers for those that do not answer, are too few, or have stopped', async () => {
    await world.createApp('unwell');
    await deploy('unwell', one);
    await world.docker.docker(['pause', (await ids('unwell'))[0] ?? '']);
    await deploy('unwell', one);
    expect(await world.states('unwell')).toEqual(['v2 running']);
    const scaled = await deployed('scaled');
    await deploy('scaled', one, 2);
    expect(await world.states('scaled')).toEqual(['v2 running', 'v2 running']);
    expect(await ids('scaled')).not.toContain(scaled[0]);
    const stopped = await deployed('stopped');
    await world.docker.docker(['stop', '-t', '0', stopped[0] ?? '']);
    await deploy('stopped', one);
    expect(await world.states('stopped')).toEqual(['v2 running']);
  });

  it('gets new containers where those that are there would not pass the checks of the app any more', async () => {
    await world.createApp('defined');
    const processes = [{ type: 'web', scale: 1, checks: [{ path: '/', content: 'one' }] }];
    const again = async (): Promise<string[]> => {
      const ended = await world.rollOut(await world.release('defined', one, { processes }));
      expect(ended.state, await world.log(ended)).toBe('live');
      return ids('defined');
    };
    const before = await again();
    expect(await again()).toEqual(before);
    await world.docker.docker(['exec', before[0] ?? '', 'sh', '-c', 'echo two > /www/index.html']);
    expect(await again()).not.toEqual(before);
  });

  it('gets new containers where the short way is switched off', async () => {
    await deployed('off');
    const release = await world.release('off', one);
    expect((await world.rollOut(release, world.deployer({ adopt: false }))).state).toBe('live');
    expect(await world.states('off')).toEqual(['v2 running']);
  });

  it('is ended right by another deployer, wherever its own was killed', async () => {
    const before = await deployed('killed');
    for (let number = 1; ; number += 1) {
      const release = await world.release('killed', one);
      const lease = new AbortController();
      let count = 0;
      let killed = false;
      const parts = world.deployer({
        step: async (name, run) => {
          if (killed) throw new Error(`killed before ${name}`);
          const result = await run();
          if (/^(ledger: record|store: (append|claim|end)|repositories: move)/.test(name)) count += 1;
          if (count < number) return result;
          killed = true;
          lease.abort(new Error(`killed after ${name}`));
          throw new Error(`killed after ${name}`);
        },
      });
      await deployNext(parts, 'killed', lease.signal).catch(() => undefined);
      if (!killed) break;
      await world.reconcile(world.deployer());
      const ended = await world.rollOut(release, world.deployer());
      await world.reconcile(world.deployer());
      expect(ended).toMatchObject({ state: 'live', release: number + 1 });
      expect(await ids('killed')).toEqual(before);
      expect(await world.repositories.branch('killed', 'main')).toBe(release.push?.newOid);
    }
    expect(await live('killed')).toBeGreaterThan(4);
  });
});

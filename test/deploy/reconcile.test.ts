import { mkdir, rename, rmdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withApp } from '../../deploy/edge/state.js';
import { serverName } from '../../deploy/names.js';
import { platformId } from '../../deploy/platform-id.js';
import { startReconciler } from '../../deploy/reconciler.js';
import { homePaths } from '../../src/config.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { startLoad } from './support/load.js';
import { PLATFORM, World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('the reconciler', () => {
  let world: World;
  let one: ReleaseImage;
  let two: ReleaseImage;

  beforeAll(async () => {
    world = await World.open();
    one = await world.image({ script: server('one') });
    two = await world.image({ script: server('two') });
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  const deployed = async (app: string): Promise<string> => {
    await world.createApp(app);
    await world.rollOut(await world.release(app, one));
    return (await world.containers(app))[0]!.id;
  };
  const serves = (app: string, body = 'one'): Promise<void> =>
    until(async () => {
      const answer = await world.get(app).catch(() => undefined);
      return answer?.status === 200 && answer.body === body;
    });

  it('makes a container anew that somebody removed', async () => {
    const id = await deployed('removed');
    await world.docker.docker(['rm', '-f', id]);
    expect((await world.get('removed')).status).toBe(503);
    await world.reconcile();
    await serves('removed');
    expect(await world.states('removed')).toEqual(['v1 running']);
  });

  it('goes on without a host that was removed under a live release', async () => {
    await world.createApp('bereft');
    const { release = 0 } = await world.release('bereft', one, { scale: 2, hosts: ['gone', 'local'] });
    await world.ledger.recordOutcome('bereft', release, { state: 'live', at: new Date().toISOString() });
    await world.reconcile();
    await serves('bereft');
    expect((await world.containers('bereft')).map(({ instance }) => instance.number)).toEqual([2]);
  });

  it('leaves no container that the engine would not restart, also when it is killed in the middle', async () => {
    const policy = async (): Promise<string> => {
      const [container] = await world.containers('unattended');
      return world.docker.docker([
        'inspect',
        '-f',
        '{{.HostConfig.RestartPolicy.Name}}',
        container?.id ?? '',
      ]);
    };
    const killedAt = (last: string): Promise<void> =>
      world.reconcile(
        world.deployer({
          step: async (name, run) => {
            const result = await run();
            if (name === last) throw new Error('killed');
            return result;
          },
        }),
      );
    const id = await deployed('unattended');
    await world.docker.docker(['rm', '-f', id]);
    await killedAt('engine: start a container').catch(() => undefined);
    expect([await world.states('unattended'), await policy()]).toEqual([['v1 running'], 'unless-stopped']);
    await world.docker.docker(['stop', '-t', '0', (await world.containers('unattended'))[0]?.id ?? '']);
    await killedAt('engine: update a container').catch(() => undefined);
    await world.reconcile();
    expect([await world.states('unattended'), await policy()]).toEqual([['v1 running'], 'unless-stopped']);
  });

  it('shows no secret of an app whose check says it', async () => {
    await world.createApp('talks');
    await world.ledger.setConfig('talks', { TOKEN: 'correct horse' }, 'alice');
    const image = await world.image({
      script: server('one'),
      healthcheck: '--timeout=1s CMD echo "not with $TOKEN"; exit 1',
    });
    const { id, release } = await world.release('talks', image);
    const at = new Date().toISOString();
    await world.ledger.recordOutcome('talks', release!, { state: 'live', at });
    await world.store.end('talks', id, { state: 'superseded', reason: 'a test', code: 'superseded' });
    const { config } = world.parts;
    const limits = { ...config.limits, healthTimeoutMs: 3000 };
    const reconciling = world.reconcile({ ...world.parts, config: { ...config, limits } });
    await expect(reconciling).rejects.toMatchObject({
      code: 'unhealthy',
      message: expect.stringContaining('not with ***'),
    });
    await world.ledger.destroyApp('talks', 'alice');
    await world.reconcile();
  });

  it('pulls the image again when that is gone too', async () => {
    await deployed('pruned');
    for (const container of await world.containers()) await world.docker.docker(['rm', '-f', container.id]);
    await world.docker.docker(['rmi', '-f', world.target.reference(one)]);
    expect(await world.target.has(one)).toBe(false);
    await world.reconcile();
    await serves('pruned');
    await serves('removed');
  });

  it('starts a container that somebody stopped, at its old address', async () => {
    const id = await deployed('stopped');
    const [before] = await world.containers('stopped');
    await world.docker.docker(['stop', '-t', '0', id]);
    await world.reconcile();
    await serves('stopped');
    expect(await world.containers('stopped')).toEqual([before]);
  });

  it('notices a death by itself, without waiting for its next turn', async () => {
    const id = await deployed('noticed');
    const reconciler = startReconciler(world.deployer(), 3_600_000);
    try {
      // Not before its first pass is over and it listens.
      await until(async () => (await world.states('noticed'))[0] === 'v1 running');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await world.docker.docker(['rm', '-f', id]);
      await until(async () => (await world.states('noticed'))[0] === 'v1 running');
      await serves('noticed');
    } finally {
      await reconciler.close();
    }
  });

  it('removes what rollouts left that died, and touches no container of others', async () => {
    await deployed('tidy');
    const stray = {
      app: 'tidy',
      release: 77,
      deployment: 'd1',
      instance: { process: 'web', number: 1 },
      image: two,
      env: {},
    };
    await world.target.pull(two);
    await world.target.start(stray);
    await world.docker.docker([
      'run',
      '--pull=never',
      '-d',
      '--name',
      'theirs',
      '--label',
      'slipway.platform=another',
      'slipway-test-base:1',
      'sleep',
      '1000',
    ]);
    await world.docker.docker([
      'run',
      '--pull=never',
      '-d',
      '--name',
      'plain',
      'slipway-test-base:1',
      'sleep',
      '1000',
    ]);
    await world.reconcile();
    expect(await world.states('tidy')).toEqual(['v1 running']);
    expect(
      await world.docker.docker([
        'ps',
        '--format',
        '{{.Names}}',
        '--filter',
        'name=theirs',
        '--filter',
        'name=plain',
      ]),
    ).toMatch(/plain[\s\S]*theirs|theirs[\s\S]*plain/);
  });

  it('leaves an app alone whose rollout is under way, and containers of one that waits', async () => {
    await deployed('busy');
    const waiting = await world.release('busy', two);
    const [container] = await world.containers('busy');
    await world.target.pull(two);
    await world.target.start({
      app: 'busy',
      release: 2,
      deployment: waiting.id,
      instance: { process: 'web', number: 1 },
      image: two,
      env: {},
    });
    await world.reconcile();
    expect((await world.states('busy')).sort()).toEqual(['v1 running', 'v2 running']);
    await world.store.claim('busy', waiting.id, 'rollout', 'another deployer');
    await world.docker.docker(['stop', '-t', '0', container!.id]);
    await world.reconcile();
    expect((await world.states('busy')).sort()).toEqual(['v1 exited', 'v2 running']);
    expect((await world.rollOut(waiting)).state).toBe('live');
    expect(await world.states('busy')).toEqual(['v2 running']);
  });

  it('puts the edge right that goes elsewhere than the ledger says', async () => {
    await deployed('astray');
    const [container] = await world.containers('astray');
    const nowhere = { name: 'v9-10.214.250.250:1', host: '10.214.250.250', port: 1 };
    await world.edge.edge.change(
      (now) => withApp(now, { app: 'astray', host: 'astray.localhost', servers: [nowhere] }),
      async () => undefined,
    );
    await world.reconcile();
    await serves('astray');
    expect((await world.edge.edge.running('astray.localhost')).map(({ name }) => name)).toEqual([
      serverName(1, container!.address!),
    ]);
  });

  it('takes a destroyed app down, and nothing else', async () => {
    await deployed('doomed');
    await deployed('neighbour');
    await world.ledger.destroyApp('doomed', 'alice');
    const load = startLoad({ port: world.edge.port, host: 'neighbour.localhost' });
    await world.reconcile();
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await world.states('doomed')).toEqual([]);
    expect((await world.get('doomed')).status).toBe(404);
    // Its containers were on it until a moment ago.
    await world.reconcile();
    const networks = (await world.target.networks()).map(({ app }) => app);
    expect(networks).toContain('neighbour');
    expect(networks).not.toContain('doomed');
  });

  it('never takes a container of a destroyed app for one of a new app with its name', async () => {
    const id = await deployed('reborn');
    await world.ledger.destroyApp('reborn', 'alice');
    await world.store.setAside('reborn');
    await world.createApp('reborn');
    const release = await world.release('reborn', two, { source: await world.firstCommit('reborn') });
    expect(await world.rollOut(release)).toMatchObject({ state: 'live', release: 1 });
    expect((await world.containers('reborn')).map((container) => container.id)).not.toContain(id);
    await serves('reborn', 'two');
  });

  it('takes nothing for destroyed while the repositories are out of reach', async () => {
    await deployed('unmounted');
    const { appRepositories } = homePaths(world.config.home);
    const before = (await world.containers()).length;
    await rename(appRepositories, `${appRepositories}.away`);
    try {
      await expect(world.reconcile(world.deployer())).rejects.toThrow();
    } finally {
      await rename(`${appRepositories}.away`, appRepositories);
    }
    expect((await world.containers()).length).toBe(before);
    await serves('unmounted');
  });

  it('brings everything back after the engine was killed and HAProxy restarted', async () => {
    await deployed('phoenix');
    await world.edge.kill();
    await world.docker.restart({ kill: true });
    const reconciler = startReconciler(world.deployer());
    try {
      // It has to try again until HAProxy is there.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await world.edge.start();
      for (const app of ['phoenix', 'neighbour', 'tidy']) await serves(app);
    } finally {
      await reconciler.close();
    }
  }, 120_000);
});

describe('the name of a platform', () => {
  it('is drawn once, also by processes that start at once, and kept', async () => {
    const home = `${await temporaryDirectory()}/home`;
    const ids = await Promise.all(Array.from({ length: 8 }, () => platformId(home)));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[a-z0-9]{8}$/);
    expect(ids[0]).not.toBe(PLATFORM);
    expect(await platformId(home)).toBe(ids[0]);
  });

  it('is not drawn anew when the file is damaged', async () => {
    const home = await temporaryDirectory();
    await mkdir(`${home}/platform.id`);
    await expect(platformId(home)).rejects.toThrow();
    await rmdir(`${home}/platform.id`);
  });
});

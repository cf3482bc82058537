import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serveRuntime } from '../../deploy/serve.js';
import { type Machines, startMachines } from '../../platform/demo/machines.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { startSteadyLoad } from './support/steady-load.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const ABC = ['a', 'b', 'c'];

describe.skipIf(missing !== undefined)('a rollout over three hosts', () => {
  let machines: Machines;
  let world: World;
  let one: ReleaseImage;
  let two: ReleaseImage;

  beforeAll(async () => {
    machines = await startMachines(ABC.map((name) => ({ name })));
    world = await World.over(machines);
    one = await world.image({ script: server('one') });
    two = await world.image({ script: server('two') });
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    if (world === undefined) await machines?.stop();
    else await world.close();
  }, 120_000);
  afterEach(async () => {
    for (const { app } of await world.containers())
      if (await world.ledger.appExists(app)) await world.ledger.destroyApp(app, 'alice');
    await world.reconcile();
  });

  /** `web.1 on a`, of all that runs, sorted. */
  const running = async (app: string): Promise<string[]> =>
    (await world.containers(app))
      .map(
        ({ host, release, instance, state }) =>
          `v${release} ${instance.process}.${instance.number} ${state} on ${host}`,
      )
      .sort();
  const deployed = async (
    app: string,
    options: { scale?: number; hosts?: readonly string[] } = {},
  ): Promise<void> => {
    await world.createApp(app);
    const ended = await world.rollOut(await world.release(app, one, { scale: 3, hosts: ABC, ...options }));
    expect(ended.state).toBe('live');
  };

  it('spreads the instances, says per host what it did, and sends requests to all', async () => {
    await world.createApp('spread');
    const named = await world.image({
      script: `trap 'exit 0' TERM; mkdir -p /www && cat /etc/hostname > /www/index.html; httpd -f -p $PORT -h /www & wait`,
    });
    const processes = [
      { type: 'web', scale: 2 },
      { type: 'worker', scale: 2, command: ['/bin/sh', '-c', 'exec sleep 1000'] },
    ];
    const deployment = await world.release('spread', named, { processes, hosts: ABC });
    expect(await world.rollOut(deployment)).toMatchObject({ state: 'live' });
    expect(await running('spread')).toEqual([
      'v1 web.1 running on a',
      'v1 web.2 running on b',
      'v1 worker.1 running on c',
      'v1 worker.2 running on a',
    ]);
    const log = await world.log(deployment);
    expect(log).toContain('started web.1 on a, web.2 on b, worker.1 on c, worker.2 on a');
    expect(log).toMatch(/, worker runs \(check /);
    expect(log).toMatch(/a: (pulled|has the image), started web\.1, worker\.2, healthy\n/);
    expect(log).toMatch(/b: pulled, started web\.2, healthy\n/);
    expect(log).toMatch(/c: pulled, started worker\.1, healthy\n/);
    const load = startSteadyLoad({ port: world.edge.port, host: 'spread.localhost' });
    await until(() => load.seen.size === 2);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('replaces the release on all of them without losing a request', async () => {
    await deployed('replaced');
    const load = startSteadyLoad({ port: world.edge.port, host: 'replaced.localhost' });
    const ended = await world.rollOut(await world.release('replaced', two, { scale: 3, hosts: ABC }));
    expect(ended).toMatchObject({ state: 'live', release: 2 });
    await until(() => load.seen.has('two'));
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await running('replaced')).toEqual(
      ABC.map((name, index) => `v2 web.${index + 1} running on ${name}`),
    );
    expect((await world.edge.edge.running('replaced.localhost')).length).toBe(3);
  });

  it('starts nothing anew for a release that runs already on the same hosts, and moves one that is placed elsewhere', async () => {
    await deployed('placed', { scale: 2, hosts: ['a', 'b'] });
    const before = (await world.containers('placed')).map(({ id }) => id).sort();
    await world.rollOut(await world.release('placed', one, { scale: 2, hosts: ['a', 'b'] }));
    expect((await world.containers('placed')).map(({ id }) => id).sort()).toEqual(before);
    await world.rollOut(await world.release('placed', one, { scale: 2, hosts: ['b', 'c'] }));
    expect(await running('placed')).toEqual(['v3 web.1 running on b', 'v3 web.2 running on c']);
    await world.reconcile();
    expect(await running('placed')).toEqual(['v3 web.1 running on b', 'v3 web.2 running on c']);
  });

  it('reverts all of them when one instance is not healthy, and says where that was', async () => {
    await deployed('halved');
    // Each machine deals its containers addresses of its own range: 10.217.16.0/20 is b's.
    const picky = await world.image({
      script: `case "$(/bin/busybox ip -4 addr show eth0)" in *10.217.1[6-9].*|*10.217.2[0-9].*|*10.217.3[01].*) echo "not here"; exit 3;; esac; ${server('picky')}`,
    });
    const deployment = await world.release('halved', picky, { scale: 3, hosts: ABC });
    const ended = await world.rollOut(deployment);
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'unhealthy',
      reason: expect.stringMatching(/^on b: /),
    });
    expect(await running('halved')).toEqual(
      ABC.map((name, index) => `v1 web.${index + 1} running on ${name}`),
    );
    const log = await world.log(deployment);
    expect(log).toContain('web.2 of v2 on b (exit code 3) wrote last');
    expect(log).toMatch(/a: [^\n]*started web\.1, (healthy, )?reverted\n/);
    expect(log).toMatch(/b: pulled, started web\.2, failed: [^\n]*code 3, reverted\n/);
    expect(await world.get('halved')).toEqual({ status: 200, body: 'one' });
  });

  it('does not need a host that gets no instance, and clears that one when it is back', async () => {
    await deployed('moved', { scale: 1, hosts: ['c'] });
    await machines.get('c').link('down');
    const deployment = await world.release('moved', two, { scale: 2, hosts: ['a', 'b'] });
    const ended = await world.rollOut(deployment);
    await machines.get('c').link('up');
    expect(ended.state).toBe('live');
    expect(await world.log(deployment)).toContain(
      'c does not answer: what it runs of moved is stopped when it is back',
    );
    expect(await world.get('moved')).toEqual({ status: 200, body: 'two' });
    await world.reconcile();
    expect(await running('moved')).toEqual(['v2 web.1 running on a', 'v2 web.2 running on b']);
  });

  it('is seen as a whole: ps and logs ask all hosts, and name one that does not answer', async () => {
    await world.createApp('seen');
    const talking = await world.image({ script: `echo listening; ${server('seen')}` });
    await world.rollOut(await world.release('seen', talking, { scale: 3, hosts: ABC }));
    const socketPath = `${await temporaryDirectory()}/deployer.sock`;
    const stop = await serveRuntime({
      ...world.parts,
      socketPath,
    });
    const client = new DeployerClient(socketPath, 20_000);
    const logs = async (): Promise<string> => {
      let text = '';
      for await (const part of await client.logs('seen', { lines: 10, follow: false })) text += part;
      return text;
    };
    try {
      const { processes, silent } = await client.processes('seen');
      expect(processes.map(({ process, host }) => `${process} on ${host}`)).toEqual([
        'web.1 on a',
        'web.2 on b',
        'web.3 on c',
      ]);
      expect(silent).toEqual([]);
      expect((await logs()).split('\n').sort()).toEqual([
        '',
        ...[1, 2, 3].map((number) => `web.${number} v1: listening`),
      ]);
      await machines.get('b').cutOff();
      const without = await client.processes('seen');
      expect(without.processes.map(({ host }) => host)).toEqual(['a', 'c']);
      expect(without.silent).toEqual([{ host: 'b', reason: expect.stringMatching(/^the Docker Engine/) }]);
      expect(await logs()).toMatch(
        /^slipway: b cannot be asked for its part: .*\nweb\.[13] v1: listening\nweb\.[13] v1: listening\n$/,
      );
    } finally {
      await machines.get('b').reconnect();
      await stop();
    }
  });
});

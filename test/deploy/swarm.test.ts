import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { reportOf, statusOfHost } from '../../deploy/hosts/look.js';
import { startReconciler } from '../../deploy/reconciler.js';
import { type Machine, type Machines, startMachines } from '../../platform/demo/machines.js';
import { joinSwarm } from '../../platform/demo/swarm.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { killAfter } from './support/killed.js';
import { startSteadyLoad } from './support/steady-load.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const PROD = ['prod'];

describe.skipIf(missing !== undefined)('a Swarm of three nodes as one host', () => {
  let machines: Machines;
  let manager: Machine;
  let world: World;
  let one: ReleaseImage;
  let two: ReleaseImage;

  beforeAll(async () => {
    machines = await startMachines(['a', 'b', 'c'].map((name) => ({ name })));
    [manager] = machines.all as [Machine];
    world = await World.over(machines, [['prod', await joinSwarm(machines)]]);
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

  const running = async (app: string): Promise<string[]> =>
    (await world.containers(app))
      .map(({ release, instance, state }) => `v${release} ${instance.process}.${instance.number} ${state}`)
      .sort();
  const services = async (): Promise<string[]> =>
    (await manager.docker(['service', 'ls', '--format', '{{.Name}} {{.Replicas}}']))
      .split('\n')
      .filter(Boolean)
      .sort();
  const addresses = async (app: string): Promise<string[]> =>
    (await world.containers(app)).flatMap(({ address }) => address?.host ?? []).sort();
  const deployed = async (app: string, scale = 2): Promise<void> => {
    await world.createApp(app);
    const deployment = await world.release(app, one, { scale, hosts: PROD });
    const ended = await world.rollOut(deployment);
    expect(ended, await world.log(deployment)).toMatchObject({ state: 'live' });
  };
  const serves = async (app: string, text: string): Promise<void> =>
    expect(await world.get(app)).toEqual({ status: 200, body: text });

  it('runs a service for each process type, by digest, its instances on nodes apart', async () => {
    await world.createApp('mapped');
    const processes = [
      { type: 'web', scale: 3, resources: { memoryBytes: 64 * 1024 * 1024, processes: 50 } },
      { type: 'worker', scale: 2, command: ['/bin/sh', '-c', 'exec sleep 1000'] },
    ];
    const deployment = await world.release('mapped', one, { processes, hosts: PROD });
    expect(await world.rollOut(deployment), await world.log(deployment)).toMatchObject({ state: 'live' });
    expect(await services()).toEqual(['mapped_v1_web_1_testtest 3/3', 'mapped_v1_worker_1_testtest 2/2']);
    expect(await addresses('mapped')).toEqual(machines.all.map(({ address }) => address).sort());
    const format = '{{.Spec.TaskTemplate.ContainerSpec.Image}} {{json .Spec.TaskTemplate.Resources.Limits}}';
    const shown = await manager.docker([
      'service',
      'inspect',
      '--format',
      format,
      'mapped_v1_web_1_testtest',
    ]);
    expect(shown).toBe(`${world.registry.host}/apps/test@${one.digest} {"MemoryBytes":67108864,"Pids":50}`);
    // Who has a node as a host of its own must not take its tasks for containers of a rollout.
    expect(await manager.docker(['ps', '-q', '--filter', 'label=slipway.platform'])).toBe('');
    await serves('mapped', 'one');
  });

  it('replaces the release without losing a request, and brings it back by its digest', async () => {
    await deployed('replaced');
    const load = startSteadyLoad({ port: world.edge.port, host: 'replaced.localhost' });
    const ended = await world.rollOut(await world.release('replaced', two, { scale: 2, hosts: PROD }));
    expect(ended.state).toBe('live');
    await until(() => load.seen.has('two'));
    expect(await services()).toEqual(['replaced_v2_web_1_testtest 2/2']);
    const back = await world.release('replaced', one, { kind: 'rollback', scale: 2, hosts: PROD });
    expect(await world.rollOut(back)).toMatchObject({ state: 'live', release: 3 });
    await until(async () => (await world.get('replaced')).body === 'one');
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await running('replaced')).toEqual(['v3 web.1 running', 'v3 web.2 running']);
  });

  it('gives config vars as secrets to an app that wants files, and removes them with the release', async () => {
    await world.createApp('secret');
    await world.ledger.setConfig('secret', { TOKEN: 'hush-hush', SLIPWAY_SECRET_FILES: '1' }, 'alice');
    const reading = await world.image({
      script: `trap 'exit 0' TERM; mkdir -p /www; cat "$TOKEN_FILE" > /www/index.html; httpd -f -p $PORT -h /www & wait`,
    });
    const deployment = await world.release('secret', reading, { scale: 2, hosts: PROD });
    expect(await world.rollOut(deployment), await world.log(deployment)).toMatchObject({ state: 'live' });
    await serves('secret', 'hush-hush');
    expect(await manager.docker(['service', 'inspect', 'secret_v1_web_1_testtest'])).not.toContain(
      'hush-hush',
    );
    await world.ledger.destroyApp('secret', 'alice');
    await world.reconcile();
    expect(await manager.docker(['secret', 'ls', '-q'])).toBe('');
  });

  it('has several services where there are more instances than nodes', async () => {
    await deployed('many', 4);
    expect(await services()).toEqual(['many_v1_web_1_testtest 3/3', 'many_v1_web_4_testtest 1/1']);
    expect((await world.edge.haproxy.backends()).get('many.localhost')?.length).toBe(4);
  });

  it.each([
    ['a task that exits', 'exiting', `sleep 1; exit 3`, /web on the node .* exited with code 3/],
    [
      'an app that answers 500',
      'answering',
      `printf 'HTTP/1.1 500 no\\r\\n\\r\\n' > /r; while :; do nc -l -p $PORT < /r; done`,
      /port 8080/,
    ],
  ])('reverts %s, says so, and the old release serves', async (_what, app, script, reason) => {
    await deployed(app);
    const load = startSteadyLoad({ port: world.edge.port, host: `${app}.localhost` });
    const bad = await world.image({ script: `echo my last words; ${script}` });
    const deployment = await world.release(app, bad, { scale: 2, hosts: PROD });
    const ended = await world.rollOut(deployment);
    await load.stop();
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'unhealthy',
      reason: expect.stringMatching(reason),
    });
    expect(await world.log(deployment)).toContain('| my last words');
    expect([...load.seen.keys()]).toEqual(['one']);
    expect(load.failures).toEqual([]);
    expect(await services()).toEqual([`${app}_v1_web_1_testtest 2/2`]);
  });

  it("fails in seconds what no node can take, with the Swarm's own words", async () => {
    await world.createApp('large');
    const processes = [{ type: 'web', scale: 1, resources: { memoryBytes: 1024 ** 5 } }];
    const ended = await world.rollOut(await world.release('large', one, { processes, hosts: PROD }));
    expect(ended).toMatchObject({ state: 'failed', code: 'no_host' });
    expect(ended.reason).toMatch(
      /no node of the Swarm can take web\.1: no suitable node \(insufficient resources/,
    );
    expect(await services()).toEqual([]);
  });

  it('takes an update that the Swarm has rolled back for a failure, whatever runs then', async () => {
    await deployed('turned');
    const deployment = await world.release('turned', two, { scale: 2, hosts: PROD });
    await killAfter(world, 'turned', 'engine: create a service 1');
    const name = 'turned_v2_web_1_testtest';
    const gone = `${world.registry.host}/apps/test@sha256:${'0'.repeat(64)}`;
    await manager.docker(['service', 'update', '-d', '--no-resolve-image', '--image', gone, name]);
    const isBack = async (): Promise<boolean> =>
      /rollback_/.test(await manager.docker(['service', 'inspect', '-f', '{{json .UpdateStatus}}', name]));
    await until(isBack, 40_000);
    const ended = await world.rollOut(deployment);
    expect(ended).toMatchObject({ state: 'failed', code: 'unhealthy' });
    expect(ended.reason).toContain(`the Swarm has rolled back the update of ${name}`);
    await serves('turned', 'one');
    expect(await services()).toEqual(['turned_v1_web_1_testtest 2/2']);
  });

  it('puts back what somebody changed or removed by hand, and leaves foreign services alone', async () => {
    await deployed('drifting');
    await manager.docker([
      'service',
      'create',
      '-d',
      '--name',
      'foreign',
      '--no-resolve-image',
      `${world.registry.host}/apps/test@${one.digest}`,
    ]);
    try {
      await manager.docker(['service', 'scale', '-d', 'drifting_v1_web_1_testtest=1']);
      await until(async () => (await world.containers('drifting')).length === 1);
      await world.reconcile();
      expect(await running('drifting')).toEqual(['v1 web.1 running', 'v1 web.2 running']);
      await manager.docker(['service', 'rm', 'drifting_v1_web_1_testtest']);
      await world.reconcile();
      await serves('drifting', 'one');
      expect(await running('drifting')).toEqual(['v1 web.1 running', 'v1 web.2 running']);
      expect((await services()).map((line) => line.split(' ')[0])).toEqual([
        'drifting_v1_web_1_testtest',
        'foreign',
      ]);
    } finally {
      await manager.docker(['service', 'rm', 'foreign']);
    }
  });

  it('is finished by the next deployer wherever the last one was killed, with nothing started twice', async () => {
    await deployed('killed');
    const steps = [
      'engine: create a service 1',
      'file: commit 1',
      'ledger: recordOutcome 1',
      'engine: remove a service 1',
    ];
    for (const [index, step] of steps.entries()) {
      const [image, text] = index % 2 === 0 ? [two, 'two'] : [one, 'one'];
      const deployment = await world.release('killed', image, { scale: 2, hosts: PROD });
      const taken = await killAfter(world, 'killed', step);
      expect(taken.at(-1)).toBe(step);
      expect(await world.rollOut(deployment), step).toMatchObject({ state: 'live' });
      await world.reconcile();
      await serves('killed', text);
      expect(await services()).toEqual([`killed_v${index + 2}_web_1_testtest 2/2`]);
    }
  }, 150_000);

  it('sends requests to the tasks that the Swarm starts elsewhere when a node is drained', async () => {
    await deployed('moving');
    const reconciler = startReconciler(world.parts);
    const load = startSteadyLoad({ port: world.edge.port, host: 'moving.localhost' });
    const [name = ''] = (await addresses('moving')).filter((address) => address !== manager.address);
    const id = await nodeAt(name);
    try {
      await manager.docker(['node', 'update', '--availability', 'drain', id]);
      await until(async () => {
        const now = await addresses('moving');
        return now.length === 2 && !now.includes(name);
      }, 30_000);
      const wanted = (await addresses('moving')).join();
      await until(async () => {
        const state = await world.parts.edge.state();
        return (
          state.apps
            .flatMap(({ servers }) => servers.map(({ host }) => host))
            .sort()
            .join() === wanted
        );
      }, 30_000);
      await sleep(500);
      await load.stop();
      expect(load.failures).toEqual([]);
    } finally {
      await load.stop();
      await reconciler.close();
      await manager.docker(['node', 'update', '--availability', 'active', id]);
    }
  });

  it('lets the Swarm heal itself when a node is lost', async () => {
    await deployed('healed');
    const reconciler = startReconciler(world.parts);
    const [address = ''] = (await addresses('healed')).filter((one) => one !== manager.address);
    const node = machines.all.find((machine) => machine.address === address) as Machine;
    try {
      await node.kill();
      await until(async () => {
        const now = await addresses('healed');
        return now.length === 2 && !now.includes(address);
      }, 45_000);
      await until(async () => {
        const state = await world.parts.edge.state();
        return state.apps.every(
          ({ servers }) => servers.length === 2 && servers.every(({ host }) => host !== address),
        );
      }, 30_000);
      await serves('healed', 'one');
    } finally {
      await node.start();
      await reconciler.close();
    }
    await until(
      async () => (await statusOfHost(await world.parts.hosts.get('prod'))).nodes?.ready === 3,
      40_000,
    );
  });

  it('serves on while the manager is lost, changes nothing, and goes on when it is back', async () => {
    await deployed('headless', 3);
    const load = startSteadyLoad({ port: world.edge.port, host: 'headless.localhost' });
    await manager.kill();
    const lost = await world.rollOut(await world.release('headless', two, { scale: 3, hosts: PROD }));
    expect(lost).toMatchObject({ state: 'failed', code: 'engine_unavailable' });
    await expect(world.reconcile()).rejects.toMatchObject({ code: 'engine_unavailable' });
    const status = await statusOfHost(await world.parts.hosts.get('prod'));
    expect(status.problem).toContain('cannot be reached');
    await manager.start();
    await until(async () => (await services()).join() === 'headless_v1_web_1_testtest 3/3', 50_000);
    await world.reconcile();
    await load.stop();
    expect(load.failures).toEqual([]);
    const again = await world.rollOut(await world.release('headless', two, { scale: 3, hosts: PROD }));
    expect(again).toMatchObject({ state: 'live' });
    await serves('headless', 'two');
  });

  it('says how the Swarm is', async () => {
    const host = await world.parts.hosts.get('prod');
    expect((await statusOfHost(host)).nodes).toEqual({ total: 3, ready: 3, managers: 1 });
    const { findings } = await reportOf(host, undefined as never);
    const says = findings.filter(({ what }) => what === 'swarm').map(({ says }) => says);
    expect(says).toEqual(['3 of 3 nodes can take tasks', 'it has a leader; 1 of 1 managers are reachable']);
  });

  const nodeAt = async (address: string): Promise<string> => {
    const ids = (await manager.docker(['node', 'ls', '-q'])).split('\n');
    const lines = await manager.docker(['node', 'inspect', '-f', '{{.ID}} {{.Status.Addr}}', ...ids]);
    return (
      lines
        .split('\n')
        .find((line) => line.endsWith(` ${address}`))
        ?.split(' ')[0] ?? ''
    );
  };
});

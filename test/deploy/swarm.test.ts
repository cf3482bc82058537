import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { commandRoutes } from '../../deploy/command-routes.js';
import { commandEngine, commandSurroundings } from '../../deploy/commands.js';
import { reportOf, statusOfHost } from '../../deploy/hosts/look.js';
import { startReconciler } from '../../deploy/reconciler.js';
import { serveRuntime } from '../../deploy/serve.js';
import type { SwarmTarget } from '../../deploy/swarm/target.js';
import { type Machine, type Machines, startMachines } from '../../platform/demo/machines.js';
import { joinSwarm } from '../../platform/demo/swarm.js';
import { DeployerClient } from '../../src/api/deployer-client.js';
import type { HostWish } from '../../src/api/host-views.js';
import type { Deployment } from '../../src/model/deployment.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { temporaryDirectory } from '../support/directories.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { attach } from './support/attach.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { killAfter } from './support/killed.js';
import { platformHosts } from './support/platform-hosts.js';
import { startSteadyLoad } from './support/steady-load.js';
import { type Step, World } from './support/world.js';

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

  it('runs single commands on its manager, with what the services of the app have', async () => {
    await world.createApp('single');
    await world.ledger.setConfig('single', { TOKEN: 'hush-hush', SLIPWAY_SECRET_FILES: '1' }, 'alice');
    const releasePhase = ['/bin/sh', '-c', 'echo "phase of $(cat $TOKEN_FILE | wc -c)"'];
    const deployment = await world.release('single', one, { scale: 3, hosts: PROD, releasePhase });
    expect(await world.rollOut(deployment), await world.log(deployment)).toMatchObject({ state: 'live' });
    expect(await world.log(deployment)).toContain('release | phase of 9');
    expect(await manager.docker(['ps', '-aq', '--filter', 'label=slipway.platform'])).toBe('');

    const parts = { ...world.parts, book: { list: async () => [] } };
    const socketPath = join(await temporaryDirectory(), 'deployer.sock');
    const more = (on: Parameters<typeof commandRoutes>[0]): void => commandRoutes(on, parts);
    const stop = await serveRuntime({ socketPath, hosts: parts.hosts, more, log: parts.log });
    try {
      const client = new DeployerClient(socketPath);
      const script =
        'read line; echo "$line $(cat $TOKEN_FILE)"; wget -qO- http://single_v1_web_1_testtest:8080; exit 4';
      const stdin = Readable.from([Buffer.from('said\n')]);
      expect(await attach(client, ['/bin/sh', '-c', script], { app: 'single', stdin })).toMatchObject({
        code: 4,
        out: 'said hush-hush\none\n',
      });
      const { name, host } = await client.runDetached('single', { command: ['/bin/sleep', '1000'] }, 'bob');
      expect(host).toBe('prod');
      expect((await client.runs('single')).runs).toEqual([
        expect.objectContaining({ name, host: 'prod', state: 'running' }),
      ]);
      // It is no part of the app.
      await world.reconcile();
      expect(await running('single')).toEqual([1, 2, 3].map((number) => `v1 web.${number} running`));
      await client.stopRun('single', name);
      expect((await client.runs('single')).runs).toEqual([]);
      expect(await manager.docker(['ps', '-aq', '--filter', 'label=slipway.run'])).toBe('');
      // What is on its own node the manager's engine reaches into, and nothing else.
      for (const { instance, address } of await world.containers('single')) {
        const process = `web.${instance.number}`;
        const entered = attach(client, ['/bin/cat', '/run/secrets/TOKEN'], {
          app: 'single',
          what: 'enter',
          process,
        });
        if (address?.host === manager.address) expect((await entered).out).toBe('hush-hush');
        else
          await expect(entered).rejects.toMatchObject({
            code: 'bad_request',
            message: `${process} runs on a node of the Swarm prod that is not its manager`,
          });
      }
    } finally {
      await stop();
    }
  });

  it('has another network for an app than the engine of its manager has', async () => {
    const { target } = await world.parts.hosts.get('prod');
    const swarm = target as SwarmTarget;
    const overlay = await swarm.ensureNetwork('both', {});
    const { name: bridge } = await swarm.manager.ensureNetwork('both');
    expect(await swarm.ensureNetwork('both', {})).toBe(overlay);
    const drivers = await manager.docker(['network', 'inspect', '-f', '{{.Driver}}', overlay, bridge]);
    expect(drivers.split('\n')).toEqual(['overlay', 'bridge']);
    await manager.docker(['network', 'rm', overlay, bridge]);
  });

  it('removes what a killed release phase has left on the manager', async () => {
    await world.createApp('phase');
    const releasePhase = ['/bin/sh', '-c', 'exec sleep 1000'];
    const deployment = await world.release('phase', one, { hosts: PROD, releasePhase });
    const spec = {
      app: 'phase',
      release: 1,
      deployment: deployment.id,
      image: one,
      env: {},
      command: releasePhase,
    };
    const host = await world.parts.hosts.get('prod');
    await host.target.pull(one);
    const { inSwarm } = await commandSurroundings(host, 'phase', {}, {});
    expect(inSwarm).toBeDefined();
    await commandEngine(host).start({
      ...spec,
      inSwarm: inSwarm!,
      instance: { process: 'release', number: 1 },
    });
    const left = (): Promise<string> =>
      manager.docker(['ps', '-aq', '--filter', 'label=slipway.process=release']);
    expect(await left()).not.toBe('');
    const newer = await world.release('phase', one, { hosts: PROD });
    expect(await world.rollOut(newer), await world.log(newer)).toMatchObject({ state: 'live' });
    await world.reconcile();
    expect(await left()).toBe('');
  });

  it('has several services where there are more instances than nodes', async () => {
    await deployed('many', 4);
    expect(await services()).toEqual(['many_v1_web_1_testtest 3/3', 'many_v1_web_4_testtest 1/1']);
    expect((await world.edge.edge.running('many.localhost')).length).toBe(4);
  });

  it.each([
    ['a task that exits', 'exiting', `sleep 1; exit 3`, /web on the node .* exited with code 3/],
    [
      'an app that answers 500',
      'answering',
      `printf 'HTTP/1.1 500 no\\r\\n\\r\\n' > /r; while :; do echo my last words; nc -l -p $PORT < /r; done`,
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

  it("waits for the image's own HEALTHCHECK, and reverts what does not pass it", async () => {
    await world.createApp('checked');
    const healthcheck = 'CMD wget -q -O /dev/null http://127.0.0.1:8080/';
    const well = await world.image({ script: server('well'), healthcheck });
    const good = await world.release('checked', well, { scale: 2, hosts: PROD });
    expect(await world.rollOut(good), await world.log(good)).toMatchObject({ state: 'live' });
    expect(await world.log(good)).toContain('HEALTHCHECK passed');
    const ill = await world.image({ script: server('ill'), healthcheck: 'CMD exit 1' });
    const ended = await world.rollOut(await world.release('checked', ill, { scale: 2, hosts: PROD }));
    expect(ended).toMatchObject({ state: 'failed', code: 'unhealthy' });
    expect(ended.reason).toMatch(/on the node .* has not passed the HEALTHCHECK of its image after 6 s/);
    await serves('checked', 'well');
    expect(await services()).toEqual(['checked_v1_web_1_testtest 2/2']);
  });

  it('runs a command that the app defines as its check, and reverts what does not pass it', async () => {
    await world.createApp('defined');
    const release = (command: readonly string[]): Promise<Deployment> =>
      world.image({ script: server('defined') }).then((image) =>
        world.release('defined', image, {
          processes: [{ type: 'web', scale: 2, checks: [{ command }, { path: '/', content: 'defined' }] }],
          hosts: PROD,
        }),
      );
    const good = await release(['test', '-f', '/www/index.html']);
    expect(await world.rollOut(good), await world.log(good)).toMatchObject({ state: 'live' });
    expect(await world.log(good)).toContain('command test -f /www/index.html passed, GET / answered 200');
    const ended = await world.rollOut(await release(['test', '-f', '/absent']));
    expect(ended).toMatchObject({ state: 'failed', code: 'unhealthy' });
    expect(ended.reason).toMatch(/on the node .* has not passed its check by command after 6 s/);
    await serves('defined', 'defined');
  });

  it('takes another port where a foreign process has the one that was drawn', async () => {
    await world.createApp('taken');
    const format = '{{(index .Spec.EndpointSpec.Ports 0).PublishedPort}}';
    const portOf = (): Promise<string> =>
      manager.docker(['service', 'inspect', '-f', format, 'taken_v1_web_1_testtest']);
    const squatters: ChildProcess[] = [];
    let drawn = '';
    const step: Step = async (name, run) => {
      const result = await run();
      if (name !== 'engine: create a service' || drawn !== '') return result;
      drawn = await portOf();
      for (const { network } of machines.all)
        squatters.push(
          spawn('nsenter', [...network, 'busybox', 'nc', '-l', '-p', drawn], { stdio: 'ignore' }),
        );
      return result;
    };
    try {
      const deployment = await world.release('taken', one, { scale: 2, hosts: PROD });
      const ended = await world.rollOut(deployment, world.deployer({ step }));
      expect(ended, await world.log(deployment)).toMatchObject({ state: 'live' });
      expect(await portOf()).not.toBe(drawn);
      await serves('taken', 'one');
    } finally {
      for (const squatter of squatters) squatter.kill();
    }
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

  it('fails when somebody removes the new services by hand', async () => {
    await deployed('robbed');
    const deployment = await world.release('robbed', two, { scale: 2, hosts: PROD });
    const step: Step = async (name, run) => {
      const result = await run();
      if (name === 'engine: create a service')
        await manager.docker(['service', 'rm', 'robbed_v2_web_1_testtest']);
      return result;
    };
    const ended = await world.rollOut(deployment, world.deployer({ step }));
    expect(ended).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('removed a service of v2'),
    });
    await serves('robbed', 'one');
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

  it('is seen by ps and logs as hosts are', async () => {
    await world.createApp('seen');
    const talking = await world.image({ script: `echo listening; ${server('seen')}` });
    await world.rollOut(await world.release('seen', talking, { scale: 2, hosts: PROD }));
    const socketPath = `${await temporaryDirectory()}/deployer.sock`;
    const stop = await serveRuntime({ ...world.parts, socketPath });
    try {
      const client = new DeployerClient(socketPath, 20_000);
      const { processes } = await client.processes('seen');
      expect(processes).toMatchObject(
        [1, 2].map((number) => ({ process: `web.${number}`, host: 'prod', state: 'running', restarts: 0 })),
      );
      let text = '';
      for await (const part of await client.logs('seen', { lines: 10, follow: false })) text += part;
      expect(text.split('\n').sort()).toEqual(['', 'web.1 v1: listening', 'web.2 v1: listening']);
    } finally {
      await stop();
    }
  });

  it('says how the Swarm is', async () => {
    const host = await world.parts.hosts.get('prod');
    expect((await statusOfHost(host)).nodes).toEqual({ total: 3, ready: 3, managers: 1 });
    const { findings } = await reportOf(host, undefined as never);
    const says = findings.filter(({ what }) => what === 'swarm').map(({ says }) => says);
    expect(says).toEqual(['3 of 3 nodes can take tasks', 'it has a leader; 1 of 1 managers are reachable']);
  });

  it('is added by the address of a manager, and by no other', async () => {
    const platform = await platformHosts(world.registry.host);
    const [, worker] = machines.all;
    const wish = (name: string, dockerHost = ''): HostWish => ({
      name,
      address: `swarm+${dockerHost}`,
      labels: {},
      check: true,
    });
    try {
      await expect(platform.changes.add(wish('wrong', worker?.dockerHost), 'alice')).rejects.toMatchObject({
        code: 'bad_request',
        message: expect.stringContaining('the engine there is a worker of a Swarm'),
      });
      const { host } = await platform.changes.add(wish('prod', manager.dockerHost), 'alice');
      expect(host.address).toBe(`swarm+${manager.dockerHost}`);
      const opened = await platform.hosts.get('prod');
      expect(await statusOfHost(opened)).toMatchObject({
        address: host.address,
        containers: 0,
        nodes: { total: 3 },
      });
      expect(await platform.changes.remove('prod', 'alice')).toEqual({ name: 'prod', containers: 0 });
    } finally {
      await platform.hosts.close();
    }
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

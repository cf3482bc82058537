/**
 * What may go wrong on three hosts while a client sends 200 requests a second: no request is lost, and afterwards what runs is a
 * release that is live in the ledger, on all hosts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployNext } from '../../deploy/deployer.js';
import { serversOfContainers } from '../../deploy/parts.js';
import { isOf } from '../../deploy/plan.js';
import { startReconciler } from '../../deploy/reconciler.js';
import { type Machine, type Machines, startMachines } from '../../platform/demo/machines.js';
import type { Deployment } from '../../src/model/deployment.js';
import type { ReleaseImage, ReleaseWithOutcome } from '../../src/model/release.js';
import { RegistryClient } from '../../src/registry/client.js';
import type { Digest } from '../../src/registry/image.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { killAfter } from './support/killed.js';
import { type SteadyLoad, startSteadyLoad } from './support/steady-load.js';
import { type Step, World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const HOSTS = ['a', 'b', 'c'];
const APP = 'faulty';
const MIB = 1024 * 1024;

describe.skipIf(missing !== undefined)('on three hosts', () => {
  let machines: Machines;
  let world: World;
  let images: readonly [ReleaseImage, ReleaseImage];
  let load: SteadyLoad;
  let watching: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    machines = await startMachines([{ name: 'a' }, { name: 'b' }, { name: 'c', diskBytes: 64 * MIB }]);
    world = await World.over(machines);
    const one = await world.image({ script: server('even') });
    images = [one, await world.image({ script: server('odd') })];
    await world.createApp(APP);
    await world.rollOut(await world.release(APP, images[1], { scale: 3, hosts: HOSTS }));
    // As the deployer's reconciler does.
    watching = setInterval(() => world.parts.edge.giveUpUnreachable().catch(() => undefined), 1000);
    load = startSteadyLoad({ port: world.edge.port, host: `${APP}.localhost` });
  }, TURN_TIMEOUT_MS);
  afterAll(async () => {
    clearInterval(watching);
    await load?.stop();
    if (world === undefined) await machines?.stop();
    else await world.close();
  }, 120_000);

  const live = async (): Promise<number> => (await world.ledger.read(APP)).live ?? 0;
  /** The next release, of the image that does not run now. */
  const release = async (image?: ReleaseImage): Promise<Deployment> => {
    const { releases } = await world.ledger.read(APP);
    const now = releases.find(
      ({ number, outcome }) => number === releases.length && outcome?.state === 'live',
    );
    const serving = now ?? releases.findLast(({ outcome }) => outcome?.state === 'live');
    const other = images.find(({ digest }) => digest !== serving?.image.digest) ?? images[0];
    return world.release(APP, image ?? other, { scale: 3, hosts: HOSTS });
  };
  const rollBackTo = ({ image, source }: ReleaseWithOutcome): Promise<Deployment> =>
    world.release(APP, image, { kind: 'rollback', source, scale: 3, hosts: HOSTS });
  /** Runs `fault` when the deployer is about to take this step for the nth time. */
  const before = (name: string, nth: number, fault: () => Promise<void>): Step => {
    let count = 0;
    return async (step, run) => {
      if (step === name) {
        count += 1;
        if (count === nth) await fault();
      }
      return run();
    };
  };
  /** What runs is the live release, one instance on each host, the edge knows just these, and nothing was lost. */
  const allIsWell = async (): Promise<void> => {
    const state = await world.ledger.read(APP);
    const serving = state.releases.find(({ number }) => number === state.live);
    const containers = await world.containers(APP);
    const running = containers.map((one) => {
      const release = isOf(one, serving) ? 'live' : `v${one.release}`;
      return `${release} web.${one.instance.number} ${one.state} on ${one.host}`;
    });
    expect(running.sort()).toEqual(HOSTS.map((name, index) => `live web.${index + 1} running on ${name}`));
    const servers = (await world.edge.haproxy.backends()).get(`${APP}.localhost`) ?? [];
    expect(servers.map(({ name }) => name).sort()).toEqual(
      serversOfContainers(containers)
        .map(({ name }) => name)
        .sort(),
    );
    const body = serving?.image.digest === images[0].digest ? 'even' : 'odd';
    expect(await world.get(APP)).toEqual({ status: 200, body });
    expect(load.failures.splice(0)).toEqual([]);
  };
  /** Where it is not live, the reason is what the test shows. */
  const endOf = ({ state, reason }: Deployment): string =>
    reason === undefined ? state : `${state}: ${reason}`;
  const failsAt = async (step: string, fault: () => Promise<void>, nth = 1): Promise<Deployment> => {
    const deployment = await release();
    const number = await live();
    const ended = await world.rollOut(deployment, world.deployer({ step: before(step, nth, fault) }));
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'engine_unavailable',
      reason: expect.stringContaining('on b:'),
    });
    expect(await live()).toBe(number);
    return deployment;
  };
  const b = (): Machine => machines.get('b');

  it('a host that is away before the rollout fails it, and everything is as before', async () => {
    await b().link('down');
    const deployment = await failsAt('engine: none', async () => undefined).finally(() => b().link('up'));
    expect(await world.log(deployment)).toMatch(/b: unreachable: [^\n]*, cleared when it answers again\n/);
    await world.reconcile();
    await allIsWell();
  });

  it.each([
    ['a pull', `engine: inspect an image`],
    ['a start', 'engine: start a container'],
    ['the checks', 'engine: send its events'],
    ['the switch', 'haproxy: enable'],
    ['what follows the switch', 'ledger: recordOutcome'],
  ])(
    'a host that falls silent at %s fails the rollout or is put right after it',
    async (_when, step) => {
      const deployment = await release();
      const number = await live();
      const fault = async (): Promise<void> => b().cutOff();
      const ended = await world.rollOut(deployment, world.deployer({ step: before(step, 1, fault) }));
      expect(['failed', 'live']).toContain(ended.state);
      // With the host away, requests go on.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await b().reconnect();
      expect(await live()).toBe(ended.state === 'live' ? ended.release : number);
      await world.reconcile(world.deployer());
      await allIsWell();
    },
    120_000,
  );

  it('packets that get lost now and then hold nothing up', async () => {
    await b().cutOff(0.1);
    const ended = await world.rollOut(await release());
    await b().reconnect(0.1);
    expect(['failed', 'live']).toContain(ended.state);
    await world.reconcile(world.deployer());
    await allIsWell();
  });

  it('an engine that is killed in the middle, and started again, reverts the rollout', async () => {
    const deployment = await failsAt('engine: start a container', () => b().kill(), 2);
    await b().start();
    expect(await world.log(deployment)).toMatch(/b: [^\n]*unreachable/);
    await world.reconcile(world.deployer());
    await allIsWell();
  });

  it('is watched on each of them: an engine that was killed gets its containers back by itself', async () => {
    const reconciler = startReconciler(world.deployer(), 3_600_000);
    try {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await b().kill();
      await b().start();
      await until(
        async () => (await world.states(APP)).filter((state) => state.endsWith('running')).length === 3,
        60_000,
      );
      const [id] = await b()
        .docker(['ps', '-q'])
        .then((text) => text.split('\n'));
      await b().docker(['rm', '-f', id ?? '']);
      await until(
        async () => (await world.states(APP)).filter((state) => state.endsWith('running')).length === 3,
        60_000,
      );
    } finally {
      await reconciler.close();
    }
    await world.reconcile(world.deployer());
    await allIsWell();
  }, 120_000);

  it('a container that crashes after it was healthy is started again, and the others serve meanwhile', async () => {
    const id = await b().docker(['ps', '-q']);
    const look = (): Promise<string> => b().docker(['inspect', '-f', '{{.State.Status}} {{.State.Pid}}', id]);
    const [, pid] = (await look()).split(' ');
    process.kill(Number(pid), 'SIGKILL');
    await until(async () => {
      const [status, now] = (await look()).split(' ');
      return status === 'running' && now !== pid;
    });
    await allIsWell();
  });

  it('a port that a foreign process has taken is not waited for', async () => {
    const [container] = (await world.containers(APP)).filter(({ host }) => host === 'b');
    await b().docker(['stop', '-t', '0', container!.id]);
    const foreign = spawn('nsenter', [
      ...b().network,
      'node',
      '-e',
      `require('net').createServer((s) => s.destroy()).listen(${container!.address?.port})`,
    ]);
    try {
      await until(
        async () => (await b().inside('ss', ['-Hltn', `sport = ${container!.address?.port}`])) !== '',
      );
      await world.reconcile(world.deployer());
      await allIsWell();
      expect((await world.containers(APP)).find(({ host }) => host === 'b')?.address?.port).not.toBe(
        container!.address?.port,
      );
    } finally {
      foreign.kill();
      await once(foreign, 'exit');
    }
  });

  it('a rollback does not need the image on the hosts, but in the registry', async () => {
    await world.rollOut(await release());
    const { releases } = await world.ledger.read(APP);
    const back = releases.findLast(
      ({ number, outcome, image }) =>
        number < releases.length &&
        outcome?.state === 'live' &&
        image.digest !== releases.at(-1)?.image.digest,
    );
    await b().docker(['rmi', '-f', world.target.reference(back!.image)]);
    const rollback = await rollBackTo(back!);
    expect(endOf(await world.rollOut(rollback))).toBe('live');
    expect(await world.log(rollback)).toMatch(/b: pulled, /);
    await allIsWell();
  });

  it('a rollback without its image in the registry changes nothing anywhere, and says so', async () => {
    const serving = async (): Promise<ReleaseWithOutcome> =>
      (await world.ledger.read(APP)).releases.findLast(({ outcome }) => outcome?.state === 'live')!;
    const kept = await serving();
    await world.rollOut(await release(await world.image({ script: server('lost') })));
    const lost = await serving();
    expect(endOf(await world.rollOut(await rollBackTo(kept)))).toBe('live');
    const number = await live();
    const place = { registry: world.registry.host, repository: lost.image.repository };
    await RegistryClient.fromConfig(world.config).deleteManifest(place, lost.image.digest as Digest);
    const ended = await world.rollOut(await rollBackTo(lost));
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'release_unusable',
      reason: expect.stringContaining('is not in the registry any more'),
    });
    expect(await live()).toBe(number);
    await allIsWell();
  });

  it('an app that is well only now and then on one of them is reverted on all', async () => {
    const health = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
if test -f /tmp/ill; then /bin/busybox rm /tmp/ill; echo ill
else test ! -f /tmp/flaps || touch /tmp/ill; echo well; fi`;
    const script = `mkdir -p /www/cgi-bin; cat > /www/cgi-bin/health <<'END'
${health}
END
/bin/busybox chmod +x /www/cgi-bin/health; ${server('flapping')}`;
    const flapping = await world.image({ script });
    const number = await live();
    const checks = [{ path: '/cgi-bin/health', content: 'well' }];
    const deployment = await world.release(APP, flapping, {
      processes: [{ type: 'web', scale: 3, checks }],
      hosts: HOSTS,
    });
    let fault: Promise<string> | undefined;
    const flap = async (): Promise<string> => {
      const label = `label=slipway.release=${deployment.release}`;
      return b().docker(['exec', await b().docker(['ps', '-q', '--filter', label]), 'touch', '/tmp/flaps']);
    };
    const step: Step = async (name, run) => {
      // The checks are about to begin.
      if (name === 'engine: send its events') {
        fault ??= flap();
        await fault;
      }
      return run();
    };
    const ended = await world.rollOut(deployment, world.deployer({ step }));
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'unhealthy',
      reason: expect.stringMatching(
        /^on b: the check GET \/cgi-bin\/health of web\.2 did not pass: it answered 200 without "well" in its body: ill; \d+ looks in .*, \d+ of them good but never 3 in a row$/,
      ),
    });
    expect(await world.log(deployment)).toMatch(
      /a: [^\n]*reverted\n[^\n]*b: [^\n]*reverted\n[^\n]*c: [^\n]*reverted\n/,
    );
    expect(await live()).toBe(number);
    await allIsWell();
  });

  it('two rollouts and a rollback that are asked for at once end one way, on all hosts', async () => {
    const { releases } = await world.ledger.read(APP);
    const wished = [await release(images[0]), await release(images[1]), await rollBackTo(releases[0]!)];
    const parts = world.deployer();
    await Promise.all(wished.map(() => deployNext(parts, APP, new AbortController().signal)));
    await parts.retirements.idle();
    const ends = await Promise.all(wished.map(({ id }) => world.deployment(APP, id)));
    expect(ends.map(endOf).sort()).toEqual([
      'live',
      expect.stringContaining('superseded'),
      expect.stringContaining('superseded'),
    ]);
    await world.reconcile(world.deployer());
    await allIsWell();
  });

  it('a full disk on one of them reverts the rollout, and is named', async () => {
    const large = await world.image({ script: server('large'), ballastMib: 80 });
    const deployment = await release(large);
    expect(await world.rollOut(deployment)).toMatchObject({
      state: 'failed',
      code: 'disk_full',
      reason: expect.stringMatching(/^on c: /),
    });
    expect(await world.log(deployment)).toMatch(/c: failed: [^\n]*no space left[^\n]*, reverted\n/);
    await allIsWell();
  });

  it('a deployer that is killed at any step leaves a rollout that the next one ends right', async () => {
    await release();
    const all = await killAfter(world, APP, undefined);
    // Of what is done side by side on the hosts, the first and the last.
    const names = [...new Set(all.map((step) => step.replace(/ \d+$/, '')))];
    const steps =
      process.env.TEST_ALL_STEPS === undefined
        ? names.flatMap((name) => [
            ...new Set([
              all.find((one) => one.startsWith(`${name} `)),
              all.findLast((one) => one.startsWith(`${name} `)),
            ]),
          ])
        : all;
    for (const step of steps) {
      const deployment = await release();
      await killAfter(world, APP, step);
      const ended = await world.rollOut(deployment, world.deployer());
      await world.reconcile(world.deployer());
      expect(ended, `killed after ${step}`).toMatchObject({ state: 'live', release: await live() });
      await allIsWell();
    }
    expect(steps.length).toBeGreaterThan(15);
  }, 600_000);
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployNext } from '../../deploy/deployer.js';
import { requestRollback } from '../../src/changes.js';
import { requestCancel } from '../../src/endings.js';
import { SlipwayError } from '../../src/errors.js';
import type { ReleaseImage } from '../../src/model/release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { startLoad } from './support/load.js';
import { type Step, World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a rollout', () => {
  let world: World;
  let one: ReleaseImage;
  let two: ReleaseImage;
  let broken: ReleaseImage;

  beforeAll(async () => {
    world = await World.open();
    one = await world.image({ script: server('one') });
    two = await world.image({ script: server('two') });
    broken = await world.image({ script: 'echo "password is $DB_PASSWORD"; echo "cannot start"; exit 7' });
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  /** An app whose v1 serves `one`. */
  const deployed = async (app: string): Promise<void> => {
    await world.createApp(app);
    expect((await world.rollOut(await world.release(app, one))).state).toBe('live');
  };

  it('brings the first release live, with all that a person wants to know', async () => {
    await world.createApp('first');
    const deployment = await world.release('first', one);
    const ended = await world.rollOut(deployment);
    expect(ended).toMatchObject({ state: 'live', release: 1 });
    expect(ended.phases.map(({ name }) => name)).toEqual(['pull', 'start', 'check', 'switch']);
    expect(await world.get('first')).toEqual({ status: 200, body: 'one' });
    const { live, releases } = await world.ledger.read('first');
    expect(live).toBe(1);
    expect(releases[0]?.outcome).toMatchObject({ state: 'live' });
    expect(await world.repositories.branch('first', 'main')).toBe(deployment.push?.newOid);
    const log = await world.log(deployment);
    expect(log).toContain(`=====> v1 of first is live at http://first.localhost:${world.edge.port}\n`);
    expect(log).toContain(`apps/test@${one.digest}`);
    expect(log).toContain('steps  2/3 cached');
    expect(log).not.toContain('To undo');
  });

  it('replaces a release without losing a request, drains and stops the old one, and says how to undo it', async () => {
    await deployed('second');
    const load = startLoad({ port: world.edge.port, host: 'second.localhost', connections: 6 });
    const deployment = await world.release('second', two);
    expect((await world.rollOut(deployment)).state).toBe('live');
    await until(() => load.seen.has('two\n'));
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.seen.has('one\n')).toBe(true);
    expect(await world.states('second')).toEqual(['v2 running']);
    expect(await world.log(deployment)).toContain('=====> To undo: slipway rollback v1 -a second\n');
  });

  it('answers when the release is live, and drains the old one after that', async () => {
    const slow = await world.image({
      script: `mkdir -p /www/cgi-bin; printf '#!/bin/sh\\nsleep 2; echo; echo slow' > /www/cgi-bin/slow; /bin/busybox chmod +x /www/cgi-bin/slow; ${server('one')}`,
    });
    await world.createApp('draining');
    await world.rollOut(await world.release('draining', slow));
    const answer = world.get('draining', '/cgi-bin/slow');
    const [old] = await world.containers('draining');
    await until(async () =>
      (await world.edge.edge.running('draining.localhost')).some(({ sessions }) => sessions > 0),
    );
    const deployment = await world.release('draining', two);
    const done = world.rollOut(deployment);
    await until(async () => (await world.deployment('draining', deployment.id)).state === 'live');
    expect((await world.containers('draining')).map(({ id }) => id)).toContain(old?.id);
    expect(await answer).toEqual({ status: 200, body: 'slow' });
    await done;
    expect(await world.states('draining')).toEqual(['v2 running']);
  });

  it('keeps the old release when the new one exits, and shows its last words without its secrets', async () => {
    await deployed('exits');
    await world.ledger.setConfig('exits', { DB_PASSWORD: 'correct horse' }, 'alice');
    const load = startLoad({ port: world.edge.port, host: 'exits.localhost' });
    const deployment = await world.release('exits', broken);
    const ended = await world.rollOut(deployment);
    await load.stop();
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'unhealthy',
      reason: expect.stringContaining('code 7'),
    });
    expect(load.failures).toEqual([]);
    expect([...load.seen.keys()]).toEqual(['one\n']);
    expect(await world.states('exits')).toEqual(['v1 running']);
    const { live, releases } = await world.ledger.read('exits');
    expect(live).toBe(1);
    expect(releases[1]?.outcome).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('code 7'),
    });
    expect(await world.repositories.branch('exits', 'main')).not.toBe(deployment.push?.newOid);
    const log = await world.log(deployment);
    expect(log).toContain('web.1 of v2 (exit code 7) wrote last');
    expect(log).toContain('| cannot start');
    expect(log).toContain('| password is ***');
    expect(log).not.toContain('correct horse');
    expect(log).toContain(' !     v1 keeps serving\n');
  });

  it('takes the same commit again after a failure', async () => {
    await deployed('again');
    const failed = await world.release('again', broken);
    await world.rollOut(failed);
    const again = await world.release('again', two, { source: failed.push?.newOid ?? '' });
    expect(await world.rollOut(again)).toMatchObject({ state: 'live', release: 3 });
    expect(await world.repositories.branch('again', 'main')).toBe(failed.push?.newOid);
  });

  it('says that a container ran out of memory', async () => {
    await world.createApp('greedy');
    const greedy = await world.image({ script: 'sleep 0.3; tail -c 200000000 /dev/zero' });
    const deployment = await world.release('greedy', greedy);
    const ended = await world.rollOut(deployment, world.deployer({ memoryBytes: 16 * 1024 * 1024 }));
    expect(ended).toMatchObject({ state: 'failed', reason: expect.stringContaining('out of memory') });
    expect(await world.log(deployment)).toContain('out of memory) wrote nothing');
    expect(await world.containers('greedy')).toEqual([]);
    expect((await world.get('greedy')).status).toBe(404);
  });

  it('ends truthfully when the engine is gone, and clears away what is left when it is back', async () => {
    await deployed('engineless');
    const deployment = await world.release('engineless', two);
    let gone = false;
    const step: Step = async (name, run) => {
      if (name === 'engine: start a container') gone = true;
      if (gone && name.startsWith('engine: '))
        throw new SlipwayError('engine_unavailable', 'the Docker Engine is gone');
      return run();
    };
    const ended = await world.rollOut(deployment, world.deployer({ step }));
    expect(ended).toMatchObject({ state: 'failed', code: 'engine_unavailable' });
    expect(await world.get('engineless')).toEqual({ status: 200, body: 'one' });
    expect(await world.states('engineless')).toEqual(['v1 running', 'v2 created'].reverse());
    await world.reconcile();
    expect(await world.states('engineless')).toEqual(['v1 running']);
  });

  it('turns the edge back when the ledger cannot take the outcome', async () => {
    await deployed('full');
    const deployment = await world.release('full', two);
    let tries = 0;
    const step: Step = async (name, run) => {
      if (name === 'ledger: recordOutcome') {
        tries += 1;
        if (tries === 1) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
      }
      return run();
    };
    const load = startLoad({ port: world.edge.port, host: 'full.localhost' });
    expect(await world.rollOut(deployment, world.deployer({ step }))).toMatchObject({
      state: 'failed',
      code: 'disk_full',
    });
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await world.get('full')).toEqual({ status: 200, body: 'one' });
    expect(await world.states('full')).toEqual(['v1 running']);
  });

  it('fails without touching anything when the edge is gone', async () => {
    await deployed('edgeless');
    const deployment = await world.release('edgeless', two);
    await world.edge.kill();
    const ended = await world.rollOut(deployment);
    await world.edge.start();
    expect(ended).toMatchObject({ state: 'failed', code: 'edge_unavailable' });
    expect(await world.get('edgeless')).toEqual({ status: 200, body: 'one' });
    expect(await world.states('edgeless')).toEqual(['v1 running']);
  });

  it('refuses a push that the branch has moved away from', async () => {
    await deployed('forked');
    const base = await world.repositories.branch('forked', 'main');
    const mine = await world.release('forked', two);
    const theirs = await world.commit('forked');
    await world.repositories.moveBranch('forked', 'main', base, theirs);
    const ended = await world.rollOut(mine);
    expect(ended).toMatchObject({
      state: 'failed',
      code: 'not_fast_forward',
      reason: expect.stringContaining(theirs.slice(0, 7)),
    });
    expect(await world.log(mine)).toContain('fetch and merge it, then push again');
    expect(await world.states('forked')).toEqual(['v1 running']);
  });

  it('rolls back without the image on the host, and moves the branch with it', async () => {
    await deployed('back');
    const source = await world.repositories.branch('back', 'main');
    await world.rollOut(await world.release('back', two));
    expect(await world.repositories.branch('back', 'main')).not.toBe(source);
    const queues = { enqueueRollout: async () => true };
    const hostBook = { list: async () => [] };
    const tools = { store: world.store, ledger: world.ledger, hostBook, queues, limits: world.config.limits };
    const rollback = await requestRollback(tools, 'back', undefined, 'bob');
    expect(await world.rollOut(rollback)).toMatchObject({ state: 'live', release: 3, kind: 'rollback' });
    expect(await world.get('back')).toEqual({ status: 200, body: 'one' });
    expect(await world.repositories.branch('back', 'main')).toBe(source);
    expect(await world.log(rollback)).toContain('slipway rollback v2 -a back');
  });

  it('refuses a release whose image is not in the registry any more', async () => {
    await deployed('lost');
    const lost = await world.release('lost', { repository: 'apps/test', digest: `sha256:${'1'.repeat(64)}` });
    expect(await world.rollOut(lost)).toMatchObject({ state: 'failed', code: 'release_unusable' });
    expect(await world.get('lost')).toEqual({ status: 200, body: 'one' });
  });

  it('goes on with the image on the host while the registry is down', async () => {
    await deployed('offline');
    const deployment = await world.release('offline', one);
    await world.registry.pause();
    const ended = await world.rollOut(deployment);
    await world.registry.resume();
    expect(ended.state).toBe('live');
    expect(await world.log(deployment)).toContain('going on with the image that is on the host');
  });

  it('is cancelled while it checks, and leaves nothing', async () => {
    await deployed('cancelled');
    const never = await world.image({ script: 'exec sleep 1000' });
    const deployment = await world.release('cancelled', never);
    const done = world.rollOut(deployment);
    await until(async () =>
      (await world.deployment('cancelled', deployment.id)).phases.some(({ name }) => name === 'start'),
    );
    await requestCancel(world, 'cancelled', deployment.id, 'bob');
    expect(await done).toMatchObject({ state: 'cancelled', reason: 'cancelled by bob', code: 'cancelled' });
    expect((await world.ledger.read('cancelled')).releases[1]?.outcome?.state).toBe('cancelled');
    expect(await world.states('cancelled')).toEqual(['v1 running']);
  });

  it('rolls out only the newest of those that wait', async () => {
    await deployed('many');
    const older = await world.release('many', broken);
    const newest = await world.release('many', two);
    expect((await world.rollOut(newest)).state).toBe('live');
    const ended = await world.deployment('many', older.id);
    expect(ended).toMatchObject({ state: 'superseded', reason: expect.stringContaining(newest.id) });
    expect((await world.ledger.read('many')).releases.map(({ outcome }) => outcome?.state)).toEqual([
      'live',
      'superseded',
      'live',
    ]);
  });

  it('ends what a dead deployer had begun before a newer one as superseded', async () => {
    await deployed('abandoned');
    const older = await world.release('abandoned', one);
    await world.store.claim('abandoned', older.id, 'rollout', 'a deployer that died');
    const newest = await world.release('abandoned', two);
    expect((await world.rollOut(newest)).state).toBe('live');
    expect(await world.deployment('abandoned', older.id)).toMatchObject({ state: 'superseded' });
    expect(await world.log(older)).toContain(`superseded by build ${newest.id}`);
  });

  it('runs as many containers as the release says, and sends requests to all', async () => {
    await world.createApp('wide');
    const name = await world.image({
      script: 'mkdir -p /www && cat /etc/hostname > /www/index.html && exec httpd -f -p $PORT -h /www',
    });
    expect((await world.rollOut(await world.release('wide', name, { scale: 3 }))).state).toBe('live');
    const load = startLoad({
      port: world.edge.port,
      host: 'wide.localhost',
      connections: 6,
      keepAlive: false,
    });
    await until(() => load.seen.size === 3);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('does not keep the next rollout waiting until the old containers have stopped', async () => {
    // httpd as process 1 does not listen to SIGTERM: it is killed after the grace.
    await deployed('hurried');
    const parts = world.deployer();
    await world.release('hurried', two);
    await deployNext(parts, 'hurried', new AbortController().signal);
    expect((await world.states('hurried')).toSorted()).toEqual(['v1 running', 'v2 running']);
    await world.release('hurried', one);
    await deployNext(parts, 'hurried', new AbortController().signal);
    expect(await world.get('hurried')).toEqual({ status: 200, body: 'one' });
    await parts.retirements.idle();
    expect(await world.states('hurried')).toEqual(['v3 running']);
  });

  it('stops at once when its lease is lost, and touches nothing more', async () => {
    await deployed('leased');
    const deployment = await world.release('leased', two);
    const lease = new AbortController();
    const after: string[] = [];
    const step: Step = async (name, run) => {
      if (lease.signal.aborted) after.push(name);
      const result = await run();
      if (name === 'engine: start a container') lease.abort(new SlipwayError('lease_lost', 'gone'));
      return result;
    };
    await deployNext(world.deployer({ step }), 'leased', lease.signal).catch(() => undefined);
    expect((await world.deployment('leased', deployment.id)).state).toBe('releasing');
    expect(
      after.filter((name) =>
        /create|start|stop|remove|update|commit|record|append|end|move|enable|drain/.test(name),
      ),
    ).toEqual([]);
    expect(await world.rollOut(deployment)).toMatchObject({ state: 'live' });
    expect(await world.states('leased')).toEqual(['v2 running']);
  });

  it('gives way to the deployer that took its claim over', async () => {
    await deployed('fenced');
    const deployment = await world.release('fenced', two);
    let taken = false;
    const step: Step = async (name, run) => {
      if (name === 'engine: update a container' && !taken) {
        taken = true;
        await world.store.claim('fenced', deployment.id, 'rollout', 'another deployer');
      }
      return run();
    };
    await world.rollOut(deployment, world.deployer({ step }));
    expect(
      (await world.edge.edge.state()).apps.find(({ app }) => app === 'fenced')?.servers[0]?.name,
    ).toMatch(/^v1-/);
    expect(await world.deployment('fenced', deployment.id)).toMatchObject({
      state: 'releasing',
      claim: { by: 'another deployer' },
    });
    expect((await world.rollOut(deployment)).state).toBe('live');
  });
});

/** What a release says of its processes, on a real engine: commands, scale, limits, restart, and the release phase. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployNext } from '../../deploy/deployer.js';
import { requestCancel } from '../../src/endings.js';
import { requestRestart, requestScale, requestStop } from '../../src/formation-changes.js';
import type { ReleaseDraft } from '../../src/ledger/ledger.js';
import type { Deployment } from '../../src/model/deployment.js';
import type { ReleaseImage } from '../../src/model/release.js';
import type { ChangeTools } from '../../src/next-release.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { releaseDraft } from '../support/release-draft.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { startLoad } from './support/load.js';
import { type Step, World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a release of several processes', () => {
  let world: World;
  let image: ReleaseImage;
  let changes: ChangeTools;

  beforeAll(async () => {
    world = await World.open();
    image = await world.image({ script: server('one'), env: { FLAVOUR: 'first' } });
    changes = {
      store: world.store,
      ledger: world.ledger,
      hostBook: { list: async () => [] },
      queues: { enqueueRollout: async () => true },
      limits: world.config.limits,
    };
  }, TURN_TIMEOUT_MS);
  afterAll(() => world?.close(), 60_000);

  /** A release that waits for its rollout. */
  const release = async (app: string, draft: Partial<ReleaseDraft> = {}): Promise<Deployment> => {
    const { id } = await world.store.create(app, { kind: 'config', who: 'alice' });
    const { config } = await world.ledger.read(app);
    const made = releaseDraft(app, { source: await world.commit(app), deploymentId: id }, { image, config });
    const { number } = await world.ledger.appendRelease(app, { ...made, ...draft }, 'alice');
    return world.store.append(app, id, { type: 'release', at: Date.now(), number });
  };
  const deployed = async (app: string, draft: Partial<ReleaseDraft> = {}): Promise<void> => {
    await world.createApp(app);
    expect(await world.rollOut(await release(app, draft))).toMatchObject({ state: 'live' });
  };
  const names = async (app: string): Promise<string[]> =>
    (await world.containers(app))
      .map(
        ({ release: number, instance, state }) =>
          `v${number} ${instance.process}.${instance.number} ${state}`,
      )
      .sort();

  it('runs each by its own command, as often as it says, and with its limits', async () => {
    await deployed('shop', {
      processes: [
        { type: 'web', scale: 2, resources: { memoryBytes: 64 * 1024 * 1024, cpus: 0.5, processes: 50 } },
        { type: 'worker', command: ['/bin/sh', '-c', 'echo "I am $0" && sleep 1000'], scale: 1 },
        { type: 'clock', command: ['sleep', '1000'], scale: 0 },
      ],
    });
    expect(await names('shop')).toEqual(['v1 web.1 running', 'v1 web.2 running', 'v1 worker.1 running']);
    const limits: string[] = [];
    for (const { id, instance } of await world.containers('shop')) {
      const format =
        '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}';
      const seen = await world.docker.docker(['inspect', '-f', format, id]);
      limits.push(`${instance.process}.${instance.number} ${seen}`);
      if (instance.process === 'worker')
        expect(await world.docker.docker(['logs', id])).toContain('I am /bin/sh');
    }
    expect(limits.sort()).toEqual([
      'web.1 67108864 67108864 500000000 50',
      'web.2 67108864 67108864 500000000 50',
      expect.stringMatching(/^worker\.1 0 0 0 (0|<no value>|<nil>)$/),
    ]);
    expect((await world.get('shop')).body).toBe('one');
  });

  it('is scaled down to nothing, answered by a page, and up again', async () => {
    await deployed('scaled');
    const none = await requestScale(changes, 'scaled', { web: 0 }, 'alice');
    expect(await world.rollOut(none!)).toMatchObject({ state: 'live' });
    expect(await names('scaled')).toEqual([]);
    expect(await world.log(none!)).toMatch(/nothing is to run .*\n.*nothing of it takes requests/s);
    const page = await world.get('scaled');
    expect([page.status, page.body]).toEqual([
      503,
      'The app scaled does not answer right now: none of its containers takes requests.',
    ]);
    await world.reconcile();
    expect(await names('scaled')).toEqual([]);
    const three = await requestScale(changes, 'scaled', { web: 3 }, 'alice');
    expect(await world.rollOut(three!)).toMatchObject({ state: 'live' });
    expect(await names('scaled')).toEqual(['v3 web.1 running', 'v3 web.2 running', 'v3 web.3 running']);
    expect((await world.get('scaled')).status).toBe(200);
  });

  it('is stopped, stays so through a deploy and a reconciliation, and starts with the scale it had', async () => {
    await deployed('stopped', { processes: [{ type: 'web', scale: 2 }] });
    expect(await world.rollOut((await requestStop(changes, 'stopped', true, 'alice'))!)).toMatchObject({
      state: 'live',
    });
    await world.reconcile();
    expect([await names('stopped'), (await world.get('stopped')).status]).toEqual([[], 503]);
    expect(await world.rollOut((await requestStop(changes, 'stopped', false, 'alice'))!)).toMatchObject({
      state: 'live',
    });
    expect(await names('stopped')).toEqual(['v3 web.1 running', 'v3 web.2 running']);
  });

  it('is restarted without losing a request', async () => {
    await deployed('again');
    const load = startLoad({ port: world.edge.port, host: 'again.localhost', connections: 4 });
    const restart = await requestRestart(changes, 'again', 'alice');
    expect(await world.rollOut(restart)).toMatchObject({ state: 'live' });
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await names('again')).toEqual(['v2 web.1 running']);
  });

  it('has one of its types restarted, and the others go on', async () => {
    await deployed('partly', {
      processes: [
        { type: 'web', scale: 1 },
        { type: 'worker', command: ['sleep', '1000'], scale: 1 },
      ],
    });
    const restart = await requestRestart(changes, 'partly', 'alice', ['worker']);
    expect(await world.rollOut(restart)).toMatchObject({ state: 'live' });
    expect(await names('partly')).toEqual(['v1 web.1 running', 'v2 worker.1 running']);
  });

  describe('with a release phase', () => {
    const sh = (command: string): { releasePhase: string[] } => ({
      releasePhase: ['/bin/sh', '-c', command],
    });

    it('runs it in the new image with the new config before anything of it starts', async () => {
      await world.createApp('phased');
      await world.ledger.setConfig('phased', { DB_PASSWORD: 'correct horse' }, 'alice');
      const deployment = await release('phased', sh('echo "$FLAVOUR with $DB_PASSWORD"; echo done >&2'));
      const ended = await world.rollOut(deployment);
      expect(ended.state).toBe('live');
      expect(ended.phases.map(({ name }) => name)).toEqual([
        'pull',
        'release phase',
        'start',
        'check',
        'switch',
      ]);
      const log = await world.log(deployment);
      expect(log).toContain('-----> Release phase: echo "$FLAVOUR with $DB_PASSWORD"; echo done >&2\n');
      expect(log).toContain('release | first with ***\n');
      expect(log).toContain('release | done\n');
      expect(log).not.toContain('correct horse');
      expect(await names('phased')).toEqual(['v1 web.1 running']);
    });

    it('that fails ends the rollout, and nothing changes', async () => {
      await deployed('failing');
      const deployment = await release('failing', sh('echo half way; exit 3'));
      expect(await world.rollOut(deployment)).toMatchObject({
        state: 'failed',
        code: 'release_phase_failed',
        reason: 'the release phase failed: exit code 3',
      });
      expect(await names('failing')).toEqual(['v1 web.1 running']);
      expect((await world.ledger.read('failing')).live).toBe(1);
      const log = await world.log(deployment);
      expect(log).toContain('release | half way\n');
      expect(log).toContain(' !     v1 keeps serving\n');
      expect(log).not.toContain('started web.1');
    });

    it('that takes too long is ended, and so is one whose program is not there', async () => {
      await deployed('slow');
      const limits = { ...world.config.limits, releasePhaseTimeoutMs: 1500 };
      const parts = { ...world.deployer(), config: { ...world.config, limits } };
      const late = await release('slow', sh('echo begun; sleep 1000'));
      expect(await world.rollOut(late, parts)).toMatchObject({
        state: 'failed',
        reason: 'the release phase failed: it took longer than 1.5 s',
      });
      expect(await world.log(late)).toContain('release | begun\n');
      const absent = await release('slow', { releasePhase: ['/no/such/program'] });
      expect(await world.rollOut(absent)).toMatchObject({
        state: 'failed',
        reason: expect.stringContaining('could not be started'),
      });
      expect(await names('slow')).toEqual(['v1 web.1 running']);
    });

    it('is cancelled with the deployment', async () => {
      await deployed('cancelled');
      const deployment = await release('cancelled', sh('sleep 1000'));
      const done = world.rollOut(deployment);
      await until(async () => (await names('cancelled')).includes('v2 release.1 running'));
      await requestCancel(world, 'cancelled', deployment.id, 'bob');
      expect(await done).toMatchObject({ state: 'cancelled', reason: 'cancelled by bob' });
      expect(await names('cancelled')).toEqual(['v1 web.1 running']);
    });

    it('runs again, once at a time, when its deployer was killed in it', async () => {
      await deployed('killed');
      const deployment = await release('killed', sh('echo migrating; sleep 2'));
      const lease = new AbortController();
      let isKilled = false;
      const step: Step = async (name, run) => {
        if (isKilled) throw new Error('killed');
        if (name !== 'engine: follow the log of a container') return run();
        isKilled = true;
        lease.abort(new Error('killed'));
        throw new Error('killed');
      };
      await deployNext(world.deployer({ step }), 'killed', lease.signal).catch(() => undefined);
      const [left] = (await world.containers('killed')).filter(
        ({ instance }) => instance.process === 'release',
      );
      expect(left?.state).toBe('running');
      const done = world.rollOut(deployment, world.deployer());
      await until(async () =>
        (await world.containers('killed')).some(
          ({ id, instance }) => instance.process === 'release' && id !== left?.id,
        ),
      );
      expect((await world.containers('killed')).map(({ id }) => id)).not.toContain(left?.id);
      expect(await done).toMatchObject({ state: 'live' });
      // The release is otherwise what runs already.
      expect(await names('killed')).toEqual(['v1 web.1 running']);
    });

    it('does not run it for a change of what was live, and does for one that overtook the push', async () => {
      await deployed('changed', sh('echo migrating'));
      const scale = await requestScale(changes, 'changed', { web: 2 }, 'alice');
      expect(await world.rollOut(scale!)).toMatchObject({ state: 'live' });
      expect(await world.log(scale!)).not.toContain('migrating');
      await release('changed', sh('echo migrating'));
      const overtaking = await requestScale(changes, 'changed', { web: 3 }, 'alice');
      expect(await world.rollOut(overtaking!)).toMatchObject({ state: 'live', release: 4 });
      expect(await world.log(overtaking!)).toContain('release | migrating\n');
    });
  });
});

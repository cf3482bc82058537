/** What runs by the clock, in a real engine; the clock is the test's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CronClock } from '../../deploy/cron/clock.js';
import type { CronParts } from '../../deploy/cron/run.js';
import { Followed } from '../../deploy/followed.js';
import { LABELS } from '../../deploy/names.js';
import { listOneOffs, stopOneOff, sweepOneOffs } from '../../deploy/one-offs.js';
import type { CronEntry } from '../../src/model/cron.js';
import type { ReleaseProcess } from '../../src/model/release.js';
import { CronRuns, dueRunId } from '../../src/records/cron-runs.js';
import { dockerMissing, TURN_TIMEOUT_MS } from '../support/docker.js';
import { until } from '../support/until.js';
import { HAPROXY_MISSING } from './support/edge.js';
import { server } from './support/images.js';
import { World } from './support/world.js';

const missing = dockerMissing() ?? HAPROXY_MISSING;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const MINUTE = 60_000;
const sh = (script: string): readonly string[] => ['/bin/sh', '-c', script];

describe.skipIf(missing !== undefined)('cron', () => {
  let world: World;
  let runs: CronRuns;
  let app: string;
  let now: number;
  const opened: CronClock[] = [];
  let apps = 0;

  beforeAll(async () => {
    world = await World.open();
    runs = new CronRuns(world.config.home);
  }, TURN_TIMEOUT_MS);
  beforeEach(async () => {
    // One app for each test: a clock looks at all there are.
    for (const other of await world.ledger.listApps()) await world.ledger.destroyApp(other, 'alice');
    apps += 1;
    app = `cron${String.fromCharCode(96 + apps)}`;
    await world.createApp(app);
  });
  afterEach(async () => {
    for (const clock of opened.splice(0)) await clock.close();
    const left = await world.docker.docker(['ps', '-aq', '--filter', `label=${LABELS.run}`]);
    for (const id of left.split('\n').filter((line) => line !== ''))
      await world.docker.docker(['rm', '-f', id]);
  });
  afterAll(() => world?.close(), 60_000);

  const minutely = (command: readonly string[], more: Partial<CronEntry> = {}): CronEntry => ({
    name: 'job',
    schedule: '* * * * *',
    command,
    ...more,
  });
  /** A deployer of its own. */
  const deployer = (followed = new Followed()): CronClock => {
    const parts: CronParts = {
      ...world.deployer(),
      followed,
      book: { list: async () => [] },
      runs,
      clock: { now: () => now },
    };
    const clock = new CronClock(parts);
    opened.push(clock);
    return clock;
  };
  /** As another process would be that lives no more. */
  const killed = async (): Promise<string> => {
    const process = spawn('/bin/sleep', ['1000']);
    await once(process, 'spawn');
    process.kill('SIGKILL');
    await once(process, 'exit');
    return `slipway-${process.pid}-1`;
  };
  /** With the clock at the next full minute after that. */
  const live = async (cron: readonly CronEntry[], processes?: ReleaseProcess[]): Promise<void> => {
    const image = await world.image({ script: server('one') });
    const wish = { cron, ...(processes === undefined ? {} : { processes }) };
    const ended = await world.rollOut(await world.release(app, image, wish));
    expect(ended.state).toBe('live');
    const { outcome } = (await world.ledger.read(app)).releases.at(-1)!;
    now = (Math.floor(Date.parse(outcome!.at) / MINUTE) + 1) * MINUTE + 1000;
  };
  const outcomes = async (entry = 'job'): Promise<string[]> =>
    (await runs.list(app, entry)).map(({ id, end }) => `${id.slice(9, 13)} ${end?.outcome ?? 'running'}`);
  const at = (ms: number): string => dueRunId(ms).slice(9, 13);
  const containers = async (): Promise<string[]> => {
    const text = await world.docker.docker(['ps', '-aq', '--no-trunc', '--filter', `label=${LABELS.run}`]);
    return text.split('\n').filter((line) => line !== '');
  };
  const due = (): number => Math.floor(now / MINUTE) * MINUTE;

  it('runs once in a due minute, however many deployers look, and keeps what it wrote', async () => {
    await world.ledger.setConfig(app, { GREETING: 'good morning', TOKEN: 'very-secret-value' }, 'alice');
    await live([minutely(sh('echo "$GREETING $TOKEN"; exit 3'))]);
    const clocks = [deployer(), deployer(), deployer()];
    await Promise.all(clocks.map((clock) => clock.look()));
    await Promise.all(clocks.map((clock) => clock.look()));
    await Promise.all(clocks.map((clock) => clock.idle()));
    const [run, ...others] = await runs.list(app, 'job');
    expect(others).toEqual([]);
    expect(run).toMatchObject({
      id: dueRunId(due()),
      place: { host: 'local', release: 1 },
      end: { outcome: 'failed', exitCode: 3 },
    });
    expect(await runs.log(app, 'job', run?.id ?? '')).toBe('*** ***\n');
    expect(await containers()).toEqual([]);
    now += MINUTE;
    await clocks[0]?.look();
    await clocks[0]?.idle();
    expect(await outcomes()).toEqual([`${at(due())} failed`, `${at(due() - MINUTE)} failed`]);
  });

  it('does not overlap with itself, unless it may', async () => {
    const forever = sh('exec sleep 1000');
    await live([minutely(forever), minutely(forever, { name: 'many', overlaps: true })]);
    const clock = deployer();
    await clock.look();
    await until(async () => (await containers()).length === 2);
    now += MINUTE;
    await clock.look();
    await until(async () => (await containers()).length === 3);
    expect(await outcomes()).toEqual([`${at(due())} skipped`, `${at(due() - MINUTE)} running`]);
    expect(await outcomes('many')).toEqual([`${at(due())} running`, `${at(due() - MINUTE)} running`]);
    await expect(clock.runNow(app, 'job', 'alice')).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('job is still running'),
    });
    const { hosts, config } = world.parts;
    const going = (await listOneOffs({ hosts }, app)).runs.map(({ name }) => name);
    expect(going).toContain(`cron.job.${dueRunId(due() - MINUTE)}`);
    await stopOneOff({ hosts, config }, app, `cron.job.${dueRunId(due() - MINUTE)}`);
    await until(async () => (await outcomes()).includes(`${at(due() - MINUTE)} failed`));
  });

  it('ends at its time limit, with what it wrote until then', async () => {
    await live([
      minutely(sh('trap "echo bye; exit 0" TERM; echo hello; sleep 1000 & wait'), { timeoutMs: 1500 }),
    ]);
    const clock = deployer();
    await clock.look();
    await clock.idle();
    const [run] = await runs.list(app, 'job');
    expect(run?.end).toMatchObject({ outcome: 'timeout', reason: 'it took longer than 1.5 s' });
    expect(await runs.log(app, 'job', run?.id ?? '')).toBe('hello\nbye\n');
    expect(await containers()).toEqual([]);
  });

  it('goes on under the next deployer, as the same run', async () => {
    await live([minutely(sh('echo up; until [ -e /go ]; do sleep 0.1; done; echo done'))]);
    const first = deployer();
    await first.look();
    await until(async () => (await containers()).length === 1);
    const before = await containers();
    // Also in the middle of its start.
    await first.close();
    expect(await outcomes()).toEqual([`${at(due())} running`]);
    const second = deployer();
    await second.look();
    expect(await containers()).toEqual(before);
    await world.docker.docker(['exec', before[0] ?? '', '/bin/sh', '-c', ': > /go']);
    await second.idle();
    expect(await outcomes()).toEqual([`${at(due())} ok`]);
    expect(await runs.log(app, 'job', dueRunId(due()))).toBe('up\ndone\n');
  });

  it('whose deployer was killed at any step is begun by the next one, once', async () => {
    await live([minutely(sh('echo once'))]);
    const by = await killed();
    for (const step of ['claim', 'place', 'create', 'start'] as const) {
      const id = dueRunId(due());
      await runs.claim(app, 'job', id, { by, at: now });
      const run = (await runs.get(app, 'job', id))!;
      if (step !== 'claim') await runs.place(run, { host: 'local', release: 1, at: now });
      if (step === 'create' || step === 'start') {
        const { image } = (await world.ledger.read(app)).releases[0]!;
        const spec = { app, release: 1, name: `cron.job.${id}`, image, env: {}, command: sh('echo once') };
        await world.target.startOneOff({ ...spec, hasTerminal: false, by: 'cron' });
      }
      const clock = deployer();
      await clock.look();
      await clock.idle();
      expect([step, await outcomes()]).toEqual([step, expect.arrayContaining([`${at(due())} ok`])]);
      expect(await runs.log(app, 'job', id)).toBe('once\n');
      expect(await containers()).toEqual([]);
      now += MINUTE;
    }
    expect(await runs.list(app, 'job')).toHaveLength(4);
  });

  it('of a living deployer is left to that one', async () => {
    await live([minutely(sh('echo once'))]);
    // Whoever started this process: it lives, and is not it.
    await runs.claim(app, 'job', dueRunId(due()), { by: await nameOf(process.ppid), at: now });
    const clock = deployer();
    await clock.look();
    await clock.idle();
    expect(await outcomes()).toEqual([`${at(due())} running`]);
    expect(await containers()).toEqual([]);
  });

  it('tells what was missed, and does not make up for it', async () => {
    await live([minutely(sh('echo once'))]);
    now += 10 * MINUTE;
    const clock = deployer();
    await clock.look();
    await clock.idle();
    expect(await outcomes()).toEqual([`${at(due())} ok`, `${at(due() - MINUTE)} missed`]);
    const [, missed] = await runs.list(app, 'job');
    expect(missed?.end?.reason).toMatch(/^\d+ runs since .*: no deployer was there to begin them$/);
    // An hour of standing still, in the middle of a claim.
    const by = await killed();
    now += MINUTE;
    await runs.claim(app, 'job', dueRunId(due()), { by, at: now });
    now += 60 * MINUTE;
    await clock.look();
    await clock.idle();
    expect(await outcomes()).toContain(`${at(due() - 60 * MINUTE)} missed`);
  });

  it('does not run for an app that is stopped', async () => {
    await live([minutely(sh('echo once'))]);
    const stopped = { at: new Date().toISOString(), by: 'alice' };
    await world.ledger.changeFormation(app, (formation) => ({ ...formation, stopped }), 'stop', 'alice');
    const clock = deployer();
    await clock.look();
    await clock.idle();
    expect(await outcomes()).toEqual([]);
    await expect(clock.runNow(app, 'job', 'alice')).rejects.toMatchObject({ message: `${app} is stopped` });
  });

  it('runs when somebody asks for it', async () => {
    await live([minutely(sh('echo "$PORT"'), { schedule: '0 0 1 1 *' })]);
    const clock = deployer();
    const { run, name, host } = await clock.runNow(app, 'job', 'alice');
    expect([name, host]).toEqual([`cron.job.${run}`, 'local']);
    await clock.idle();
    expect(await runs.list(app, 'job')).toEqual([
      expect.objectContaining({
        claim: expect.objectContaining({ who: 'alice' }),
        end: expect.objectContaining({ outcome: 'ok', exitCode: 0 }),
      }),
    ]);
    expect(await runs.log(app, 'job', run)).toBe('8080\n');
    await expect(clock.runNow(app, 'other', 'alice')).rejects.toMatchObject({ code: 'not_found' });
  });

  it("has the app's volumes", async () => {
    const mounts = [{ volume: 'data', path: '/data' }];
    await live([minutely(sh('echo "by cron" > /data/note'))], [{ type: 'web', scale: 1, mounts }]);
    const clock = deployer();
    await clock.look();
    await clock.idle();
    expect(await outcomes()).toEqual([`${at(due())} ok`]);
    const [web] = await world.containers(app);
    expect((await world.target.execute(web?.id ?? '', ['cat', '/data/note'])).output).toBe('by cron');
  });

  it('says why it could not begin, and leaves nothing for the sweep', async () => {
    await live([minutely(['/no/such/program'])]);
    const clock = deployer();
    await clock.look();
    await clock.idle();
    const [run] = await runs.list(app, 'job');
    expect(run?.end).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('the command could not be started'),
    });
    const parts = { ...world.parts, book: { list: async () => [] } };
    await sweepOneOffs(parts, new AbortController().signal);
    expect(await containers()).toEqual([]);
  });
});

/** As `ownName` would call that process. */
async function nameOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return `slipway-${pid}-${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
}

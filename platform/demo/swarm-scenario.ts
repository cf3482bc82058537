/** The demo over a Swarm: a release as services, one that fails, the way back, and a node that goes away for good. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pushBusybox } from '../base-image.js';
import type { Machine, Machines } from './machines.js';
import { Person } from './person.js';
import { act, contains, expect, type Stage, tokenOf } from './scenario.js';
import { joinSwarm } from './swarm.js';
import { fetchPage, startTraffic } from './traffic.js';

const PAGES = ['Hello from Slipway', 'Hello from a Swarm', 'Hello from nowhere'] as const;
const HOST = 'prod';
const POLL_MS = 500;
const HEALED_TIMEOUT_MS = 90_000;
/** For requests that a late switch would lose. */
const AFTERWARDS_MS = 1000;

export async function playOverSwarm(stage: Stage, machines: Machines): Promise<void> {
  const person = new Person(stage.platform, stage.shown, stage.signal);
  const [, ...workers] = machines.all;
  // One node less than there are, so that the others can take what a lost one ran.
  const scale = machines.all.length - 1;

  await act(
    stage,
    `${machines.all.length} machines as one Swarm, and an app that is placed on it`,
    async () => {
      await pushBusybox(stage.platform.config);
      await person.begin(tokenOf(stage));
      const done = [
        await person.slipway('hosts:add', HOST, await joinSwarm(machines)),
        await person.slipway('hosts:check', HOST),
        await person.slipway('placement:set', '--host', HOST),
        await person.slipway('ps:scale', `web=${scale}`),
      ];
      return done.flatMap(({ exitCode }) => expect('the exit code', exitCode, 0));
    },
  );

  await act(
    stage,
    'the first push: v1 is live on the Swarm',
    async () => {
      const { exitCode } = await person.push();
      return [...expect('the exit code of git push', exitCode, 0), ...(await allRun(person, scale, 1))];
    },
    person,
  );

  const traffic = startTraffic(person.target, PAGES);
  let problems: string[] = [];
  const startedAt = performance.now();
  try {
    await underTraffic(stage, person, scale, workers);
    await sleep(AFTERWARDS_MS);
  } finally {
    const { requests, failed, failures } = await traffic.stop();
    problems = [...expect('failed requests', failed, 0), ...failures];
    const what = `all the while: ${requests} requests, ${failed} failed`;
    stage.shown.write(`\n       ${what}\n`);
    stage.report.add({ what, ms: performance.now() - startedAt, phases: [], problems });
  }
}

async function underTraffic(
  stage: Stage,
  person: Person,
  scale: number,
  workers: readonly Machine[],
): Promise<void> {
  await act(
    stage,
    'a change: v2 is live on the Swarm',
    async () => {
      person.say(PAGES[1]);
      await person.commit('Greet from a Swarm');
      const { exitCode } = await person.push();
      return [...expect('the exit code of git push', exitCode, 0), ...(await allRun(person, scale, 2))];
    },
    person,
  );

  await act(
    stage,
    'a release whose tasks exit: reverted, v2 keeps serving',
    async () => {
      person.say(PAGES[2]);
      person.write('serve.sh', (text) => text.replace('\n', '\nexit 3\n'));
      await person.commit('Exit at once');
      const { exitCode, output } = await person.push();
      const page = await fetchPage(person.target);
      await person.undoCommit();
      return [
        ...expect('the exit code of git push', exitCode, 1),
        ...contains('the push', output, ['exited with code 3', 'reverted', 'v2 keeps serving']),
        ...contains('the page', page.body, [PAGES[1]]),
        ...(await allRun(person, scale, 2)),
      ];
    },
    person,
  );

  await act(
    stage,
    'rollback to v1, by its digest',
    async () => {
      const { exitCode } = await person.slipway('rollback', 'v1');
      const page = await fetchPage(person.target);
      return [
        ...expect('the exit code of slipway rollback', exitCode, 0),
        ...contains('the page', page.body, [PAGES[0]]),
        ...(await allRun(person, scale, 4)),
      ];
    },
    person,
  );

  const lost = workers.at(-1);
  if (lost === undefined) return;
  await act(stage, `${lost.name} is lost for good: the Swarm starts its task on another node`, async () => {
    await lost.cutOff();
    await lost.kill();
    // Only when the Swarm misses the node is there anything to be healed.
    await sleep(AFTERWARDS_MS);
    const found = await allRun(person, scale, 4);
    await person.slipway('hosts:check', HOST);
    return found;
  });
}

/** Whether just this release runs, with all its instances. Old tasks get time to end, new ones to start. */
async function allRun(person: Person, scale: number, release: number): Promise<string[]> {
  const wanted = Array.from({ length: scale }, () => `v${release} running`);
  let found: string[] = [];
  for (const endsAt = Date.now() + HEALED_TIMEOUT_MS; Date.now() < endsAt; await sleep(POLL_MS)) {
    found = (await person.processes()).map((one) => `v${one.release} ${one.state}`).sort();
    if (found.join() === wanted.join()) return [];
  }
  return [`there should be ${wanted.join(', ')}, but there is ${found.join(', ')}`];
}

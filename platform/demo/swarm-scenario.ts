/** The demo over a Swarm: a release as services, one that fails, the way back, and a node that goes away for good. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pushBusybox } from '../base-image.js';
import type { Machine, Machines } from './machines.js';
import { Person } from './person.js';
import { act, contains, expect, type Stage, tokenOf } from './scenario.js';
import { allTheWhile, goesLive, rollsBack, untilRuns } from './several-machines.js';
import { joinSwarm } from './swarm.js';
import { fetchPage } from './traffic.js';

const PAGES = ['Hello from Slipway', 'Hello from a Swarm', 'Hello from nowhere'] as const;
const HOST = 'prod';
const HEALED_TIMEOUT_MS = 90_000;
/** Until the Swarm may have noticed. */
const UNNOTICED_MS = 1000;

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

  const allRun = (release: number): Promise<string[]> =>
    untilRuns(
      person,
      Array.from({ length: scale }, () => `v${release} running`),
      (one) => `v${one.release} ${one.state}`,
      HEALED_TIMEOUT_MS,
    );
  await goesLive(stage, person, 'the first push: v1 is live on the Swarm', () => allRun(1));

  await allTheWhile(stage, person, PAGES, () => underTraffic(stage, person, allRun, workers));
}

async function underTraffic(
  stage: Stage,
  person: Person,
  allRun: (release: number) => Promise<string[]>,
  workers: readonly Machine[],
): Promise<void> {
  person.say(PAGES[1]);
  await person.commit('Greet from a Swarm');
  await goesLive(stage, person, 'a change: v2 is live on the Swarm', () => allRun(2));

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
        ...(await allRun(2)),
      ];
    },
    person,
  );

  const rollback = { what: 'rollback to v1, by its digest', page: PAGES[0] };
  await rollsBack(stage, person, rollback, () => allRun(4));

  const lost = workers.at(-1);
  if (lost === undefined) return;
  await act(stage, `${lost.name} is lost for good: the Swarm starts its task on another node`, async () => {
    await lost.cutOff();
    await lost.kill();
    // Only when the Swarm misses the node is there anything to be healed.
    await sleep(UNNOTICED_MS);
    const found = await allRun(4);
    await person.slipway('hosts:check', HOST);
    return found;
  });
}

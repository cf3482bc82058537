/** The demo over several machines: a release on all of them, one that goes away in the middle of a rollout, and the way back. */
import { pushBusybox } from '../base-image.js';
import type { Shown } from './commands.js';
import type { Machine, Machines } from './machines.js';
import { Person } from './person.js';
import { act, contains, expect, type Stage, tokenOf } from './scenario.js';
import { allTheWhile, goesLive, rollsBack, untilRuns } from './several-machines.js';
import { fetchPage } from './traffic.js';

const PAGES = ['Hello from Slipway', 'Hello from all hosts', 'Hello from fewer hosts'] as const;
const BACK_TIMEOUT_MS = 60_000;

export async function playOverHosts(stage: Stage, machines: Machines): Promise<void> {
  const listener: { heard?: (text: string) => void } = {};
  const shown: Shown = {
    write: (text) => {
      stage.shown.write(text);
      listener.heard?.(text);
    },
  };
  const person = new Person(stage.platform, shown, stage.signal);
  const names = machines.all.map(({ name }) => name);
  const failing = machines.get('b');

  await act(
    stage,
    `${names.length} machines as hosts, and an app that is placed on all of them`,
    async () => {
      await pushBusybox(stage.platform.config);
      await person.begin(tokenOf(stage));
      const done = [];
      for (const { name, dockerHost } of machines.all)
        done.push(await person.slipway('hosts:add', name, dockerHost));
      done.push(await person.slipway('placement:set', ...names.flatMap((name) => ['--host', name])));
      done.push(await person.slipway('ps:scale', `web=${names.length}`));
      return done.flatMap(({ exitCode }) => expect('the exit code', exitCode, 0));
    },
  );

  const allRun = (release: number): Promise<string[]> =>
    untilRuns(
      person,
      names.map((name) => `v${release} on ${name}`),
      (one) => `v${one.release} on ${one.host}`,
      BACK_TIMEOUT_MS,
    );
  await goesLive(stage, person, `the first push: v1 is live on ${names.join(', ')}`, () => allRun(1));

  await allTheWhile(stage, person, PAGES, () => underTraffic(stage, person, allRun, failing, listener));
}

async function underTraffic(
  stage: Stage,
  person: Person,
  allRun: (release: number) => Promise<string[]>,
  failing: Machine,
  listener: { heard?: (text: string) => void },
): Promise<void> {
  person.say(PAGES[1]);
  await person.commit('Greet from all hosts');
  await goesLive(stage, person, 'a change: v2 is live on all of them', () => allRun(2));

  await act(
    stage,
    `${failing.name} goes away in the middle of a rollout: nothing changes`,
    async () => {
      person.say(PAGES[2]);
      await person.commit('Greet from fewer hosts');
      let cut: Promise<void> | undefined;
      listener.heard = (text) => {
        if (text.includes(' (pull ')) cut ??= failing.cutOff();
      };
      const { exitCode, output } = await person.push();
      delete listener.heard;
      await cut;
      const page = await fetchPage(person.target);
      if (cut !== undefined) await failing.reconnect();
      return [
        ...expect('the exit code of git push', exitCode, 1),
        ...contains('the push', output, [`on ${failing.name}: `, 'reverted', 'v2 keeps serving']),
        ...contains('the page', page.body, [PAGES[1]]),
      ];
    },
    person,
  );

  await act(stage, `${failing.name} is back, and runs v2 only`, () => allRun(2));

  const rollback = { what: 'rollback to v1, on all of them', page: PAGES[0] };
  await rollsBack(stage, person, rollback, () => allRun(4));
}

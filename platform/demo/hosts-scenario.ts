/** The demo over several machines: a release on all of them, one that goes away in the middle of a rollout, and the way back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pushBusybox } from '../base-image.js';
import type { Shown } from './commands.js';
import type { Machine, Machines } from './machines.js';
import { APP, Person } from './person.js';
import { act, contains, expect, type Stage, tokenOf } from './scenario.js';
import { fetchPage, startTraffic } from './traffic.js';

const PAGES = ['Hello from Slipway', 'Hello from all hosts', 'Hello from fewer hosts'] as const;
const POLL_MS = 500;
const BACK_TIMEOUT_MS = 60_000;
/** For requests that a late switch would lose. */
const AFTERWARDS_MS = 1000;

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

  await act(
    stage,
    `the first push: v1 is live on ${names.join(', ')}`,
    async () => {
      const { exitCode } = await person.push();
      return [...expect('the exit code of git push', exitCode, 0), ...(await allRun(person, names, 1))];
    },
    person,
  );

  const traffic = startTraffic(person.target, PAGES);
  let problems: string[] = [];
  const startedAt = performance.now();
  try {
    await underTraffic(stage, person, names, failing, listener);
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
  names: readonly string[],
  failing: Machine,
  listener: { heard?: (text: string) => void },
): Promise<void> {
  await act(
    stage,
    'a change: v2 is live on all of them',
    async () => {
      person.say(PAGES[1]);
      await person.commit('Greet from all hosts');
      const { exitCode } = await person.push();
      return [...expect('the exit code of git push', exitCode, 0), ...(await allRun(person, names, 2))];
    },
    person,
  );

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

  await act(stage, `${failing.name} is back, and runs v2 only`, () => allRun(person, names, 2));

  await act(
    stage,
    'rollback to v1, on all of them',
    async () => {
      const { exitCode } = await person.slipway('rollback', 'v1');
      const page = await fetchPage(person.target);
      return [
        ...expect('the exit code of slipway rollback', exitCode, 0),
        ...contains('the page', page.body, [PAGES[0]]),
        ...(await allRun(person, names, 4)),
      ];
    },
    person,
  );
}

/** Whether just this release runs, once on each of the hosts. Old containers get time to end. */
async function allRun(person: Person, names: readonly string[], release: number): Promise<string[]> {
  const wanted = names.map((name) => `v${release} on ${name}`).sort();
  let found: string[] = [];
  for (const endsAt = Date.now() + BACK_TIMEOUT_MS; Date.now() < endsAt; await sleep(POLL_MS)) {
    found = (await person.processes()).map((one) => `v${one.release} on ${one.host}`).sort();
    if (found.join() === wanted.join()) return [];
  }
  return [`${APP} should run ${wanted.join(', ')}, but runs ${found.join(', ')}`];
}

/** What the demos over several machines have in common: requests all the while, and the wait until just one release runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { APP, type Person } from './person.js';
import { act, contains, expect, type Stage } from './scenario.js';
import { fetchPage, startTraffic } from './traffic.js';

/** For requests that a late switch would lose. */
const AFTERWARDS_MS = 1000;
const POLL_MS = 500;

type Running = Awaited<ReturnType<Person['processes']>>[number];

/** Plays `story` while a client asks for the app, which must answer each request with one of `pages`. */
export async function allTheWhile(
  stage: Stage,
  person: Person,
  pages: readonly string[],
  story: () => Promise<void>,
): Promise<void> {
  const traffic = startTraffic(person.target, pages);
  let problems: string[] = [];
  const startedAt = performance.now();
  try {
    await story();
    await sleep(AFTERWARDS_MS);
  } finally {
    const { requests, failed, failures } = await traffic.stop();
    problems = [...expect('failed requests', failed, 0), ...failures];
    const what = `all the while: ${requests} requests, ${failed} failed`;
    stage.shown.write(`\n       ${what}\n`);
    stage.report.add({ what, ms: performance.now() - startedAt, phases: [], problems });
  }
}

/** A push that goes live, with what `check` finds afterwards. */
export function goesLive(
  stage: Stage,
  person: Person,
  what: string,
  check: () => Promise<string[]>,
): Promise<void> {
  const work = async (): Promise<string[]> => {
    const { exitCode } = await person.push();
    return [...expect('the exit code of git push', exitCode, 0), ...(await check())];
  };
  return act(stage, what, work, person);
}

export function rollsBack(
  stage: Stage,
  person: Person,
  { what, page }: { readonly what: string; readonly page: string },
  check: () => Promise<string[]>,
): Promise<void> {
  const work = async (): Promise<string[]> => {
    const { exitCode } = await person.slipway('rollback', 'v1');
    const { body } = await fetchPage(person.target);
    return [
      ...expect('the exit code of slipway rollback', exitCode, 0),
      ...contains('the page', body, [page]),
      ...(await check()),
    ];
  };
  return act(stage, what, work, person);
}

/** Whether just this runs; old containers get time to end, new ones to start. */
export async function untilRuns(
  person: Person,
  wanted: readonly string[],
  show: (one: Running) => string,
  timeoutMs: number,
): Promise<string[]> {
  const all = [...wanted].sort().join(', ');
  let found = '';
  for (const endsAt = Date.now() + timeoutMs; Date.now() < endsAt; await sleep(POLL_MS)) {
    found = (await person.processes()).map(show).sort().join(', ');
    if (found === all) return [];
  }
  return [`${APP} should run ${all}, but runs ${found}`];
}

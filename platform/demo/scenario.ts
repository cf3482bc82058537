/** The story of the demo, act by act: each is done for real, and what was not as it should be is noted. */
import { pushBusybox } from '../base-image.js';
import type { Platform } from '../platform.js';
import type { Shown } from './commands.js';
import { type BuildSummary, Person } from './person.js';
import type { Report } from './report.js';
import { fetchPage, startTraffic } from './traffic.js';

const FIRST = 'Hello from Slipway';
const SECOND = 'Hello again, without a lost request';
/** How long the client goes on after the push has ended, for requests that a late switch would lose. */
const AFTERWARDS_MS = 1000;

export interface Stage {
  readonly platform: Platform;
  readonly report: Report;
  readonly shown: Shown;
  readonly signal: AbortSignal;
}

export async function play(stage: Stage): Promise<void> {
  const { platform, shown, signal } = stage;
  const token = tokenOf(stage);
  const person = new Person(platform, shown, signal);

  await act(stage, 'a base image from busybox, in the local registry', async () => {
    shown.write(`       library/busybox@${await pushBusybox(platform.config)}\n`);
    await person.begin(token);
    return [];
  });

  await act(
    stage,
    'the first push: v1 is live',
    async () => {
      const { exitCode } = await person.push();
      return [...expect('the exit code of git push', exitCode, 0), ...(await pageShows(person, FIRST))];
    },
    person,
  );

  await changeUnderTraffic(stage, person);
  await brokenDockerfile(stage, person);

  await act(
    stage,
    'rollback to v1, without a build',
    async () => {
      const { exitCode, output } = await person.slipway('releases');
      const back = await person.slipway('rollback', 'v1');
      return [
        ...expect('the exit code of slipway releases', exitCode, 0),
        ...contains('slipway releases', output, ['v1', 'v2']),
        ...expect('the exit code of slipway rollback', back.exitCode, 0),
        ...(await pageShows(person, FIRST)),
      ];
    },
    person,
  );
}

export function tokenOf({ platform }: Stage): string {
  const token = platform.adminToken?.token;
  if (token === undefined) throw new Error('the platform has no administrator token');
  return token;
}

async function changeUnderTraffic(stage: Stage, person: Person): Promise<void> {
  person.say(SECOND);
  await person.commit('Say something else');
  const traffic = startTraffic(person.target, [FIRST, SECOND]);
  let problems: string[] = [];
  let ms = 0;
  try {
    const startedAt = performance.now();
    const { exitCode } = await person.push();
    ms = performance.now() - startedAt;
    problems = [...expect('the exit code of git push', exitCode, 0), ...(await pageShows(person, SECOND))];
    const why = await person.slipway('builds:why');
    problems.push(...contains('slipway builds:why', why.output, ['CACHED', '"message.txt" changed']));
    await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
  } finally {
    const { requests, failed, failures, pages } = await traffic.stop();
    const what = `a change, pushed under traffic: ${requests} requests, ${failed} failed`;
    problems.push(...expect('failed requests', failed, 0), ...failures);
    problems.push(
      ...[FIRST, SECOND].filter((text) => !pages[text]).map((text) => `no request got the page "${text}"`),
    );
    stage.shown.write(`       ${what}\n`);
    stage.report.add({ what, ms, problems, ...shownOf(await person.newestBuild()) });
  }
}

async function brokenDockerfile(stage: Stage, person: Person): Promise<void> {
  await act(stage, 'a broken Dockerfile: rejected, v2 still answers', async () => {
    person.write('Dockerfile', (text) => text.replace('RUN mkdir', 'RUNN mkdir'));
    await person.commit('Break the Dockerfile');
    const { exitCode, output } = await person.push();
    await person.undoCommit();
    return [
      ...expect('the exit code of git push', exitCode, 1),
      ...contains('the push', output, ['Dockerfile:6', 'RUNN', 'remote rejected']),
      ...(await pageShows(person, SECOND)),
    ];
  });
}

/** Runs one act and adds it to the report. With `person`, with what the platform tells of the newest build. */
export async function act(
  stage: Stage,
  what: string,
  play: () => Promise<string[]>,
  person?: Person,
): Promise<void> {
  stage.signal.throwIfAborted();
  stage.shown.write(`\n=====> ${what}\n`);
  const startedAt = performance.now();
  const problems = await play();
  const ms = performance.now() - startedAt;
  for (const problem of problems) stage.shown.write(` !     ${problem}\n`);
  stage.report.add({ what, ms, problems, ...shownOf(await person?.newestBuild()) });
}

function shownOf(build: BuildSummary | undefined): Pick<BuildSummary, 'steps' | 'phases'> {
  return { phases: build?.phases ?? [], ...(build?.steps === undefined ? {} : { steps: build.steps }) };
}

async function pageShows(person: Person, text: string): Promise<string[]> {
  const page = await fetchPage(person.target).catch((error: Error) => ({ status: 0, body: error.message }));
  if (page.status === 200 && page.body.includes(text)) return [];
  return [`the page should show "${text}", but is HTTP ${page.status}: ${page.body.trim().slice(0, 200)}`];
}

export function expect(what: string, actual: number, wanted: number): string[] {
  return actual === wanted ? [] : [`${what} should be ${wanted}, but is ${actual}`];
}

export function contains(what: string, output: string, wanted: readonly string[]): string[] {
  return wanted.filter((text) => !output.includes(text)).map((text) => `${what} should say "${text}"`);
}

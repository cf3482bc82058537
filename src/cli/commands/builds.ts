/** Builds: list, output, why, cancel; and how a followed one ends the command. */
import type { BuildView } from '../../api/views.js';
import { seconds } from '../../logs/seconds.js';
import type { StepOutcome } from '../../records/step-outcomes.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT, type ExitCode, type Invocation, UsageError } from '../usage.js';

const endings: Partial<Record<BuildView['state'], ExitCode>> = {
  live: EXIT.done,
  built: EXIT.done,
  cancelled: EXIT.cancelled,
  superseded: EXIT.superseded,
};

/** The exit code that says how a build ended. */
export function exitCodeOf(build: BuildView): ExitCode {
  return endings[build.state] ?? (build.code === 'unhealthy' ? EXIT.unhealthy : EXIT.failed);
}

/** Shows the log until the build ends, and says how it ended. ^C only stops looking. */
async function followBuild(invocation: Invocation, build: BuildView, offset = 0): Promise<ExitCode> {
  const { output } = invocation;
  const { app, id } = build;
  let next = offset;
  const client = await invocation.client();
  const ended = await client.follow(app, id, offset, (data) => {
    next += data.length;
    output.bytes(data);
  });
  if (ended === undefined) {
    output.note(
      `build ${id} goes on; follow it with: slipway builds:output ${id} -f --offset ${next} -a ${app}`,
    );
    // What is known of it, so that stdout is JSON in any case.
    if (output.json) output.result(build, []);
    return EXIT.done;
  }
  if (output.json) output.result(ended, []);
  const code = exitCodeOf(ended);
  if (code !== EXIT.done)
    output.problem([`build ${id} ${ended.state}${ended.reason === undefined ? '' : `: ${ended.reason}`}`]);
  return code;
}

/** For a command that starts a build or a rollout and has the option `detach`. */
export async function followUnlessDetached(invocation: Invocation, build: BuildView): Promise<ExitCode> {
  if (!invocation.options.detach) return followBuild(invocation, build);
  const what =
    build.release === undefined ? `build ${build.id} is accepted` : `v${build.release} is being rolled out`;
  invocation.output.result(build, [
    `${what}; follow it with: slipway builds:output ${build.id} -f -a ${build.app}`,
  ]);
  return EXIT.done;
}

const builds: Command = {
  name: 'builds',
  aliases: ['builds:list'],
  usage: '',
  help: 'List the latest builds of an app, newest first.',
  examples: ['slipway builds', 'slipway builds -a hello --json'],
  args: { min: 0, max: 0 },
  options: { limit: { type: 'string', short: 'n', help: 'how many (20)' } },
  async run(invocation) {
    const limit = invocation.options.limit ?? '20';
    const app = await invocation.app();
    const client = await invocation.client();
    const { builds: list } = await client.get<{ builds: BuildView[] }>(
      `/v1/apps/${app}/builds?limit=${encodeURIComponent(String(limit))}`,
    );
    const rows = list.map((build) => [
      build.id,
      build.state,
      build.kind,
      build.release === undefined ? '' : `v${build.release}`,
      build.commit?.slice(0, 7) ?? '',
      build.steps === undefined ? '' : `${build.steps.cached}/${build.steps.total}`,
      shortTime(build.acceptedAt),
      build.durationMs === undefined ? '' : `${(build.durationMs / 1000).toFixed(1)} s`,
      build.who,
      build.reason ?? '',
    ]);
    const head = ['BUILD', 'STATE', 'KIND', 'RELEASE', 'COMMIT', 'CACHED', 'STARTED', 'TIME', 'BY', 'REASON'];
    invocation.output.result(list, list.length === 0 ? [`${app} has no build yet`] : table(head, rows));
    return EXIT.done;
  },
};

const output: Command = {
  name: 'builds:output',
  usage: '[BUILD]',
  help: 'Print the log of a build. The newest one by default.',
  examples: ['slipway builds:output', 'slipway builds:output b1k5xw3f9aq7m2c -f'],
  args: { min: 0, max: 1 },
  options: {
    follow: { type: 'boolean', short: 'f', help: 'go on until the build ends; the exit code then says how' },
    offset: { type: 'string', help: 'start at this byte' },
  },
  async run(invocation) {
    const offset = String(invocation.options.offset ?? 0);
    if (!/^\d{1,15}$/.test(offset))
      throw new UsageError(`--offset must be a whole number of bytes, not ${JSON.stringify(offset)}`);
    const app = await invocation.app();
    const client = await invocation.client();
    const build = await client.get<BuildView>(await buildPath(invocation));
    if (invocation.options.follow) return followBuild(invocation, build, Number(offset));
    await client.readAll(`/v1/apps/${app}/builds/${build.id}/output`, offset, (data) =>
      invocation.output.bytes(data),
    );
    if (invocation.output.json) invocation.output.result(build, []);
    return EXIT.done;
  },
};

/** Of the build that the command names; of the newest one when it names none. */
async function buildPath(invocation: Invocation): Promise<string> {
  const id = encodeURIComponent(invocation.args[0] ?? 'current');
  return `/v1/apps/${await invocation.app()}/builds/${id}`;
}

/** Of an instruction in the table; `--json` has more. */
const TEXT_CHARS = 60;

const why: Command = {
  name: 'builds:why',
  usage: '[BUILD]',
  help: 'Say of each step of a build if it was cached, or why not. The newest one by default.',
  examples: ['slipway builds:why', 'slipway builds:why b1k5xw3f9aq7m2c -a hello --json'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const client = await invocation.client();
    const found = await client.get<{ build: BuildView; steps: StepOutcome[] }>(
      `${await buildPath(invocation)}/steps`,
    );
    const { build, steps } = found;
    const rows = steps.map((step) => [
      `${step.step}/${step.total}`,
      step.stage,
      String(step.line),
      resultOf(step),
      step.ms === undefined ? '' : seconds(step.ms),
      step.text.length > TEXT_CHARS ? `${step.text.slice(0, TEXT_CHARS - 1)}…` : step.text,
      step.result === 'cached' ? savedBy(step) : (step.reason ?? ''),
    ]);
    const head = ['STEP', 'STAGE', 'LINE', 'RESULT', 'TIME', 'INSTRUCTION', 'WHY'];
    const none = `nothing is known of the steps of ${build.id} (${build.state})`;
    invocation.output.result(found, steps.length === 0 ? [none] : table(head, rows));
    return EXIT.done;
  },
};

function resultOf({ result, from }: StepOutcome): string {
  if (result === 'cached') return from === undefined ? 'CACHED' : `CACHED (${from})`;
  return result;
}

function savedBy({ savedMs }: StepOutcome): string {
  return savedMs === undefined ? '' : `saved ${seconds(savedMs)}`;
}

const cancel: Command = {
  name: 'builds:cancel',
  usage: '[BUILD]',
  help: 'Cancel a build, or a rollout before it switches the traffic. The newest one by default.',
  examples: ['slipway builds:cancel', 'slipway builds:cancel b1k5xw3f9aq7m2c -a hello'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const client = await invocation.client();
    const build = await client.post<BuildView>(`${await buildPath(invocation)}/cancel`);
    invocation.output.result(build, [
      build.state === 'cancelled' ? `build ${build.id} is cancelled` : `build ${build.id} is being cancelled`,
    ]);
    return EXIT.done;
  },
};

export const buildCommands: readonly Command[] = [builds, output, why, cancel];

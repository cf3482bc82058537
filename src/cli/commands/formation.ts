/** Process types: scale, limits, restart, stop and start. */
import type { FormationView } from '../../api/formation.js';
import type { BuildView } from '../../api/views.js';
import { commandText } from '../../model/release-diff.js';
import { describeResources, RESOURCES } from '../../model/resources.js';
import { table } from '../output.js';
import { type Command, EXIT, type ExitCode, type Invocation, type OptionSpec, UsageError } from '../usage.js';
import { followUnlessDetached } from './builds.js';

const DETACH: OptionSpec = { type: 'boolean', help: 'do not wait for the rollout' };

interface Answer {
  readonly build?: BuildView;
  readonly formation?: FormationView;
}

async function show(invocation: Invocation): Promise<ExitCode> {
  const app = await invocation.app();
  const view = await (await invocation.client()).get<FormationView>(`/v1/apps/${app}/formation`);
  const rows = view.processes.map((process) => [
    process.type,
    process.whenStarted === undefined ? String(process.scale) : `0, stopped (${process.whenStarted})`,
    describeResources(process.resources) || 'none',
    view.release === undefined ? 'not known before the first deploy' : commandText(process.command),
  ]);
  invocation.output.result(
    view,
    rows.length === 0
      ? [`${app} has no process types yet: they come with the first deploy`]
      : table(['PROCESS', 'SCALE', 'LIMITS', 'COMMAND'], rows),
  );
  return EXIT.done;
}

/** Follows the rollout, or says why there is none: `isSo`, or else what is set is so already or has to wait. */
async function finish(
  invocation: Invocation,
  { build, formation }: Answer,
  isSo?: string,
): Promise<ExitCode> {
  if (build !== undefined) return followUnlessDetached(invocation, build);
  const app = await invocation.app();
  const { stopped, release } = formation ?? {};
  const why =
    isSo !== undefined
      ? `${app} is ${isSo} already`
      : release === undefined
        ? `stored; ${app} gets it with its next deploy`
        : stopped === undefined
          ? `nothing to roll out: ${app} runs so already`
          : `stored; ${app} is stopped, and gets it with: slipway ps:start -a ${app}`;
  invocation.output.result(formation, [why]);
  return EXIT.done;
}

const scale: Command = {
  name: 'ps:scale',
  usage: '[TYPE=COUNT...]',
  help: `Show or set how many containers there are of each process type. A change is rolled out, and holds over the
formation of app.json for every release from now on.`,
  examples: ['slipway ps:scale', 'slipway ps:scale web=3 worker=2 -a hello'],
  args: { min: 0, max: 50 },
  options: { detach: DETACH },
  async run(invocation) {
    const pairs = invocation.args.map((pair): [string, number] => {
      const [, type, count] = /^([^=]+)=(\d{1,9})$/.exec(pair) ?? [];
      if (type === undefined)
        throw new UsageError(
          `${JSON.stringify(pair.slice(0, 40))} must be TYPE=COUNT`,
          'for example: slipway ps:scale web=2',
        );
      return [type, Number(count)];
    });
    if (pairs.length === 0) return show(invocation);
    const path = `/v1/apps/${await invocation.app()}/formation/scale`;
    const client = await invocation.client();
    return finish(invocation, await client.patch<Answer>(path, { scale: Object.fromEntries(pairs) }));
  },
};

const resources: Command = {
  name: 'ps:resources',
  aliases: ['resource:limit'],
  usage: '[-p TYPE...]',
  help: `Show or set what each container of a process type may use. A change is rolled out. \`none\` takes a limit
away. A container that uses more memory is killed and started again; more processor time or processes it
does not get.`,
  examples: ['slipway ps:resources', 'slipway ps:resources -p worker --memory 512m --cpus 0.5'],
  args: { min: 0, max: 0 },
  options: {
    process: { type: 'string', short: 'p', multiple: true, value: 'TYPE', help: 'the process type' },
    memory: { type: 'string', value: '512m', help: 'memory; swap is not given beside it' },
    cpus: { type: 'string', value: '0.5', help: 'processors' },
    processes: { type: 'string', value: '200', help: 'processes and threads' },
    detach: DETACH,
  },
  async run(invocation) {
    const types = invocation.lists.process ?? [];
    const given = RESOURCES.flatMap(({ name }): [string, string | null][] => {
      const value = invocation.options[name];
      return typeof value !== 'string' ? [] : [[name, value === 'none' ? null : value]];
    });
    if (types.length === 0 && given.length === 0) return show(invocation);
    if (types.length === 0 || given.length === 0)
      throw new UsageError(
        types.length === 0 ? 'of which process type?' : 'which limit?',
        'for example: slipway ps:resources -p web --memory 512m',
      );
    const path = `/v1/apps/${await invocation.app()}/formation/resources`;
    const client = await invocation.client();
    return finish(invocation, await client.patch<Answer>(path, { types, limits: Object.fromEntries(given) }));
  },
};

const restart: Command = {
  name: 'ps:restart',
  usage: '[TYPE...]',
  help: `Start new containers of the live release, check them, and stop the old ones. With process types,
of these alone.`,
  examples: ['slipway ps:restart -a hello', 'slipway ps:restart worker -a hello'],
  args: { min: 0, max: 50 },
  options: { detach: DETACH },
  async run(invocation) {
    const path = `/v1/apps/${await invocation.app()}/restart`;
    const types = invocation.args.length === 0 ? {} : { types: invocation.args };
    return finish(invocation, await (await invocation.client()).post<Answer>(path, types));
  },
};

function verb(name: 'stop' | 'start', help: string): Command {
  return {
    name: `ps:${name}`,
    usage: '',
    help,
    examples: [`slipway ps:${name} -a hello`],
    args: { min: 0, max: 0 },
    options: { detach: DETACH },
    async run(invocation) {
      const app = await invocation.app();
      const answer = await (await invocation.client()).post<Answer>(`/v1/apps/${app}/${name}`);
      return finish(invocation, answer, name === 'stop' ? 'stopped' : 'started');
    },
  };
}

export const formationCommands: readonly Command[] = [
  scale,
  resources,
  restart,
  verb(
    'stop',
    'Stop all containers of an app. Its address answers 503; what is pushed meanwhile does not start either.',
  ),
  verb('start', 'Start a stopped app, with the scale it had.'),
];

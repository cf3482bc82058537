/** One-off commands in containers of their own, commands in those that run, and a look inside. */
import type {
  ContainerView,
  OneOffList,
  OneOffStarted,
  OneOffView,
  OneOffWish,
  TopView,
  UsageList,
} from '../../api/one-off-views.js';
import { checkConfigName } from '../../model/app.js';
import { commandText } from '../../model/release-diff.js';
import { describeResources, formatMemory } from '../../model/resources.js';
import { beAttached, terminalSize } from '../attached.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT, type Invocation, type OptionSpec, UsageError } from '../usage.js';
import { printLog } from './runtime.js';

const ARGUMENTS = { min: 1, max: 1000 } as const;
const LIMITS: Readonly<Record<string, OptionSpec>> = {
  env: {
    type: 'string',
    short: 'e',
    multiple: true,
    value: 'NAME=VALUE',
    help: 'a variable beside the config',
  },
  memory: { type: 'string', value: '512m', help: 'memory' },
  cpus: { type: 'string', value: '0.5', help: 'processors' },
};
const TTY: Readonly<Record<string, OptionSpec>> = {
  tty: { type: 'boolean', short: 't', help: 'with a terminal, also when input or output is none' },
  'no-tty': { type: 'boolean', help: 'without one' },
};
/** The host may have to pull the image first. */
const START_MS = 11 * 60_000;
const NOTES = [
  'The command is run as it is written, without a shell, after the ENTRYPOINT of the image.',
  'With options of its own it comes after --.',
] as const;

const run: Command = {
  name: 'run',
  usage: 'COMMAND...',
  help: `Run a command in a container of its own. It has the image and config of the live release; its input, output
and exit code are those of this command. ^C ends it, and so does a lost connection.`,
  notes: NOTES,
  examples: [
    'slipway run bash -a hello',
    'slipway run -- ls -la /data',
    'slipway run -e STEP=2 node migrate.js < list.csv',
  ],
  takesCommand: true,
  args: ARGUMENTS,
  options: {
    ...TTY,
    ...LIMITS,
    detach: { type: 'boolean', help: 'print its name and leave it: run:detached' },
  },
  async run(invocation) {
    if (invocation.options.detach) return startDetached(invocation);
    const { command, ...wish } = wishOf(invocation);
    return attach(invocation, 'run', { command, ...wish });
  },
};

const detached: Command = {
  name: 'run:detached',
  usage: 'COMMAND...',
  help: `Run a command like run does, print its name and leave it. It goes on until it ends or run:stop stops it.
What it wrote, and its exit code, can be read for an hour more.`,
  notes: NOTES,
  examples: ['slipway run:detached node import.js', 'slipway run:logs run.482913 -t'],
  takesCommand: true,
  args: ARGUMENTS,
  options: LIMITS,
  run: startDetached,
};

const list: Command = {
  name: 'run:list',
  usage: '',
  help: 'Show one-off commands. Detached ones are shown for an hour after their end.',
  examples: ['slipway run:list -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { runs, silent } = await (await invocation.client()).get<OneOffList>(`/v1/apps/${app}/runs`);
    const rows = runs.map((one) => [
      one.name,
      `v${one.release}`,
      one.exitCode === undefined ? one.state : `${one.state} (${one.exitCode})`,
      one.detached ? 'yes' : 'no',
      one.host,
      one.by,
      shortTime(one.createdAt),
    ]);
    const head = ['NAME', 'RELEASE', 'STATE', 'DETACHED', 'HOST', 'BY', 'STARTED'];
    const none = silent.length === 0 ? [`${app} runs no one-off commands`] : [];
    invocation.output.result(runs, runs.length === 0 ? none : table(head, rows));
    sayUnknown(invocation, silent);
    return EXIT.done;
  },
};

const stop: Command = {
  name: 'run:stop',
  aliases: ['ps:stop-run'],
  usage: 'NAME',
  help: 'Stop a one-off command, and remove its container with what it wrote.',
  examples: ['slipway run:stop run.482913'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const path = `/v1/apps/${app}/runs/${encodeURIComponent(invocation.args[0] ?? '')}/stop`;
    const one = await (await invocation.client()).postSlowly<OneOffView>(path, {}, 90_000);
    const ended = one.exitCode === undefined ? 'stopped' : 'had ended; removed';
    invocation.output.result(one, [`${one.name} ${ended}`]);
    return EXIT.done;
  },
};

const logs: Command = {
  name: 'run:logs',
  usage: 'NAME',
  help: 'Print what a detached command has written.',
  examples: ['slipway run:logs run.482913', 'slipway run:logs run.482913 -t'],
  args: { min: 1, max: 1 },
  options: {
    tail: { type: 'boolean', short: 't', help: 'go on with what comes' },
    num: { type: 'string', short: 'n', help: 'how many lines (100)' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const [name = ''] = invocation.args;
    return printLog(invocation, `/v1/apps/${app}/runs/${encodeURIComponent(name)}/logs`, { app, run: name });
  },
};

const enter: Command = {
  name: 'enter',
  usage: '[PROCESS] [COMMAND...]',
  help: `Run a command in a container that runs. By default it is /bin/sh, and the container web.1. Its exit code is
that of this command. What does not read its input stays after a lost connection: the engine cannot end it.`,
  examples: ['slipway enter', 'slipway enter worker.2 -a hello', 'slipway enter web.1 -- ps -ef'],
  takesCommand: true,
  args: { min: 0, max: 1000 },
  options: TTY,
  async run(invocation) {
    const [process = 'web.1', ...command] = invocation.args;
    const terminal = terminalOf(invocation);
    return attach(invocation, 'enter', {
      process,
      command: command.length === 0 ? ['/bin/sh'] : command,
      ...(terminal === undefined ? {} : { terminal }),
    });
  },
};

const inspect: Command = {
  name: 'ps:inspect',
  usage: '[PROCESS]',
  help: 'Show a running container (web.1). Of its variables only the names are shown.',
  examples: ['slipway ps:inspect', 'slipway ps:inspect worker.1 --json'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const path = `/v1/apps/${app}/ps/${encodeURIComponent(invocation.args[0] ?? 'web.1')}`;
    const view = await (await invocation.client()).get<ContainerView>(path);
    const rows: (readonly [string, string])[] = [
      ['process', `${view.process} of v${view.release} on ${view.host}`],
      ['container', `${view.container.slice(0, 12)} (${view.name})`],
      ['image', view.image],
      ['entrypoint', view.entrypoint.length === 0 ? 'none' : commandText(view.entrypoint)],
      ['command', view.command.length === 0 ? 'none' : commandText(view.command)],
      ['user', view.user || 'root'],
      ['directory', view.directory || '/'],
      ['state', view.health === undefined ? view.state : `${view.state}, ${view.health}`],
      ['started', `${shortTime(view.startedAt)}, ${view.restarts} restarts`],
      ['address', view.address ?? 'none'],
      ['limits', describeResources(view.resources) || 'none'],
      ['volumes', view.volumes.join(', ') || 'none'],
      ['variables', view.variables.join(', ')],
    ];
    invocation.output.result(
      view,
      rows.map(([name, text]) => `${name.padEnd(11)} ${printable(text)}`),
    );
    return EXIT.done;
  },
};

const top: Command = {
  name: 'ps:top',
  usage: '[PROCESS]',
  help: 'Show the operating system processes in a running container (web.1).',
  examples: ['slipway ps:top', 'slipway ps:top worker.1 -a hello'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const path = `/v1/apps/${app}/ps/${encodeURIComponent(invocation.args[0] ?? 'web.1')}/top`;
    const view = await (await invocation.client()).get<TopView>(path);
    invocation.output.result(view, table(view.titles, view.processes));
    return EXIT.done;
  },
};

const stats: Command = {
  name: 'ps:stats',
  usage: '',
  help: 'Show what the containers use. Each is looked at for about a second.',
  examples: ['slipway ps:stats -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { usage, silent } = await (await invocation.client()).get<UsageList>(`/v1/apps/${app}/usage`);
    const rows = usage.map((one) => [
      one.process,
      `v${one.release}`,
      one.host,
      `${(one.memoryBytes / 2 ** 20).toFixed(1)}m`,
      one.memoryLimitBytes === 0 ? '' : formatMemory(one.memoryLimitBytes),
      one.cpus.toFixed(2),
      String(one.processes),
    ]);
    const head = ['PROCESS', 'RELEASE', 'HOST', 'MEMORY', 'OF', 'CPUS', 'PROCESSES'];
    const none = silent.length === 0 ? [`${app} runs nothing`] : [];
    invocation.output.result(usage, usage.length === 0 ? none : table(head, rows));
    sayUnknown(invocation, silent);
    return EXIT.done;
  },
};

async function startDetached(invocation: Invocation): Promise<number> {
  const { terminal: _none, ...wish } = wishOf(invocation);
  const app = await invocation.app();
  const client = await invocation.client();
  const started = await client.postSlowly<OneOffStarted>(`/v1/apps/${app}/runs`, wish, START_MS);
  invocation.output.result(started, [started.name]);
  if (!invocation.output.json)
    invocation.output.note(`runs on ${started.host}; see: slipway run:logs ${started.name} -t -a ${app}`);
  return EXIT.done;
}

async function attach(invocation: Invocation, what: 'run' | 'enter', wish: object): Promise<number> {
  const { output, stdin, signal } = invocation;
  const app = await invocation.app();
  const connection = await (await invocation.client()).connect(`/v1/apps/${app}/${what}`);
  // With --json the result alone is on stdout.
  const { err } = output.streams;
  const streams = output.json ? { out: err, err } : output.streams;
  const exitCode = await beAttached(connection, wish, {
    stdin,
    streams,
    signal,
    hasTerminal: 'terminal' in wish,
    onStarted: ({ name, host }) => {
      if (what === 'run' && !output.json) output.note(`${name} on ${host}`);
    },
  });
  if (output.json) output.result({ exitCode }, []);
  return exitCode;
}

function wishOf(invocation: Invocation): OneOffWish {
  const { memory, cpus } = invocation.options;
  const terminal = terminalOf(invocation);
  const env = (invocation.lists.env ?? []).map((pair): [string, string] => {
    const at = pair.indexOf('=');
    // Its value may be a secret.
    if (at <= 0)
      throw new UsageError(
        '-e must be NAME=VALUE',
        'options of the command itself come after --: slipway run -- COMMAND -e …',
      );
    return [checkConfigName(pair.slice(0, at)), pair.slice(at + 1)];
  });
  return {
    command: invocation.args,
    ...(env.length === 0 ? {} : { env: Object.fromEntries(env) }),
    ...(memory === undefined && cpus === undefined
      ? {}
      : {
          limits: {
            ...(typeof memory === 'string' ? { memory } : {}),
            ...(typeof cpus === 'string' ? { cpus } : {}),
          },
        }),
    ...(terminal === undefined ? {} : { terminal }),
  };
}

/** Where both ends are one here, the command gets one too. */
function terminalOf({ options, stdin, output }: Invocation): OneOffWish['terminal'] {
  const out = output.streams.out as NodeJS.WritableStream & { isTTY?: boolean };
  const isWanted = options.tty === true || (stdin.isTTY === true && out.isTTY === true);
  return isWanted && options['no-tty'] !== true ? terminalSize(out) : undefined;
}

function sayUnknown({ output }: Invocation, silent: OneOffList['silent']): void {
  for (const { host, reason } of silent) output.problem([`what runs on ${host} is not known: ${reason}`]);
}

export const oneOffCommands: readonly Command[] = [
  run,
  detached,
  list,
  logs,
  stop,
  enter,
  inspect,
  top,
  stats,
];

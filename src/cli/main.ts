/** The command line: finds the command, reads its options, runs it, and turns every error into a message and an exit code. */
import { parseArgs } from 'node:util';
import { describeError, type ErrorCode, toSlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import { ApiClient } from './client.js';
import { appCommands } from './commands/apps.js';
import { localBuildCommands } from './commands/build.js';
import { buildCommands } from './commands/builds.js';
import { checkCommands } from './commands/checks.js';
import { completionCommands } from './commands/completion.js';
import { configCommands } from './commands/config.js';
import { cronCommands } from './commands/cron.js';
import { deployCommands } from './commands/deploys.js';
import { domainCommands } from './commands/domains.js';
import { eventCommands } from './commands/events.js';
import { formationCommands } from './commands/formation.js';
import { hostCommands } from './commands/hosts.js';
import { imageCommands } from './commands/images.js';
import { gitCommands, loginCommands } from './commands/login.js';
import { notificationCommands } from './commands/notifications.js';
import { oneOffCommands } from './commands/one-offs.js';
import { peopleCommands } from './commands/people.js';
import { releaseCommands } from './commands/releases.js';
import { restoreCommands } from './commands/restore.js';
import { retentionCommands } from './commands/retention.js';
import { runtimeCommands } from './commands/runtime.js';
import { sourceCommands } from './commands/source.js';
import { strategyCommands } from './commands/strategy.js';
import { tokenCommands } from './commands/tokens.js';
import { volumeCommands } from './commands/volumes.js';
import { webhookCommands } from './commands/webhooks.js';
import { loadCredentials } from './credentials.js';
import { appOfRemote } from './git-remote.js';
import { type CommandGroup, commandHelp, generalHelp, nearest } from './help.js';
import { Output, type OutputStreams } from './output.js';
import { commandReference } from './reference.js';
import {
  type Command,
  EXIT,
  type ExitCode,
  type Input,
  type Invocation,
  type OptionSpec,
  UsageError,
} from './usage.js';

const GROUPS: readonly CommandGroup[] = [
  { title: 'to begin', commands: loginCommands },
  { title: 'here, without a platform', commands: [...localBuildCommands, ...imageCommands] },
  { title: 'apps', commands: [...appCommands, ...sourceCommands] },
  { title: 'deploys without a push', commands: [...deployCommands, ...webhookCommands] },
  { title: 'notifications', commands: notificationCommands },
  { title: 'builds', commands: buildCommands },
  { title: 'releases', commands: releaseCommands },
  { title: 'what is kept', commands: retentionCommands },
  { title: 'config', commands: configCommands },
  { title: 'domains', commands: domainCommands },
  {
    title: 'what runs',
    commands: [...runtimeCommands, ...formationCommands, ...checkCommands, ...strategyCommands],
  },
  { title: 'one-off commands', commands: oneOffCommands },
  { title: 'commands by the clock', commands: cronCommands },
  { title: 'volumes', commands: volumeCommands },
  { title: 'hosts', commands: hostCommands },
  { title: 'people and rights', commands: [...peopleCommands, ...tokenCommands, ...eventCommands] },
  { title: 'the platform itself', commands: restoreCommands },
  {
    title: 'for git and shells',
    commands: [
      ...gitCommands,
      ...completionCommands(
        () => GROUPS,
        (command) => optionsOf(command),
      ),
    ],
  },
];

const COMMANDS: readonly Command[] = GROUPS.flatMap((group) => group.commands);

const APP: OptionSpec = {
  type: 'string',
  short: 'a',
  value: 'APP',
  help: 'the app; else that of the git remote here',
};

/** Every command takes these. */
const COMMON: Readonly<Record<string, OptionSpec>> = {
  json: { type: 'boolean', help: 'print the result as JSON' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
};

/** What the user did wrong, rather than what went wrong. */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set(['bad_request', 'invalid_name', 'invalid_config']);

/** What a command runs in; a test gives its own. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly directory: string;
  readonly stdin: Input;
  readonly streams: OutputStreams;
  readonly signal: AbortSignal;
}

export async function main(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const end = argv.indexOf('--');
  const wantsJson = (end < 0 ? argv : argv.slice(0, end)).includes('--json');
  const output = new Output(wantsJson, surroundings.streams);
  try {
    const found = findCommand(argv);
    if (found === undefined) {
      if (argv[0] === 'help' && argv[1] === '--markdown') {
        output.result({}, commandReference(GROUPS, optionsOf, COMMON));
        return EXIT.done;
      }
      output.result({ commands: COMMANDS.map((command) => command.name) }, generalHelp(GROUPS));
      return argv.length === 0 ? EXIT.usage : EXIT.done;
    }
    const { command, rest } = found;
    const { positionals, values, lists } = readOptions(command, rest);
    if (values.help) {
      output.result(
        { name: command.name, usage: command.usage, help: command.help },
        commandHelp(command, optionsOf(command)),
      );
      return EXIT.done;
    }
    const { onlyHere = false } = command;
    const isHere =
      typeof onlyHere === 'function' ? onlyHere({ args: positionals, options: values }) : onlyHere;
    if (isHere && surroundings.env.SLIPWAY_SSH)
      throw new UsageError(
        `${command.name} works with what is on your machine`,
        `run it there: slipway ${command.name}`,
      );
    if (positionals.length < command.args.min || positionals.length > command.args.max) {
      throw new UsageError(
        `too ${positionals.length < command.args.min ? 'few' : 'many'} arguments; usage: slipway ${command.name} ${command.usage}`.trim(),
        `see: slipway ${command.name} --help`,
      );
    }
    return await command.run(invocation(positionals, values, lists, output, surroundings));
  } catch (thrown) {
    if (!surroundings.signal.aborted) return report(thrown, output);
    output.problem(['interrupted; what was asked for before that may have been done']);
    return EXIT.interrupted;
  }
}

function invocation(
  args: readonly string[],
  options: Invocation['options'],
  lists: Invocation['lists'],
  output: Output,
  { env, directory, stdin, signal }: Surroundings,
): Invocation {
  let client: Promise<ApiClient> | undefined;
  const connect = (): Promise<ApiClient> => {
    client ??= loadCredentials(env).then(({ url, token }) => new ApiClient(url, token, signal));
    return client;
  };
  return {
    args,
    options,
    lists,
    output,
    env,
    directory,
    stdin,
    signal,
    client: connect,
    async app() {
      const named = options.app;
      if (typeof named === 'string') {
        return checkAppName(named);
      }
      const found = await appOfRemote({ directory, env }, (await connect()).url);
      if (found === undefined)
        throw new UsageError(
          'which app?',
          'name it with -a APP, or run this in a repository with its git remote',
        );
      return found;
    },
  };
}

/** `noun:verb` and `noun verb` are the same. Undefined: show what there is. */
function findCommand(argv: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  const [first, second] = argv;
  if (first === undefined || first === 'help' || first.startsWith('-')) {
    if (first === 'help' && second !== undefined && !second.startsWith('-')) {
      const { command } = findCommand(argv.slice(1)) ?? { command: byName(second) };
      return { command, rest: argv.includes('--json') ? ['--help', '--json'] : ['--help'] };
    }
    if (first?.startsWith('-') && !['-h', '--help', '--json'].includes(first))
      throw new UsageError(`unknown option ${first}`, 'the command comes first; see: slipway help');
    return undefined;
  }
  const joined = second === undefined ? undefined : lookUp(`${first}:${second}`);
  if (joined !== undefined && !second?.startsWith('-')) return { command: joined, rest: argv.slice(2) };
  return { command: byName(first), rest: argv.slice(1) };
}

function lookUp(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name || command.aliases?.includes(name));
}

function byName(name: string): Command {
  const found = lookUp(name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    COMMANDS.flatMap((command) => [command.name, ...(command.aliases ?? [])]),
  );
  throw new UsageError(
    `there is no command "${name.slice(0, 40)}"`,
    near === undefined ? 'see: slipway help' : `did you mean: slipway ${near}`,
  );
}

function optionsOf(command: Command): Readonly<Record<string, OptionSpec>> {
  return { ...command.options, ...(command.ofApp === false ? {} : { app: APP }), ...COMMON };
}

function readOptions(
  command: Command,
  args: readonly string[],
): { positionals: readonly string[]; values: Invocation['options']; lists: Invocation['lists'] } {
  const specs = optionsOf(command);
  try {
    const parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(specs).map(([name, { type, short, multiple }]) => [
          name,
          {
            type,
            ...(short === undefined ? {} : { short }),
            ...(multiple === undefined ? {} : { multiple }),
          },
        ]),
      ),
    });
    const values: Record<string, string | boolean | undefined> = {};
    const lists: Record<string, readonly string[]> = {};
    for (const [name, { multiple }] of Object.entries(specs)) {
      const value: unknown = parsed.values[name];
      if (multiple) lists[name] = Array.isArray(value) ? value.map(String) : [];
      else if (typeof value === 'string' || typeof value === 'boolean') values[name] = value;
    }
    return { positionals: parsed.positionals, values, lists };
  } catch (error) {
    // The first sentence says it; the rest is about `--`.
    const message = (error as Error).message.split(/\.?\s*\n|\. /)[0] ?? 'the options are not valid';
    const unknown = /^Unknown option '--?([^']+)'/.exec(message)?.[1];
    const near = unknown === undefined ? undefined : nearest(unknown, Object.keys(specs));
    throw new UsageError(
      `${message.charAt(0).toLowerCase()}${message.slice(1)}`,
      command.takesCommand
        ? `options of the command itself come after --: slipway ${command.name} -- COMMAND --its-option`
        : `${near === undefined ? '' : `did you mean --${near}? `}see: slipway ${command.name} --help`,
    );
  }
}

function report(thrown: unknown, output: Output): ExitCode {
  if (thrown instanceof UsageError) {
    output.problem(thrown.hint === undefined ? [thrown.message] : [thrown.message, thrown.hint]);
    return EXIT.usage;
  }
  const error = toSlipwayError(thrown);
  output.problem(describeError(error));
  if (error.code === 'locked') return EXIT.locked;
  return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failed;
}

/** Started by bin/slipway. ^C ends what waits, and the command says what goes on without it. */
export async function runAsProgram(): Promise<void> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => {
    interrupted.abort();
    process.once('SIGINT', () => process.exit(EXIT.interrupted));
  });
  // A reader such as `head` that has enough closes the pipe.
  process.stdout.on('error', () => process.exit(EXIT.done));
  process.exitCode = await main(process.argv.slice(2), {
    env: process.env,
    directory: process.cwd(),
    stdin: process.stdin,
    streams: { out: process.stdout, err: process.stderr },
    signal: interrupted.signal,
  });
}

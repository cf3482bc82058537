/** Config vars. */
import type { BuildView } from '../../api/views.js';
import { checkConfigName } from '../../model/app.js';
import { type Command, EXIT, type ExitCode, type Invocation, UsageError } from '../usage.js';
import { followUnlessDetached } from './builds.js';

async function readConfig(invocation: Invocation): Promise<Record<string, string>> {
  const app = await invocation.app();
  return (await (await invocation.client()).get<{ config: Record<string, string> }>(`/v1/apps/${app}/config`))
    .config;
}

const config: Command = {
  name: 'config',
  aliases: ['config:show'],
  usage: '',
  help: 'Show the config vars of an app with their values.',
  examples: ['slipway config -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const vars = await readConfig(invocation);
    // A value of several lines, or with what a terminal obeys, is shown as JSON writes it; config:get prints it as it is.
    const lines = Object.entries(vars).map(
      ([name, value]) => `${name}=${/\p{Cc}/u.test(value) ? JSON.stringify(value) : value}`,
    );
    invocation.output.result(vars, lines.length === 0 ? ['no config vars'] : lines);
    return EXIT.done;
  },
};

const get: Command = {
  name: 'config:get',
  usage: 'NAME',
  help: 'Print the value of one config var. Exit code 1 when it is not set.',
  examples: ['slipway config:get DATABASE_URL'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const [name = ''] = invocation.args;
    const vars = await readConfig(invocation);
    const value = Object.hasOwn(vars, name) ? vars[name] : undefined;
    if (value === undefined) {
      invocation.output.problem([`${name} is not set`, 'see: slipway config']);
      return EXIT.failed;
    }
    invocation.output.result({ [name]: value }, [value]);
    return EXIT.done;
  },
};

async function changeConfig(
  invocation: Invocation,
  changes: Record<string, string | null>,
): Promise<ExitCode> {
  for (const name of Object.keys(changes)) checkConfigName(name);
  const app = await invocation.app();
  const { build, live } = await (await invocation.client()).patch<{ build?: BuildView; live?: boolean }>(
    `/v1/apps/${app}/config`,
    changes,
  );
  if (build !== undefined) return followUnlessDetached(invocation, build);
  invocation.output.result({ app, stored: Object.keys(changes), live: live === true }, [
    live
      ? `nothing to roll out: ${app} runs with these config vars already`
      : `stored; ${app} gets them with its next deploy`,
  ]);
  return EXIT.done;
}

const set: Command = {
  name: 'config:set',
  usage: 'NAME=VALUE...',
  help: 'Set config vars, and roll out a release with them. Before the first deploy they wait for it.',
  examples: ['slipway config:set GREETING=hello LEVEL=debug'],
  args: { min: 1, max: 1000 },
  options: { detach: { type: 'boolean', help: 'do not wait for the rollout' } },
  run(invocation) {
    const pairs = invocation.args.map((pair): [string, string] => {
      const equals = pair.indexOf('=');
      // Not shown whole: it may be a secret that lost its name.
      if (equals < 1)
        throw new UsageError(
          `${JSON.stringify(pair.slice(0, 20))} must be NAME=VALUE`,
          'slipway config:set --help',
        );
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    });
    return changeConfig(invocation, Object.fromEntries(pairs));
  },
};

const unset: Command = {
  name: 'config:unset',
  usage: 'NAME...',
  help: 'Remove config vars, and roll out a release without them.',
  examples: ['slipway config:unset LEVEL'],
  args: { min: 1, max: 1000 },
  options: { detach: { type: 'boolean', help: 'do not wait for the rollout' } },
  run: (invocation) =>
    changeConfig(invocation, Object.fromEntries(invocation.args.map((name) => [name, null]))),
};

export const configCommands: readonly Command[] = [config, get, set, unset];

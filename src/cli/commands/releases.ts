/** Releases, rollback and config vars. */
import type { BuildView, ReleaseView } from '../../api/views.js';
import { checkConfigName } from '../../model/app.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT, type ExitCode, type Invocation, UsageError } from '../usage.js';
import { followBuild } from './builds.js';

const releases: Command = {
  name: 'releases',
  aliases: ['releases:list'],
  usage: '',
  help: 'List the releases of an app, newest first.',
  examples: ['slipway releases -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { releases: list } = await (await invocation.client()).get<{ releases: ReleaseView[] }>(
      `/v1/apps/${app}/releases`,
    );
    const rows = list.map((release) => [
      release.version,
      release.state,
      release.description,
      release.commit.slice(0, 7),
      shortTime(release.createdAt),
      release.createdBy,
      release.reason ?? '',
    ]);
    const head = ['RELEASE', 'STATE', 'WHAT', 'COMMIT', 'MADE', 'BY', 'REASON'];
    invocation.output.result(list, list.length === 0 ? [`${app} has no release yet`] : table(head, rows));
    return EXIT.done;
  },
};

const info: Command = {
  name: 'releases:info',
  usage: 'vN',
  help: 'Show one release.',
  examples: ['slipway releases:info v3'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const release = await (await invocation.client()).get<ReleaseView>(
      `/v1/apps/${app}/releases/${encodeURIComponent(invocation.args[0] ?? '')}`,
    );
    invocation.output.result(release, [
      `release   ${release.version} of ${app}`,
      `state     ${release.state}${release.reason === undefined ? '' : `: ${printable(release.reason)}`}`,
      `what      ${release.description}`,
      `image     ${release.image.repository}@${release.image.digest}`,
      `commit    ${release.commit}`,
      `config    ${release.config.join(', ') || 'none'}`,
      `build     ${release.build}`,
      `made      ${shortTime(release.createdAt)} by ${release.createdBy}`,
    ]);
    return EXIT.done;
  },
};

const rollback: Command = {
  name: 'rollback',
  aliases: ['releases:rollback'],
  usage: '[vN]',
  help: 'Bring an earlier release back: its image and its config, without a build. Without vN: the last good one.',
  examples: ['slipway rollback', 'slipway rollback v12 -a hello'],
  args: { min: 0, max: 1 },
  options: { detach: { type: 'boolean', help: 'do not wait' } },
  async run(invocation) {
    const app = await invocation.app();
    const [release] = invocation.args;
    const build = await (await invocation.client()).post<BuildView>(
      `/v1/apps/${app}/rollback`,
      release === undefined ? {} : { release },
    );
    return followUnlessDetached(invocation, build);
  },
};

async function followUnlessDetached(invocation: Invocation, build: BuildView): Promise<ExitCode> {
  if (!invocation.options.detach) return followBuild(invocation, build);
  invocation.output.result(build, [
    `v${build.release} is being rolled out; follow it with: slipway builds:output ${build.id} -f -a ${build.app}`,
  ]);
  return EXIT.done;
}

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
  help: 'Set config vars. Makes a new release and rolls it out.',
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
  help: 'Remove config vars. Makes a new release and rolls it out.',
  examples: ['slipway config:unset LEVEL'],
  args: { min: 1, max: 1000 },
  options: { detach: { type: 'boolean', help: 'do not wait for the rollout' } },
  run: (invocation) =>
    changeConfig(invocation, Object.fromEntries(invocation.args.map((name) => [name, null]))),
};

export const releaseCommands: readonly Command[] = [releases, info, rollback, config, get, set, unset];

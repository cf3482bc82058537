/** Releases and rollback. */
import type { BuildView, ReleaseView } from '../../api/views.js';
import {
  commandText,
  describeChecks,
  describeDiff,
  describeOne,
  type ReleaseDiff,
} from '../../model/release-diff.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT, UsageError } from '../usage.js';
import { followUnlessDetached } from './builds.js';

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
      [
        release.state,
        release.bad === undefined ? [] : 'bad',
        release.pinnedBy === undefined ? [] : 'pinned',
        release.gone ? 'gone' : [],
      ]
        .flat()
        .join(', '),
      describeRelease(release),
      release.commit.slice(0, 7),
      shortTime(release.createdAt),
      release.createdBy,
      release.bad?.reason ?? release.reason ?? '',
    ]);
    const head = ['RELEASE', 'STATE', 'WHAT', 'COMMIT', 'MADE', 'BY', 'REASON'];
    invocation.output.result(list, list.length === 0 ? [`${app} has no release yet`] : table(head, rows));
    return EXIT.done;
  },
};

/** `deploy 3fa9c1d: Fix the cart` */
function describeRelease({ kind, description, message }: ReleaseView): string {
  return kind === 'deploy' && message !== undefined ? `${description}: ${message}` : description;
}

const info: Command = {
  name: 'releases:info',
  usage: 'vN',
  help: 'Show one release: all that it runs, and how it ended. Of config vars only the names.',
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
      ...(release.bad === undefined
        ? []
        : [`bad       ${printable(release.bad.reason)} (${release.bad.by}, ${shortTime(release.bad.at)})`]),
      `what      ${printable(describeRelease(release))}`,
      `image     ${release.image.repository}@${release.image.digest}`,
      `commit    ${release.commit}${release.author === undefined ? '' : ` by ${printable(release.author)}`}`,
      ...release.processes.map((process) => `process   ${process.type}: ${printable(describeOne(process))}`),
      ...release.processes
        .filter(({ checks }) => checks !== undefined)
        .map((process) => `checks    ${process.type}: ${printable(describeChecks(process))}`),
      ...(release.releasePhase === undefined
        ? []
        : [`phase     ${printable(commandText(release.releasePhase))}`]),
      `hosts     ${release.hosts.join(', ')}`,
      `config    ${release.config.join(', ') || 'none'}`,
      `build     ${release.build}`,
      `made      ${shortTime(release.createdAt)} by ${release.createdBy}`,
    ]);
    return EXIT.done;
  },
};

const diff: Command = {
  name: 'releases:diff',
  usage: 'vN [vM]',
  help: `Show what a release changed against the one before it, failed or not. That is image, commits,
names of config vars (never values), processes, scale, limits, checks and hosts. With two releases: what the second
has otherwise than the first.`,
  examples: ['slipway releases:diff v7', 'slipway releases:diff v3 v7 -a hello'],
  args: { min: 1, max: 2 },
  async run(invocation) {
    const app = await invocation.app();
    const [first = '', second] = invocation.args;
    const path = `/v1/apps/${app}/releases/${encodeURIComponent(second ?? first)}/diff`;
    const found = await (await invocation.client()).get<ReleaseDiff>(
      second === undefined ? path : `${path}?from=${encodeURIComponent(first)}`,
    );
    invocation.output.result(found, [
      `${app}: ${found.from} → ${found.to}`,
      ...describeDiff(found).map(printable),
    ]);
    return EXIT.done;
  },
};

const markBad: Command = {
  name: 'releases:mark-bad',
  usage: 'vN "WHY"',
  help: 'Mark a release as bad. Rollback does not go there, unless with --force. What runs stays as it is.',
  examples: ['slipway releases:mark-bad v12 "loses orders"'],
  args: { min: 2, max: 2 },
  async run(invocation) {
    const app = await invocation.app();
    const [release = '', reason = ''] = invocation.args;
    if (reason.trim() === '')
      throw new UsageError('a reason is missing', 'slipway releases:mark-bad v12 "why"');
    const marked = await (await invocation.client()).put<ReleaseView>(
      `/v1/apps/${app}/releases/${encodeURIComponent(release)}/bad`,
      { reason },
    );
    invocation.output.result(marked, [
      `${marked.version} of ${app} is marked bad`,
      ...(marked.state === 'live' ? [`it is live; to leave it: slipway rollback -a ${app}`] : []),
    ]);
    return EXIT.done;
  },
};

const markGood: Command = {
  name: 'releases:mark-good',
  usage: 'vN',
  help: 'Take the mark of a bad release back.',
  examples: ['slipway releases:mark-good v12'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const [release = ''] = invocation.args;
    const marked = await (await invocation.client()).delete<ReleaseView>(
      `/v1/apps/${app}/releases/${encodeURIComponent(release)}/bad`,
    );
    invocation.output.result(marked, [`${marked.version} of ${app} is not marked bad`]);
    return EXIT.done;
  },
};

const rollback: Command = {
  name: 'rollback',
  aliases: ['releases:rollback'],
  usage: '[vN]',
  help: `Bring an earlier release back, without a build. It gets its image, config, scale and limits. Without vN:
the last good one; of only the code or the config, the last good one with another. Pushes that are not built
yet end as superseded: they would bring back what is rolled back.`,
  examples: ['slipway rollback', 'slipway rollback v12 -a hello', 'slipway rollback v12 --code-only'],
  args: { min: 0, max: 1 },
  options: {
    'code-only': { type: 'boolean', help: "its image and commands, with today's config, scale and limits" },
    'config-only': { type: 'boolean', help: "its config, with today's code" },
    force: { type: 'boolean', help: 'also to a release that is marked bad, and of a locked app' },
    detach: { type: 'boolean', help: 'do not wait for the rollout' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const [release] = invocation.args;
    const { 'code-only': code, 'config-only': config, force } = invocation.options;
    if (code && config)
      throw new UsageError(
        '--code-only and --config-only exclude each other',
        'without either, both are brought back',
      );
    const only = code ? 'code' : config ? 'config' : undefined;
    const build = await (await invocation.client()).post<BuildView>(`/v1/apps/${app}/rollback`, {
      ...(release === undefined ? {} : { release }),
      ...(only === undefined ? {} : { only }),
      ...(force ? { force: true } : {}),
    });
    return followUnlessDetached(invocation, build);
  },
};

export const releaseCommands: readonly Command[] = [releases, info, diff, markBad, markGood, rollback];

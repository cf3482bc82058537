/** Releases and rollback. */
import type { BuildView, ReleaseView } from '../../api/views.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT } from '../usage.js';
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
      [release.state, release.pinnedBy === undefined ? [] : 'pinned', release.gone ? 'gone' : []]
        .flat()
        .join(', '),
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
  help: 'Show one release: its image, commit, the names of its config vars, and how it ended.',
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
  help: `Bring an earlier release back, with its image and its config, without a build. Without vN: the last good one.
Pushes that are not built yet end as superseded: they would bring back what is rolled back.`,
  examples: ['slipway rollback', 'slipway rollback v12 -a hello'],
  args: { min: 0, max: 1 },
  options: { detach: { type: 'boolean', help: 'do not wait for the rollout' } },
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

export const releaseCommands: readonly Command[] = [releases, info, rollback];

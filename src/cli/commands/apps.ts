/** Apps: create, list, info, destroy. */
import { join } from 'node:path';
import type { AppView } from '../../api/views.js';
import { projectRoot } from '../../root.js';
import { addRemote } from '../git-remote.js';
import { printable, shortTime, table } from '../output.js';
import { type Command, EXIT, UsageError } from '../usage.js';
import { SOURCE_OPTIONS, sourceOf } from './source.js';

const LAUNCHER = join(projectRoot(), 'bin/slipway');
const CREDENTIAL_HELPER = join(projectRoot(), 'native/build/git-credential');

const create: Command = {
  name: 'apps:create',
  usage: 'NAME',
  help: 'Create an app, and add the git remote `slipway` to the repository here.',
  examples: ['slipway apps:create hello', 'slipway apps:create backend --repo shop --path services/api'],
  ofApp: false,
  args: { min: 1, max: 1 },
  options: {
    'no-remote': { type: 'boolean', help: 'leave the git repository here as it is' },
    ...SOURCE_OPTIONS,
  },
  async run(invocation) {
    const client = await invocation.client();
    const app = await client.post<AppView>('/v1/apps', { name: invocation.args[0] });
    const source = sourceOf(invocation);
    if (source !== undefined) await client.put(`/v1/apps/${app.name}/source`, source);
    const { repo } = invocation.options;
    const added =
      repo === undefined &&
      !invocation.options['no-remote'] &&
      (await addRemote(invocation, app.gitUrl, client.url, LAUNCHER, CREDENTIAL_HELPER));
    invocation.output.result(app, [
      `Created ${app.name}`,
      `  address   ${app.url}`,
      `  git       ${app.gitUrl}`,
      repo !== undefined
        ? `  pushes to ${repo} deploy it`
        : added
          ? `  the git remote "slipway" is set; deploy with: git push slipway HEAD:${app.deployBranch}`
          : `  deploy with: git push ${app.gitUrl} HEAD:${app.deployBranch}`,
    ]);
    return EXIT.done;
  },
};

const list: Command = {
  name: 'apps:list',
  aliases: ['apps'],
  usage: '',
  help: 'List the apps that you may use.',
  examples: ['slipway apps:list', 'slipway apps --json'],
  ofApp: false,
  args: { min: 0, max: 0 },
  async run(invocation) {
    const { apps } = await (await invocation.client()).get<{ apps: AppView[] }>('/v1/apps');
    const rows = apps.map((app) => [app.name, app.release?.version ?? '-', app.url]);
    invocation.output.result(
      apps,
      apps.length === 0
        ? ['no apps yet; make one with: slipway apps:create NAME']
        : table(['APP', 'LIVE', 'ADDRESS'], rows),
    );
    return EXIT.done;
  },
};

const info: Command = {
  name: 'apps:info',
  usage: '[APP]',
  help: 'Show one app: its address, where to push, and what is live.',
  examples: ['slipway apps:info -a hello'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const name = invocation.args[0] ?? (await invocation.app());
    const app = await (await invocation.client()).get<AppView>(`/v1/apps/${encodeURIComponent(name)}`);
    invocation.output.result(app, [
      `app       ${app.name}`,
      `address   ${app.url}`,
      `git       ${app.gitUrl}`,
      ...(app.review === undefined ? [] : [`review    ${app.review.branch} of ${app.review.of}`]),
      `branch    ${app.deployBranch}`,
      `live      ${app.release === undefined ? 'nothing yet' : `${app.release.version}, ${app.release.description}`}`,
      ...(app.release === undefined
        ? []
        : [`image     ${app.release.image.repository}@${app.release.image.digest}`]),
      ...(app.lock === undefined
        ? []
        : [`locked    ${printable(app.lock.reason)} (${app.lock.by}, ${shortTime(app.lock.at)})`]),
      `created   ${shortTime(app.createdAt)} by ${app.createdBy}`,
    ]);
    return EXIT.done;
  },
};

const lock: Command = {
  name: 'apps:lock',
  usage: '[APP] --reason WHY',
  help: `Freeze an app. Pushes and all other changes of what runs are refused with the reason, exit code 6. Only a
rollback with --force goes on; what was accepted before ends as it would have.`,
  examples: ['slipway apps:lock -a hello --reason "sale until Monday"'],
  args: { min: 0, max: 1 },
  options: { reason: { type: 'string', value: 'WHY', help: 'what those who are refused are told' } },
  async run(invocation) {
    const { reason } = invocation.options;
    if (typeof reason !== 'string' || reason.trim() === '')
      throw new UsageError('a reason is missing', 'slipway apps:lock --reason "sale until Monday"');
    const name = invocation.args[0] ?? (await invocation.app());
    const app = await (await invocation.client()).put<AppView>(`/v1/apps/${encodeURIComponent(name)}/lock`, {
      reason,
    });
    invocation.output.result(app, [`${name} is locked; to unlock it: slipway apps:unlock -a ${name}`]);
    return EXIT.done;
  },
};

const unlock: Command = {
  name: 'apps:unlock',
  usage: '[APP]',
  help: 'End the freeze of an app.',
  examples: ['slipway apps:unlock -a hello'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const name = invocation.args[0] ?? (await invocation.app());
    const app = await (await invocation.client()).delete<AppView>(
      `/v1/apps/${encodeURIComponent(name)}/lock`,
    );
    invocation.output.result(app, [`${name} is not locked`]);
    return EXIT.done;
  },
};

const destroy: Command = {
  name: 'apps:destroy',
  usage: '[APP] --confirm APP',
  help: 'Destroy an app with its containers, releases and source. This cannot be undone.',
  examples: ['slipway apps:destroy -a hello --confirm hello'],
  args: { min: 0, max: 1 },
  options: { confirm: { type: 'string', help: "the app's name, as a confirmation" } },
  async run(invocation) {
    const name = invocation.args[0] ?? (await invocation.app());
    if (invocation.options.confirm !== name)
      throw new UsageError(
        `destroying ${name} cannot be undone`,
        `confirm it: slipway apps:destroy -a ${name} --confirm ${name}`,
      );
    const done = await (await invocation.client()).delete(
      `/v1/apps/${encodeURIComponent(name)}?confirm=${encodeURIComponent(name)}`,
    );
    invocation.output.result(done, [`destroyed ${name}`]);
    return EXIT.done;
  },
};

export const appCommands: readonly Command[] = [create, list, info, lock, unlock, destroy];

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
      ...(app.sshUrl === undefined ? [] : [`  by SSH    ${app.sshUrl}`]),
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
    const apps = await (await invocation.client()).list<AppView>('/v1/apps', 'apps');
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
      ...(app.sshUrl === undefined ? [] : [`by SSH    ${app.sshUrl}`]),
      ...(app.review === undefined ? [] : [`review    ${app.review.branch} of ${app.review.of}`]),
      `branch    ${app.deployBranch}`,
      `live      ${app.release === undefined ? 'nothing yet' : `${app.release.version}, ${app.release.description}`}`,
      ...(app.release === undefined
        ? []
        : [`image     ${app.release.image.repository}@${app.release.image.digest}`]),
      ...(app.lock === undefined
        ? []
        : [`locked    ${printable(app.lock.reason)} (${app.lock.by}, ${shortTime(app.lock.at)})`]),
      ...(app.freezes ?? []).map(
        ({ week, timeZone, reason, by }) => `frozen    ${week} (${timeZone}): ${printable(reason)} (${by})`,
      ),
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

const freeze: Command = {
  name: 'apps:freeze',
  usage: 'WEEK --reason WHY',
  help: `Refuse pushes in a time of each week. Who pushes is told the reason and the end, with exit code 6.
Changes of config and scale, restarts and rollbacks go on. An admin of the app may push all the same:
git push -o force.`,
  examples: ['slipway apps:freeze "Fri 16:00-Mon 08:00" --tz Europe/Berlin --reason weekend -a hello'],
  args: { min: 1, max: 4 },
  options: {
    reason: { type: 'string', value: 'WHY', help: 'what those who are refused are told' },
    tz: { type: 'string', value: 'ZONE', help: 'time zone, such as Europe/Berlin; UTC without it' },
  },
  async run(invocation) {
    const { reason, tz } = invocation.options;
    if (typeof reason !== 'string' || reason.trim() === '')
      throw new UsageError(
        'a reason is missing',
        'slipway apps:freeze "Fri 16:00-Mon 08:00" --reason "nobody is here"',
      );
    const name = await invocation.app();
    const week = invocation.args.join(' ');
    const app = await (await invocation.client()).post<AppView>(`/v1/apps/${name}/freezes`, {
      week,
      reason,
      ...(typeof tz === 'string' ? { timeZone: tz } : {}),
    });
    invocation.output.result(app, [
      `${name} is frozen ${week} (${tz ?? 'UTC'}); to end it: slipway apps:unfreeze -a ${name}`,
    ]);
    return EXIT.done;
  },
};

const unfreeze: Command = {
  name: 'apps:unfreeze',
  usage: '[APP]',
  help: 'Remove all freezes of an app.',
  examples: ['slipway apps:unfreeze -a hello'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const name = invocation.args[0] ?? (await invocation.app());
    const path = `/v1/apps/${encodeURIComponent(name)}/freezes`;
    invocation.output.result(await (await invocation.client()).delete<AppView>(path), [
      `${name} has no freezes`,
    ]);
    return EXIT.done;
  },
};
interface Destroyed {
  readonly volumesLeft?: readonly {
    readonly name: string;
    readonly host: string;
    readonly content: string;
  }[];
}

const destroy: Command = {
  name: 'apps:destroy',
  usage: '[APP] --confirm APP',
  help: `Destroy an app with its containers, releases and source. This cannot be undone. What is in its volumes stays
on its host unless --volumes is given: a later app of that name does not see it.`,
  examples: ['slipway apps:destroy -a hello --confirm hello'],
  args: { min: 0, max: 1 },
  options: {
    confirm: { type: 'string', help: "the app's name, as a confirmation" },
    volumes: { type: 'boolean', help: 'with all that is in its volumes' },
  },
  async run(invocation) {
    const name = invocation.args[0] ?? (await invocation.app());
    if (invocation.options.confirm !== name)
      throw new UsageError(
        `destroying ${name} cannot be undone`,
        `confirm it: slipway apps:destroy -a ${name} --confirm ${name}`,
      );
    const volumes = invocation.options.volumes ? '&volumes=remove' : '';
    const done = await (await invocation.client()).delete<Destroyed>(
      `/v1/apps/${encodeURIComponent(name)}?confirm=${encodeURIComponent(name)}${volumes}`,
    );
    invocation.output.result(done, [
      `destroyed ${name}`,
      ...(done.volumesLeft ?? []).map(
        (left) =>
          `its volume ${left.name} stays on ${left.host}: docker volume ls --filter label=slipway.content=${left.content}`,
      ),
    ]);
    return EXIT.done;
  },
};

export const appCommands: readonly Command[] = [create, list, info, lock, unlock, freeze, unfreeze, destroy];

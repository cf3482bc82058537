/** Deploys without a push, and tokens for repositories elsewhere. */
import type { BuildView } from '../../api/views.js';
import { readInput } from '../input.js';
import { type Command, EXIT, type Invocation, type OptionSpec, UsageError } from '../usage.js';
import { followUnlessDetached } from './builds.js';

const OPTIONS = {
  'no-cache': { type: 'boolean', help: 'build every step anew' },
  'build-only': { type: 'boolean', help: 'build the image and release nothing' },
  detach: { type: 'boolean', help: 'do not wait for the build' },
} satisfies Record<string, OptionSpec>;

function howOf({ options }: Invocation): object {
  return {
    ...(options['no-cache'] ? { noCache: true } : {}),
    ...(options['build-only'] ? { buildOnly: true } : {}),
  };
}

const deploy: Command = {
  name: 'deploy',
  usage: '[COMMIT|BRANCH]',
  help: `Deploy a commit that the app's repository has, without a push. That is a branch, or a commit by at least 7
digits of its id. Without one: what is live, built again. An older commit than the live one is deployed as well;
with its image and config of then, and without a build, that is a rollback.`,
  examples: ['slipway deploy 3fa9c1d', 'slipway deploy --no-cache -a hello'],
  args: { min: 0, max: 1 },
  options: OPTIONS,
  async run(invocation) {
    const app = await invocation.app();
    const [commit] = invocation.args;
    const build = await (await invocation.client()).post<BuildView>(`/v1/apps/${app}/deploy`, {
      ...(commit === undefined ? {} : { commit }),
      ...howOf(invocation),
    });
    return followUnlessDetached(invocation, build);
  },
};

const sync: Command = {
  name: 'git:sync',
  usage: 'URL',
  help: `Fetch a branch of a repository elsewhere and deploy it, once. For every push there: slipway webhooks:add.
A repository that is not public needs a token: slipway git:auth.`,
  examples: [
    'slipway git:sync https://github.com/acme/shop.git',
    'slipway git:sync https://github.com/acme/shop.git --ref v1.4 -a shop',
  ],
  args: { min: 1, max: 1 },
  options: {
    ref: { type: 'string', value: 'REF', help: 'a branch, tag or whole commit id; else its main branch' },
    ...OPTIONS,
  },
  async run(invocation) {
    const app = await invocation.app();
    const { ref } = invocation.options;
    const build = await (await invocation.client()).post<BuildView>(`/v1/apps/${app}/sync`, {
      url: invocation.args[0],
      ...(typeof ref === 'string' ? { ref } : {}),
      ...howOf(invocation),
    });
    return followUnlessDetached(invocation, build);
  },
};

const fromImage: Command = {
  name: 'git:from-image',
  usage: 'IMAGE',
  help: `Deploy a finished image of a registry. Its name is resolved now: the release names the digest, and the image
is copied into the platform's registry. In the app's repository it is a commit with a Dockerfile of one line.`,
  examples: [
    'slipway git:from-image nginx:1.27',
    'slipway git:from-image ghcr.io/acme/shop@sha256:… -a shop',
  ],
  args: { min: 1, max: 1 },
  options: { detach: OPTIONS.detach },
  async run(invocation) {
    const app = await invocation.app();
    const build = await (await invocation.client()).post<BuildView>(`/v1/apps/${app}/from-image`, {
      image: invocation.args[0],
    });
    return followUnlessDetached(invocation, build);
  },
};

const auth: Command = {
  name: 'git:auth',
  usage: '[HOST]',
  help: `Give the app a token for repositories that are not public. It is also for reports to their forge, and is read
from standard input. Without a host: list those that there are tokens for.`,
  examples: [
    'slipway git:auth github.com < token-file',
    'slipway git:auth github.com --remove',
    'slipway git:auth',
  ],
  args: { min: 0, max: 1 },
  options: { remove: { type: 'boolean', help: 'take the token away' } },
  async run(invocation) {
    const app = await invocation.app();
    const client = await invocation.client();
    const [host] = invocation.args;
    const { output, stdin, signal } = invocation;
    if (host === undefined) {
      const found = await client.get<{ hosts: string[] }>(`/v1/apps/${app}/git-access`);
      output.result(found.hosts, found.hosts.length === 0 ? [`${app} has no token`] : found.hosts);
      return EXIT.done;
    }
    const path = `/v1/apps/${app}/git-access/${encodeURIComponent(host)}`;
    if (invocation.options.remove) {
      output.result(await client.delete(path), [`${app} has no token for ${host} any more`]);
      return EXIT.done;
    }
    if (stdin.isTTY) output.note('Paste the token and press Enter:');
    const token = (await readInput(stdin, signal)).trim();
    if (token === '')
      throw new UsageError(
        'no token was given',
        'write it to standard input: slipway git:auth HOST < token-file',
      );
    output.result(await client.put(path, { token }), [`${app} has a token for ${host}`]);
    return EXIT.done;
  },
};

export const deployCommands: readonly Command[] = [deploy, sync, fromImage, auth];

/** Webhooks: a push to a repository elsewhere deploys the app. */
import type { NewWebhookView, ReceivedView, WebhookView } from '../../api/webhooks.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT } from '../usage.js';

const list: Command = {
  name: 'webhooks',
  aliases: ['webhooks:list'],
  usage: '',
  help: 'List the repositories elsewhere whose pushes deploy the app.',
  examples: ['slipway webhooks -a shop'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { webhooks } = await (await invocation.client()).get<{ webhooks: WebhookView[] }>(
      `/v1/apps/${app}/webhooks`,
    );
    const rows = webhooks.map(({ id, forge, repository, branch, reports, url }) => [
      id,
      forge,
      repository,
      branch,
      reports ? 'yes' : 'no',
      url,
    ]);
    const none = `${app} has no webhook; make one with: slipway webhooks:add github URL`;
    const head = ['WEBHOOK', 'FORGE', 'REPOSITORY', 'BRANCH', 'REPORTS', 'URL'];
    invocation.output.result(webhooks, rows.length === 0 ? [none] : table(head, rows));
    return EXIT.done;
  },
};

const add: Command = {
  name: 'webhooks:add',
  usage: 'FORGE URL',
  help: `Deploy whenever a branch at GitHub, GitLab or Gitea is pushed. Prints the address and the secret to enter at
the forge; the secret is shown this once. Forgejo is gitea. A repository that is not public needs a token:
slipway git:auth.`,
  examples: [
    'slipway webhooks:add github https://github.com/acme/shop.git -a shop',
    'slipway webhooks:add gitlab https://gitlab.com/acme/shop.git --branch production --report',
  ],
  args: { min: 2, max: 2 },
  options: {
    branch: {
      type: 'string',
      value: 'BRANCH',
      help: "the branch there that deploys; else the app's deploy branch",
    },
    report: { type: 'boolean', help: 'tell the forge what becomes of each commit; needs a token' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const [forge = '', url] = invocation.args;
    const { branch, report } = invocation.options;
    const made = await (await invocation.client()).post<NewWebhookView>(`/v1/apps/${app}/webhooks`, {
      forge,
      url,
      ...(typeof branch === 'string' ? { branch } : {}),
      ...(report ? { reports: true } : {}),
    });
    const { host } = new URL(made.repository);
    invocation.output.result(made, [
      `pushes to ${made.branch} of ${made.repository} deploy ${app}`,
      `  enter these at ${forge}, as a webhook for push events with content type application/json:`,
      `  url       ${made.url}`,
      `  secret    ${made.secret}`,
      `  to undo: slipway webhooks:remove ${made.id} -a ${app}`,
      ...(report ? [`  for its reports give a token of ${host}: slipway git:auth ${host} -a ${app}`] : []),
    ]);
    return EXIT.done;
  },
};

const remove: Command = {
  name: 'webhooks:remove',
  usage: 'WEBHOOK',
  help: 'Remove a webhook. What runs stays.',
  examples: ['slipway webhooks:remove h1c0ffee -a shop'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const [id = ''] = invocation.args;
    const done = await (await invocation.client()).delete(
      `/v1/apps/${app}/webhooks/${encodeURIComponent(id)}`,
    );
    invocation.output.result(done, [`webhook ${id} is removed`]);
    return EXIT.done;
  },
};

const received: Command = {
  name: 'webhooks:received',
  usage: 'WEBHOOK',
  help: 'Show what came to a webhook last, and what became of it. What was not signed is not among it.',
  examples: ['slipway webhooks:received h1c0ffee -a shop'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const [id = ''] = invocation.args;
    const { received: all } = await (await invocation.client()).get<{ received: ReceivedView[] }>(
      `/v1/apps/${app}/webhooks/${encodeURIComponent(id)}/received`,
    );
    const rows = all.map(({ at, delivery, result }) => [shortTime(at), delivery ?? '', result]);
    invocation.output.result(
      all,
      rows.length === 0 ? ['nothing came yet'] : table(['AT', 'DELIVERY', 'RESULT'], rows),
    );
    return EXIT.done;
  },
};

export const webhookCommands: readonly Command[] = [list, add, remove, received];

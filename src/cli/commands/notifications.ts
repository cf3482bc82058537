/** Notifications: addresses that are told what becomes of an app's deployments. */
import type {
  DeliveryView,
  NewNotificationView,
  NotificationView,
  TestView,
} from '../../api/notifications.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT } from '../usage.js';

const list: Command = {
  name: 'notifications',
  aliases: ['notifications:list'],
  usage: '',
  help: 'List the addresses that are told what becomes of deployments.',
  examples: ['slipway notifications -a shop'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const { notifications } = await (await invocation.client()).get<{ notifications: NotificationView[] }>(
      `/v1/apps/${app}/notifications`,
    );
    const rows = notifications.map(({ id, to, format, events }) => [id, to, format, events.join(', ')]);
    invocation.output.result(
      notifications,
      rows.length === 0
        ? [`${app} tells nobody; add one with: slipway notifications:add URL`]
        : table(['NOTIFICATION', 'TO', 'FORMAT', 'ON'], rows),
    );
    return EXIT.done;
  },
};

const add: Command = {
  name: 'notifications:add',
  usage: 'URL',
  help: `Tell an address what becomes of deployments, by a signed POST. Prints the secret that the messages are signed
with; it is shown this once. Without --on: deploy.live and deploy.failed.`,
  examples: [
    'slipway notifications:add https://hooks.example.com/deploys -a shop',
    'slipway notifications:add https://hooks.slack.com/services/T0/B0/x --format slack --on deploy.failed',
  ],
  args: { min: 1, max: 1 },
  options: {
    on: {
      type: 'string',
      value: 'EVENTS',
      help: 'with commas: deploy.accepted, .live, .built, .failed, .cancelled, .superseded',
    },
    format: { type: 'string', value: 'json|slack', help: 'slack is also for Mattermost and others (json)' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const { on, format } = invocation.options;
    const made = await (await invocation.client()).post<NewNotificationView>(
      `/v1/apps/${app}/notifications`,
      {
        url: invocation.args[0],
        ...(typeof on === 'string' ? { events: on.split(/[\s,]+/).filter((name) => name !== '') } : {}),
        ...(typeof format === 'string' ? { format } : {}),
      },
    );
    invocation.output.result(made, [
      `${made.to} is told of ${made.events.join(', ')}`,
      `  secret    ${made.secret}`,
      `  to try it: slipway notifications:test ${made.id} -a ${app}`,
    ]);
    return EXIT.done;
  },
};

const remove: Command = {
  name: 'notifications:remove',
  usage: 'NOTIFICATION',
  help: 'Tell an address nothing any more. What was still to be sent is dropped.',
  examples: ['slipway notifications:remove n1c0ffee -a shop'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const [id = ''] = invocation.args;
    const done = await (await invocation.client()).delete(
      `/v1/apps/${app}/notifications/${encodeURIComponent(id)}`,
    );
    invocation.output.result(done, [`notification ${id} is removed`]);
    return EXIT.done;
  },
};

const test: Command = {
  name: 'notifications:test',
  usage: 'NOTIFICATION',
  help: 'Send a test, and show what the address answers.',
  examples: ['slipway notifications:test n1c0ffee -a shop'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const [id = ''] = invocation.args;
    const { output } = invocation;
    const answer = await (await invocation.client()).post<TestView>(
      `/v1/apps/${app}/notifications/${encodeURIComponent(id)}/test`,
    );
    const status = answer.status === undefined ? '' : `HTTP ${answer.status} `;
    if (answer.delivered) {
      output.result(answer, [`delivered: ${status}in ${answer.ms} ms`]);
      return EXIT.done;
    }
    output.result(answer, []);
    output.problem([`not delivered: ${status}${answer.error ?? ''}`]);
    return EXIT.failed;
  },
};

const deliveries: Command = {
  name: 'notifications:deliveries',
  usage: '',
  help: 'Show what was sent last, and what is tried again when. That is to notifications and to forges.',
  examples: ['slipway notifications:deliveries -a shop'],
  args: { min: 0, max: 0 },
  options: { limit: { type: 'string', short: 'n', help: 'how many (50)' } },
  async run(invocation) {
    const app = await invocation.app();
    const limit = encodeURIComponent(String(invocation.options.limit ?? 50));
    const { deliveries: all } = await (await invocation.client()).get<{ deliveries: DeliveryView[] }>(
      `/v1/apps/${app}/deliveries?limit=${limit}`,
    );
    const rows = all.map((one) => [
      shortTime(one.at),
      one.target,
      one.event,
      one.deployment ?? '',
      one.state,
      String(one.attempts),
      one.nextAt === undefined ? '' : shortTime(one.nextAt),
      [one.status === undefined ? '' : `HTTP ${one.status}`, one.error ?? ''].filter(Boolean).join(': '),
    ]);
    const head = ['AT', 'TO', 'EVENT', 'BUILD', 'STATE', 'TRIED', 'NEXT', 'ANSWER'];
    invocation.output.result(all, rows.length === 0 ? ['nothing was sent yet'] : table(head, rows));
    return EXIT.done;
  },
};

export const notificationCommands: readonly Command[] = [list, add, remove, test, deliveries];

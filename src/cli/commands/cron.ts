/** Commands that run by the clock, as app.json says: what there is, how it went, and one right now. */
import type { CronEntryView, CronList, CronRunView, CronStarted } from '../../api/cron-views.js';
import { describeSchedule } from '../../model/cron.js';
import { commandText } from '../../model/release-diff.js';
import { shortTime, table } from '../output.js';
import { type Command, EXIT } from '../usage.js';
import { printLog } from './runtime.js';

/** The host may have to pull the image first. */
const START_MS = 11 * 60_000;

const list: Command = {
  name: 'cron',
  aliases: ['cron:list'],
  usage: '',
  help: 'Show the cron entries of the live release, with their last run and their next one. They are in app.json.',
  examples: ['slipway cron -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const app = await invocation.app();
    const found = await (await invocation.client()).get<CronList>(`/v1/apps/${app}/cron`);
    const { entries, stopped } = found;
    const rows = entries.map((entry) => [
      entry.name,
      scheduleText(entry),
      entry.next === undefined ? 'stopped' : shortTime(entry.next),
      entry.last === undefined ? 'never' : `${shortTime(entry.last.beganAt)}: ${outcomeText(entry.last)}`,
      commandText(entry.command),
    ]);
    const head = ['NAME', 'SCHEDULE', 'NEXT', 'LAST', 'COMMAND'];
    const none = [`the live release of ${app} has no cron entries; they are a field of app.json`];
    invocation.output.result(found, entries.length === 0 ? none : table(head, rows));
    if (stopped && entries.length > 0)
      invocation.output.problem([`${app} is stopped: nothing runs until slipway ps:start -a ${app}`]);
    return EXIT.done;
  },
};

const runs: Command = {
  name: 'cron:runs',
  usage: 'NAME',
  help: 'Show the last runs of an entry, those that were missed or skipped too. The last 30 are kept.',
  examples: ['slipway cron:runs nightly'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const path = `${entryPath(app, invocation.args[0])}/runs`;
    const { runs: found } = await (await invocation.client()).get<{ runs: CronRunView[] }>(path);
    const rows = found.map((one) => [
      one.run,
      outcomeText(one),
      one.by ?? 'clock',
      one.release === undefined ? '' : `v${one.release}`,
      one.host ?? '',
      shortTime(one.beganAt),
      shortTime(one.endedAt),
      one.reason ?? '',
    ]);
    const head = ['RUN', 'HOW', 'BY', 'RELEASE', 'HOST', 'BEGAN', 'ENDED', 'REASON'];
    const none = [`${invocation.args[0]} of ${app} has not run yet`];
    invocation.output.result(found, found.length === 0 ? none : table(head, rows));
    return EXIT.done;
  },
};

const runNow: Command = {
  name: 'cron:run',
  usage: 'NAME',
  help: 'Run an entry now, whatever its schedule says. Refused while it runs, unless it may overlap.',
  examples: ['slipway cron:run nightly', 'slipway cron:logs nightly -t'],
  args: { min: 1, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const client = await invocation.client();
    const path = `${entryPath(app, invocation.args[0])}/runs`;
    const started = await client.postSlowly<CronStarted>(path, {}, START_MS);
    invocation.output.result(started, [started.run]);
    if (!invocation.output.json)
      invocation.output.note(
        `runs on ${started.host}; see: slipway cron:logs ${started.entry} -t -a ${app}; to stop it: slipway run:stop ${started.name} -a ${app}`,
      );
    return EXIT.done;
  },
};

const logs: Command = {
  name: 'cron:logs',
  usage: 'NAME [RUN]',
  help: 'Print what the last run of an entry wrote, or another one of cron:runs.',
  examples: ['slipway cron:logs nightly', 'slipway cron:logs nightly 20261130T030000Z'],
  args: { min: 1, max: 2 },
  options: {
    tail: { type: 'boolean', short: 't', help: 'go on with what comes' },
    num: { type: 'string', short: 'n', help: 'how many lines (100)' },
  },
  async run(invocation) {
    const app = await invocation.app();
    const [entry = '', run = 'last'] = invocation.args;
    const path = `${entryPath(app, entry)}/runs/${encodeURIComponent(run)}/logs`;
    return printLog(invocation, path, { app, entry, run });
  },
};

function entryPath(app: string, entry = ''): string {
  return `/v1/apps/${app}/cron/${encodeURIComponent(entry)}`;
}

function scheduleText({ schedule, timeZone }: CronEntryView): string {
  return timeZone === 'UTC' ? schedule : describeSchedule({ schedule, timeZone });
}

function outcomeText({ outcome, exitCode }: CronRunView): string {
  return outcome === 'failed' && exitCode !== undefined ? `failed (${exitCode})` : outcome;
}

export const cronCommands: readonly Command[] = [list, runs, runNow, logs];

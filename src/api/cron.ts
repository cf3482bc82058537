/** An app's cron entries and their runs. What has ended is in the records; the deployer begins runs and knows what they write now. */
import { z } from 'zod';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { isCronName } from '../model/cron.js';
import { isStopped } from '../model/process.js';
import { type CronRun, CronRuns, isRunId } from '../records/cron-runs.js';
import { CronEntries, cronEntryView, cronRunView, Run, RunStarted } from './cron-views.js';
import { tail } from './request.js';
import { Media, type Routes } from './route.js';
import type { ApiTools } from './tools.js';

/** The newest run that began. */
const LAST = 'last';

export function cronRoutes(routes: Routes, tools: ApiTools): void {
  const { ledger, deployer, config } = tools;
  const runs = new CronRuns(config.home);

  routes.add({
    method: 'GET',
    path: '/apps/:app/cron',
    summary: 'What an app runs by the clock, with the next and the last run of each',
    tag: 'Commands',
    access: 'view',
    answers: { 200: CronEntries },
    handle: async ({ params: { app } }) => {
      const { releases, live, formation } = await ledger.read(app);
      const release = releases.find(({ number }) => number === live);
      const stopped = formation.stopped !== undefined || (release !== undefined && isStopped(release));
      const now = { now: Date.now(), isStopped: stopped, timeoutMs: config.limits.cronTimeoutMs };
      const entries = (release?.cron ?? []).map(async (entry) => {
        const [last] = await runs.list(app, entry.name, 1);
        return cronEntryView(entry, last, now);
      });
      return { entries: await Promise.all(entries), stopped };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/cron/:name/runs',
    summary: 'The runs of a cron entry, the newest first',
    tag: 'Commands',
    access: 'view',
    answers: { 200: z.object({ runs: z.array(Run) }) },
    handle: async ({ params: { app, name } }) => ({
      runs: (await runs.list(app, checkEntry(app, name))).map(cronRunView),
    }),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/cron/:name/runs',
    summary: 'Run a cron entry now',
    tag: 'Commands',
    access: 'deploy',
    answers: { 201: RunStarted },
    handle: async ({ who, params: { app, name } }) => deployer.runCron(app, checkEntry(app, name), who.name),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/cron/:name/runs/:run/logs',
    summary: 'The output of a run; `last` is the newest that began',
    tag: 'Commands',
    access: 'view',
    query: tail,
    answers: { 200: new Media('text/plain', 'Lines, and with `follow` those to come') },
    head: false,
    handle: async ({ params: { app, name, run: id }, query: { lines, follow }, reply }) => {
      const entry = checkEntry(app, name);
      reply.type('text/plain; charset=utf-8').header('x-accel-buffering', 'no');
      const run = await findRun(runs, app, entry, id);
      if (run.end === undefined) {
        const output = await deployer
          .logs(app, { lines, follow, run: `cron.${entry}.${run.id}` })
          .catch(async (thrown: unknown) => {
            if (toSlipwayError(thrown).code !== 'not_found') throw thrown;
            return undefined;
          });
        if (output !== undefined) {
          const sent = reply.send(output);
          reply.raw.flushHeaders();
          return sent;
        }
        // It has just begun, or just ended.
      }
      return reply.send(lastLines((await runs.log(app, entry, run.id)) ?? '', lines));
    },
  });
}

async function findRun(runs: CronRuns, app: string, entry: string, id: string): Promise<CronRun> {
  const found =
    id === LAST
      ? (await runs.list(app, entry)).find(({ place }) => place !== undefined)
      : isRunId(id)
        ? await runs.get(app, entry, id)
        : undefined;
  if (found !== undefined) return found;
  const what = id === LAST ? 'has not run yet' : `has no run ${JSON.stringify(id.slice(0, 40))}`;
  throw new SlipwayError('not_found', `${entry} of ${app} ${what}`, {
    hint: `see: slipway cron:runs ${entry} -a ${app}`,
  });
}

function checkEntry(app: string, name: string): string {
  if (isCronName(name)) return name;
  throw new SlipwayError('not_found', `${app} has no cron entry ${JSON.stringify(name.slice(0, 40))}`, {
    hint: `see: slipway cron -a ${app}`,
  });
}

function lastLines(text: string, count: number): string {
  const lines = text.split('\n');
  const isWhole = lines.at(-1) === '';
  return lines.slice(-count - (isWhole ? 1 : 0)).join('\n');
}

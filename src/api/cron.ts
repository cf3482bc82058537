/** An app's cron entries and their runs. What has ended is in the records; the deployer begins runs and knows what they write now. */
import type { FastifyInstance } from 'fastify';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { isCronName } from '../model/cron.js';
import { isStopped } from '../model/process.js';
import { type CronRun, CronRuns, isRunId } from '../records/cron-runs.js';
import { type CronList, cronEntryView, cronRunView } from './cron-views.js';
import { type AppParams, type Query, wholeNumber } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';

interface Named {
  Params: AppParams & { readonly name: string };
}

interface OfRun {
  Params: Named['Params'] & { readonly run: string };
  Querystring: { lines?: Query; follow?: Query };
}

/** The newest run that began. */
const LAST = 'last';

export function cronRoutes(api: FastifyInstance, tools: ApiTools): void {
  const { ledger, deployer, config } = tools;
  const runs = new CronRuns(config.home);

  api.get<{ Params: AppParams }>('/apps/:app/cron', async (request): Promise<CronList> => {
    const app = await requireApp(tools, request, request.params.app);
    const { releases, live, formation } = await ledger.read(app);
    const release = releases.find(({ number }) => number === live);
    const stopped = formation.stopped !== undefined || (release !== undefined && isStopped(release));
    const now = { now: Date.now(), isStopped: stopped, timeoutMs: config.limits.cronTimeoutMs };
    const entries = (release?.cron ?? []).map(async (entry) => {
      const [last] = await runs.list(app, entry.name, 1);
      return cronEntryView(entry, last, now);
    });
    return { entries: await Promise.all(entries), stopped };
  });

  api.get<Named>('/apps/:app/cron/:name/runs', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return { runs: (await runs.list(app, checkEntry(app, request.params.name))).map(cronRunView) };
  });

  api.post<Named>('/apps/:app/cron/:name/runs', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const entry = checkEntry(app, request.params.name);
    return reply.code(201).send(await deployer.runCron(app, entry, identityOf(request).name));
  });

  api.get<OfRun>(
    '/apps/:app/cron/:name/runs/:run/logs',
    { exposeHeadRoute: false },
    async (request, reply) => {
      const app = await requireApp(tools, request, request.params.app);
      const entry = checkEntry(app, request.params.name);
      const lines = wholeNumber(request.query.lines, 'lines', { min: 1, max: 10_000, absent: 100 });
      const follow = wholeNumber(request.query.follow, 'follow', { min: 0, max: 1, absent: 0 }) === 1;
      reply.type('text/plain; charset=utf-8').header('x-accel-buffering', 'no');
      const run = await findRun(runs, app, entry, request.params.run);
      if (run.end === undefined) {
        const name = `cron.${entry}.${run.id}`;
        const output = await deployer
          .logs(app, { lines, follow, run: name })
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
  );
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

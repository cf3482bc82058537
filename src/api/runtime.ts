/** What runs: an app's processes and their output. The deployer knows; this passes it on. */
import type { FastifyInstance } from 'fastify';
import type { AppState } from '../ledger/app-documents.js';
import { isContainerOf } from '../model/release.js';
import type { ProcessView } from './deployer-client.js';
import { type AppParams, type Query, wholeNumber } from './request.js';
import { type ApiTools, requireApp } from './tools.js';

/** A container that the live release adopted serves that one, whatever release started it. */
function servingView(
  view: ProcessView,
  { releases, live }: Pick<AppState, 'releases' | 'live'>,
): ProcessView {
  const serving = releases.find(({ number }) => number === live);
  const [, process = '', number] = /^(.*)\.(\d+)$/.exec(view.process) ?? [];
  const container = { deployment: view.deployment, instance: { process, number: Number(number) } };
  return serving !== undefined && isContainerOf(container, serving)
    ? { ...view, release: serving.number }
    : view;
}

export function runtimeRoutes(api: FastifyInstance, tools: ApiTools): void {
  api.get<{ Params: AppParams }>('/apps/:app/ps', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const [{ processes, silent }, state] = await Promise.all([
      tools.deployer.processes(app),
      tools.ledger.read(app),
    ]);
    return { processes: processes.map((each) => servingView(each, state)), silent };
  });

  api.get<{ Params: AppParams }>('/apps/:app/metrics', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return { metrics: (await tools.deployer.traffic(app)) ?? null };
  });

  // HEAD would follow to say nothing.
  api.get<{ Params: AppParams; Querystring: { lines?: Query; follow?: Query } }>(
    '/apps/:app/logs',
    { exposeHeadRoute: false },
    async (request, reply) => {
      const app = await requireApp(tools, request, request.params.app);
      const lines = wholeNumber(request.query.lines, 'lines', { min: 1, max: 10_000, absent: 100 });
      const follow = wholeNumber(request.query.follow, 'follow', { min: 0, max: 1, absent: 0 }) === 1;
      const output = await tools.deployer.logs(app, { lines, follow });
      const sent = reply.type('text/plain; charset=utf-8').header('x-accel-buffering', 'no').send(output);
      // A silent app is being followed all the same; node would keep the head for the first byte.
      reply.raw.flushHeaders();
      return sent;
    },
  );
}

/** What runs: an app's processes and their output. The deployer knows; this passes it on. */
import { z } from 'zod';
import type { AppState } from '../ledger/app-documents.js';
import { isContainerOf } from '../model/release.js';
import type { ProcessView, RunningView, TrafficView } from './deployer-client.js';
import { count, described, list, maybe, number, part, text, time } from './described.js';
import { silentHosts } from './one-off-views.js';
import { tail } from './request.js';
import { Media, type Routes } from './route.js';
import type { ApiTools } from './tools.js';

const Running: z.ZodType<RunningView> = described<RunningView>('Running', {
  processes: list(
    part<ProcessView>({
      process: text,
      release: count,
      deployment: text,
      state: text,
      health: maybe(text),
      host: text,
      container: text,
      startedAt: maybe(time),
      restarts: count,
    }),
  ),
  silent: silentHosts,
});
const Traffic: z.ZodType<TrafficView> = described<TrafficView>('Traffic', {
  since: time,
  requests: count,
  responses: part<TrafficView['responses']>({
    '1xx': count,
    '2xx': count,
    '3xx': count,
    '4xx': count,
    '5xx': count,
  }),
  bytesIn: count,
  bytesOut: count,
  underWay: count,
  failures: part<TrafficView['failures']>({ connections: count, responses: count, retries: count }),
  averageMs: part<TrafficView['averageMs']>({
    queue: number,
    connect: number,
    response: number,
    total: number,
  }),
});

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

export function runtimeRoutes(routes: Routes, tools: ApiTools): void {
  routes.add({
    method: 'GET',
    path: '/apps/:app/ps',
    summary: 'What runs of an app',
    tag: 'Processes',
    access: 'view',
    answers: { 200: Running },
    handle: async ({ params: { app } }) => {
      const [{ processes, silent }, state] = await Promise.all([
        tools.deployer.processes(app),
        tools.ledger.read(app),
      ]);
      return { processes: processes.map((each) => servingView(each, state)), silent };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/metrics',
    summary: 'What the edge counted of the traffic of an app',
    tag: 'Processes',
    access: 'view',
    answers: { 200: z.object({ metrics: Traffic.nullable() }) },
    handle: async ({ params: { app } }) => ({ metrics: (await tools.deployer.traffic(app)) ?? null }),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/logs',
    summary: 'The output of an app',
    tag: 'Processes',
    access: 'view',
    query: tail,
    answers: { 200: new Media('text/plain', 'Lines, and with `follow` those to come') },
    head: false,
    handle: async ({ params: { app }, query, reply }) => {
      const output = await tools.deployer.logs(app, query);
      const sent = reply.type('text/plain; charset=utf-8').header('x-accel-buffering', 'no').send(output);
      // A silent app is being followed all the same; node would keep the head for the first byte.
      reply.raw.flushHeaders();
      return sent;
    },
  });
}

/** What runs: an app's processes and their output. The deployer knows; this passes it on. */
import type { FastifyInstance } from 'fastify';
import { type AppParams, type Query, wholeNumber } from './request.js';
import { type ApiTools, requireApp } from './tools.js';

export function runtimeRoutes(api: FastifyInstance, tools: ApiTools): void {
  api.get<{ Params: AppParams }>('/apps/:app/ps', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return { processes: await tools.deployer.processes(app) };
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

/** What runs: an app's processes and their output. The deployer knows; this passes it on. */
import type { FastifyInstance } from 'fastify';
import { type AppParams, wholeNumber } from './request.js';
import { type ApiTools, requireApp } from './tools.js';

export function runtimeRoutes(api: FastifyInstance, tools: ApiTools): void {
  api.get<{ Params: AppParams }>('/apps/:app/ps', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return { processes: await tools.deployer.processes(app) };
  });

  api.get<{ Params: AppParams; Querystring: { lines?: string; follow?: string } }>(
    '/apps/:app/logs',
    async (request, reply) => {
      const app = await requireApp(tools, request, request.params.app);
      const lines = wholeNumber(request.query.lines, 'lines', { min: 1, max: 10_000, absent: 100 });
      const output = await tools.deployer.logs(app, { lines, follow: request.query.follow === '1' });
      request.raw.once('close', () => output.destroy());
      return reply.type('text/plain; charset=utf-8').send(output);
    },
  );
}

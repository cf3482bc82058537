/** What the web process asks to be run now, whatever its schedule says. The other side is src/api/deployer-client.ts. */
import type { FastifyInstance } from 'fastify';
import { checkAppName } from '../../src/model/app.js';
import type { CronClock } from './clock.js';

interface Asked {
  Params: { app: string; name: string };
  Body: { who: string };
}

export function cronRoutes(server: FastifyInstance, cron: Pick<CronClock, 'runNow'>): void {
  server.post<Asked>('/apps/:app/cron/:name/runs', async ({ params, body }) =>
    cron.runNow(checkAppName(params.app), params.name, body.who),
  );
}

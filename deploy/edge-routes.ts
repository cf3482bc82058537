/** What the web process asks of the edge, on the deployer's unix socket (serve.ts). */
import type { FastifyInstance } from 'fastify';
import type { TrafficView } from '../src/api/deployer-client.js';
import { checkAppName } from '../src/model/app.js';

export interface EdgeQuestions {
  /** Has the edge do what an app's ledger says; what could not be done. */
  readonly route: (app: string) => Promise<readonly string[]>;
  /** What the edge counted for an app. */
  readonly traffic: (app: string) => Promise<TrafficView | undefined>;
}

export function edgeRoutes(server: FastifyInstance, { route, traffic }: EdgeQuestions): void {
  server.post<{ Params: { app: string } }>('/apps/:app/route', async (request) => ({
    problems: await route(checkAppName(request.params.app)),
  }));
  server.get<{ Params: { app: string } }>('/apps/:app/traffic', async (request) => ({
    traffic: (await traffic(checkAppName(request.params.app))) ?? null,
  }));
}

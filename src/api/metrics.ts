/** /metrics: for Prometheus with a token of its own, which opens nothing else (`SLIPWAY_METRICS_TOKEN`), and for administrators. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics/metrics.js';
import { type ApiTools, authenticate, authorize, identityOf } from './tools.js';

/** Every request of the server, by its route. */
export function countRequests(server: FastifyInstance, metrics: Metrics): void {
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.requests.inc({ method: request.method, route, status: String(reply.statusCode) });
    metrics.requestSeconds.observe(reply.elapsedTime / 1000);
  });
}

export function metricsRoute(
  server: FastifyInstance,
  metrics: Metrics,
  { config, platform, ledger }: Pick<ApiTools, 'config' | 'platform' | 'ledger'>,
): void {
  server.get('/metrics', async (request, reply) => {
    if (!isToken(config.metricsToken, request.headers.authorization)) {
      await authenticate(platform, request);
      await authorize(ledger, identityOf(request), 'platform', undefined);
    }
    const { type, text } = await metrics.page();
    return reply.type(type).header('cache-control', 'no-store').send(text);
  });
}

function isToken(token: string | undefined, authorization = ''): boolean {
  return token !== undefined && timingSafeEqual(hash(`Bearer ${token}`), hash(authorization));
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * The web process's HTTP server: health, the API below /v1, git below /git, forges' messages below /hooks, and the page. Every error
 * leaves as problem details that say what to do.
 */
import { randomUUID } from 'node:crypto';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyPluginCallback,
  fastify,
  LogController,
} from 'fastify';
import { appRoutes } from './api/apps.js';
import { limitBodyTime } from './api/body-deadline.js';
import { buildRoutes } from './api/builds.js';
import { cronRoutes } from './api/cron.js';
import { deployRoutes } from './api/deploys.js';
import { documentPage, documentRoute, lazyDocument } from './api/docs.js';
import { domainRoutes } from './api/domains.js';
import { answerBrokenRequest, sendError, translate } from './api/errors.js';
import { eventRoutes } from './api/events.js';
import { formationRoutes } from './api/formation.js';
import { healthRoutes, partsOf } from './api/health.js';
import { hostRoutes } from './api/hosts.js';
import { incomingRoutes } from './api/incoming.js';
import { letGoOfRevoked } from './api/let-go.js';
import { countRequests, metricsRoute } from './api/metrics.js';
import { notificationRoutes } from './api/notifications.js';
import { oneOffRoutes } from './api/one-offs.js';
import type { FollowTimes } from './api/output-stream.js';
import { overviewRoutes } from './api/overview.js';
import { peopleRoutes } from './api/people.js';
import { rateLimits } from './api/rate-limits.js';
import { releaseRoutes } from './api/releases.js';
import { retentionRoutes } from './api/retention.js';
import { type RouteDescription, Routes } from './api/route.js';
import { runtimeRoutes } from './api/runtime.js';
import { sessionRoutes } from './api/session.js';
import { takeSession } from './api/session-cookie.js';
import { sourceRoutes } from './api/source.js';
import { strategyRoutes } from './api/strategy.js';
import { tokenRoutes } from './api/tokens.js';
import type { ApiTools } from './api/tools.js';
import { varRoutes } from './api/vars.js';
import { volumeRoutes } from './api/volumes.js';
import { webhookRoutes } from './api/webhooks.js';
import { SlipwayError } from './errors.js';
import type { Logger } from './log.js';
import { Metrics } from './metrics/metrics.js';
import { type Page, pageRoutes } from './page.js';
import { Turns } from './turns.js';
import { acceptUpgrades } from './upgrades.js';
import { IncomingWebhooks } from './webhooks/incoming.js';

/** How long the server waits for what, in ms. */
export interface ServerTimes extends FollowTimes {
  /** For the whole body of an API request. Its head has node's 60 s. */
  readonly bodyMs: number;
  /** How often it is looked whether who is still here may be. */
  readonly revokedMs: number;
}

const TIMES: ServerTimes = { bodyMs: 60_000, revokedMs: 2_000, pingMs: 15_000, stallMs: 60_000 };
const KEEP_ALIVE_MS = 60_000;

/** `git` is the plugin of src/git that receives pushes; it answers git's own paths and formats. Without `page` there is only the API. */
export function buildServer(
  tools: ApiTools,
  git: FastifyPluginCallback,
  log: Logger,
  times: ServerTimes = TIMES,
  page?: Page,
): FastifyInstance {
  const { apiBodyBytes } = tools.config.limits;
  const server = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: apiBodyBytes,
    // An error tells it, and the log has it.
    genReqId: () => randomUUID(),
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: 200 },
    // A URL that cannot be decoded: fastify would answer it in its own format.
    frameworkErrors: (error, _request, reply) => void sendError(reply, translate(error, apiBodyBytes)),
    clientErrorHandler: answerBrokenRequest,
  });
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const translated = translate(error, apiBodyBytes);
    if (translated.code === 'internal')
      request.log.error({ err: error, url: request.url }, 'a request failed');
    return sendError(reply, translated);
  });
  server.setNotFoundHandler((request, reply) =>
    sendError(
      reply,
      new SlipwayError(
        'not_found',
        `there is nothing at ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}`,
      ),
    ),
  );
  acceptUpgrades(server);
  const table: RouteDescription[] = [];
  const document = lazyDocument(table, tools.config);
  const metrics = new Metrics({ store: tools.store, drift: () => tools.deployer.drift() });
  countRequests(server, metrics);
  void server.register(async (pages) => {
    healthRoutes(pages, partsOf(tools), log);
    metricsRoute(pages, metrics, tools);
    documentPage(pages, document);
  });
  void server.register(git);
  void server.register(async (session) => {
    limitBodyTime(session, times.bodyMs);
    sessionRoutes(session, tools);
  });
  if (page !== undefined) pageRoutes(server, page);
  void server.register(async (hooks) => {
    limitBodyTime(hooks, times.bodyMs);
    incomingRoutes(hooks, new IncomingWebhooks({ ...tools, acceptance: tools.deploys.acceptance }));
  });
  void server.register(
    async (api) => {
      api.addHook('onRequest', async (request, reply) => {
        // Config vars and logs are nobody's to keep, and nobody's browser's to guess at.
        reply.headers({
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          'cross-origin-resource-policy': 'same-origin',
        });
        takeSession(tools.config, request);
      });
      const routes = new Routes(api, tools, await rateLimits(api, tools.config.limits), table);
      letGoOfRevoked(api, tools, times.revokedMs);
      limitBodyTime(api, times.bodyMs);
      const turns = new Turns();
      appRoutes(routes, tools, turns);
      buildRoutes(routes, tools, times, metrics);
      deployRoutes(routes, tools);
      sourceRoutes(routes, tools);
      webhookRoutes(routes, tools);
      notificationRoutes(routes, tools);
      releaseRoutes(routes, tools, turns);
      domainRoutes(routes, tools, turns);
      formationRoutes(routes, tools, turns);
      strategyRoutes(routes, tools, turns);
      volumeRoutes(routes, tools, turns);
      retentionRoutes(routes, tools, turns);
      runtimeRoutes(routes, tools);
      oneOffRoutes(routes, tools);
      cronRoutes(routes, tools);
      hostRoutes(routes, tools, turns);
      tokenRoutes(routes, tools);
      peopleRoutes(routes, tools);
      eventRoutes(routes, tools);
      documentRoute(routes, document);
      overviewRoutes(routes, tools);
      varRoutes(routes, tools);
    },
    { prefix: '/v1' },
  );
  return server;
}

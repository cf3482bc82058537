/** The web process's HTTP server: health, the API below /v1, git below /git, and forges' messages below /hooks. Every error leaves as JSON that says what to do. */
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
import { deployRoutes } from './api/deploys.js';
import { domainRoutes } from './api/domains.js';
import { answerBrokenRequest, sendError, translate } from './api/errors.js';
import { formationRoutes } from './api/formation.js';
import { hostRoutes } from './api/hosts.js';
import { incomingRoutes } from './api/incoming.js';
import { notificationRoutes } from './api/notifications.js';
import { oneOffRoutes } from './api/one-offs.js';
import type { FollowTimes } from './api/output-stream.js';
import { releaseRoutes } from './api/releases.js';
import { retentionRoutes } from './api/retention.js';
import { Routes } from './api/route.js';
import { runtimeRoutes } from './api/runtime.js';
import { sourceRoutes } from './api/source.js';
import { tokenRoutes } from './api/tokens.js';
import type { ApiTools } from './api/tools.js';
import { webhookRoutes } from './api/webhooks.js';
import { SlipwayError } from './errors.js';
import type { Logger } from './log.js';
import { Turns } from './turns.js';
import { acceptUpgrades } from './upgrades.js';
import { IncomingWebhooks } from './webhooks/incoming.js';

/** How long the server waits for what, in ms. */
export interface ServerTimes extends FollowTimes {
  /** For the whole body of an API request. Its head has node's 60 s. */
  readonly bodyMs: number;
}

const TIMES: ServerTimes = { bodyMs: 60_000, pingMs: 15_000, stallMs: 60_000 };
const KEEP_ALIVE_MS = 60_000;

/** `git` is the plugin of src/git that receives pushes; it answers git's own paths and formats. */
export function buildServer(
  tools: ApiTools,
  git: FastifyPluginCallback,
  log: Logger,
  times: ServerTimes = TIMES,
): FastifyInstance {
  const { apiBodyBytes } = tools.config.limits;
  const server = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: apiBodyBytes,
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
  server.get('/healthz', () => ({ status: 'ok' }));
  void server.register(git);
  void server.register(async (hooks) => {
    limitBodyTime(hooks, times.bodyMs);
    incomingRoutes(hooks, new IncomingWebhooks({ ...tools, acceptance: tools.deploys.acceptance }));
  });
  void server.register(
    async (api) => {
      api.addHook('onRequest', async (_request, reply) => {
        // Config vars and logs are nobody's to keep, and nobody's browser's to guess at.
        reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      });
      const routes = new Routes(api, tools);
      limitBodyTime(api, times.bodyMs);
      const turns = new Turns();
      appRoutes(routes, tools, turns);
      buildRoutes(routes, tools, times);
      deployRoutes(routes, tools);
      sourceRoutes(routes, tools);
      webhookRoutes(routes, tools);
      notificationRoutes(routes, tools);
      releaseRoutes(routes, tools, turns);
      domainRoutes(routes, tools, turns);
      formationRoutes(routes, tools, turns);
      retentionRoutes(routes, tools, turns);
      runtimeRoutes(routes, tools);
      oneOffRoutes(routes, tools);
      hostRoutes(routes, tools, turns);
      tokenRoutes(routes, tools);
    },
    { prefix: '/v1' },
  );
  return server;
}

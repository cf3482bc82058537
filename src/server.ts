/** The web process's HTTP server: health, the API below /v1, and git below /git. Every error leaves as JSON that says what to do. */
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyPluginCallback,
  type FastifyReply,
  fastify,
} from 'fastify';
import { appRoutes } from './api/apps.js';
import { buildRoutes } from './api/builds.js';
import { releaseRoutes } from './api/releases.js';
import { runtimeRoutes } from './api/runtime.js';
import { tokenRoutes } from './api/tokens.js';
import { type ApiTools, authenticate } from './api/tools.js';
import { SlipwayError, toSlipwayError } from './errors.js';
import type { Logger } from './log.js';

/** A client that sends its request head or body slower than this is not one. git uploads have a limit of their own. */
const REQUEST_MS = 60_000;

/** `git` is the plugin of src/git that receives pushes; it answers git's own paths and formats. */
export function buildServer(tools: ApiTools, git: FastifyPluginCallback, log: Logger): FastifyInstance {
  const server = fastify({
    loggerInstance: log as FastifyBaseLogger,
    disableRequestLogging: true,
    bodyLimit: tools.config.limits.apiBodyBytes,
    connectionTimeout: 0,
    keepAliveTimeout: REQUEST_MS,
    routerOptions: { maxParamLength: 200 },
  });
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const translated = translate(error);
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
  server.get('/healthz', () => ({ status: 'ok' }));
  void server.register(git);
  void server.register(
    async (api) => {
      api.addHook('onRequest', (request) => authenticate(tools.platform, request));
      appRoutes(api, tools);
      buildRoutes(api, tools);
      releaseRoutes(api, tools);
      runtimeRoutes(api, tools);
      tokenRoutes(api, tools);
    },
    { prefix: '/v1' },
  );
  return server;
}

function sendError(reply: FastifyReply, error: SlipwayError): FastifyReply {
  // What went wrong inside is for the operator's log, not for the caller.
  const message =
    error.code === 'internal'
      ? 'Slipway failed; the operator finds the reason in the log of the web process'
      : error.message;
  return reply.code(error.httpStatus).send({
    code: error.code,
    message,
    ...(error.where === undefined || error.code === 'internal' ? {} : { where: error.where }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** fastify's own errors (a body that is no JSON, one that is too large) are the caller's. */
function translate(error: FastifyError): SlipwayError {
  if (error instanceof SlipwayError) return error;
  if (error.statusCode === 413) return new SlipwayError('too_large', 'the request body is too large');
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new SlipwayError('bad_request', error.message);
  }
  return toSlipwayError(error);
}

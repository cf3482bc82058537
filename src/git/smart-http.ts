/**
 * Step 1 of the way of a push: git's smart HTTP (gitprotocol-http(5)) as a fastify plugin.
 *
 *   GET  /git/<app>.git/info/refs?service=git-receive-pack | git-upload-pack
 *   POST /git/<app>.git/git-receive-pack | git-upload-pack
 *
 * Errors are text/plain, which git shows as `remote: …`.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Limits } from '../config.js';
import { describeError, SlipwayError, toSlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { type Access, type GitService, grantAccess, tokenOf } from './access.js';
import { httpAdvertisement, withHaves } from './advertisement.js';
import type { AppRepositories } from './app-repository.js';
import type { Git } from './git.js';
import type { HookServer } from './hook-server.js';
import type { AppDirectory, Pusher } from './push.js';
import { NO_CACHE, type RpcLimits, serveRpc } from './rpc.js';
import type { GitServices, ServiceCall } from './services.js';

export interface SmartHttpOptions {
  readonly git: Git;
  readonly repositories: AppRepositories;
  readonly services: GitServices;
  readonly hooks: Pick<HookServer, 'detachViewers'>;
  readonly apps: AppDirectory;
  /** Undefined for a token that is not valid. */
  readonly authenticate: (token: string) => Promise<Pusher | undefined>;
  readonly defaultDeployBranch: string;
  readonly limits: Pick<Limits, 'packBytes'>;
  readonly log: Logger;
  /** Default 60,000. */
  readonly uploadIdleMs?: number;
}

interface GitRoute {
  Params: { repository: string; service?: string };
  Querystring: { service?: string };
}

/** Commands, options and framing around a pack of the largest size. */
const AROUND_PACK_BYTES = 1024 * 1024;
/** A fetch says what it wants and has: 40 bytes each. */
const FETCH_BODY_BYTES = 16 * 1024 * 1024;
const STALL_MS = 10 * 60_000;

export const smartHttp: FastifyPluginAsync<SmartHttpOptions> = async (server, options) => {
  const pushers = new WeakMap<FastifyRequest, Pusher>();
  /** What a repository without refs advertises, by protocol version. */
  const empty = new Map<string, Promise<Buffer>>();

  // git reads the body itself, as it comes.
  server.removeAllContentTypeParsers();
  for (const service of ['git-receive-pack', 'git-upload-pack']) {
    server.addContentTypeParser(`application/x-${service}-request`, (_request, payload, done) =>
      done(null, payload),
    );
  }

  server.setErrorHandler((thrown: unknown, request, reply) => {
    const error = fromFastify(thrown);
    if (error.code === 'internal') options.log.error({ err: thrown, url: request.url }, 'git over http');
    const lines =
      error.code === 'internal'
        ? ['Slipway could not do this. The operator finds why in its log.']
        : describeError(error);
    if (error.code === 'unauthorized')
      reply.header('www-authenticate', 'Basic realm="Slipway", charset="UTF-8"');
    return reply
      .code(error.httpStatus)
      .headers(NO_CACHE)
      .type('text/plain; charset=utf-8')
      .send(`${lines.join('\n')}\n`);
  });

  // Before the body: who may not push is not listened to.
  server.addHook('onRequest', async (request) => {
    const token = tokenOf(request.headers.authorization);
    const who = token === undefined ? undefined : await options.authenticate(token);
    if (who === undefined) {
      throw new SlipwayError(
        'unauthorized',
        token === undefined ? 'a token is needed' : 'this token is not valid',
        {
          hint: 'give a token of Slipway as the password, any name as the user',
        },
      );
    }
    pushers.set(request, who);
  });

  // A web process that stops does not wait for builds.
  server.addHook('preClose', async () => options.hooks.detachViewers('Slipway restarts'));

  server.get<GitRoute>('/git/:repository/info/refs', async (request, reply) => {
    const service = checkService(request.query.service);
    const access = await grantAccess(options.apps, pusherOf(request), request.params.repository, service);
    const advertised = await advertise(access, service, protocolOf(request));
    return reply
      .headers(NO_CACHE)
      .type(`application/x-${service}-advertisement`)
      .send(httpAdvertisement(service, advertised));
  });

  server.post<GitRoute>('/git/:repository/:service', async (request, reply) => {
    const service = checkService(request.params.service);
    const access = await grantAccess(options.apps, pusherOf(request), request.params.repository, service);
    if (request.headers['content-type'] !== `application/x-${service}-request`) {
      throw new SlipwayError('bad_request', `the content type must be application/x-${service}-request`);
    }
    await serve(access, service, request, reply);
    return reply;
  });

  async function advertise(
    access: Access,
    service: GitService,
    env: Record<string, string>,
  ): Promise<Buffer> {
    const args = [service.slice('git-'.length), '--stateless-rpc', '--advertise-refs'];
    const { git, repositories } = options;
    if (access.isNew) return advertiseEmpty(args, env);
    const gitDir = repositories.path(access.app);
    if (service === 'git-upload-pack') return git.run([...args, gitDir], { env });
    const [advertised, haves] = await Promise.all([
      git.run([...args, gitDir], { env }),
      options.services.haves(access),
    ]);
    return withHaves(advertised, haves);
  }

  /** Looking creates nothing: what an empty repository would say is asked of one that goes away again, once. */
  function advertiseEmpty(args: readonly string[], env: Record<string, string>): Promise<Buffer> {
    const key = env.GIT_PROTOCOL ?? '';
    const known = empty.get(key);
    if (known !== undefined) return known;
    const asked = (async () => {
      const staged = await options.repositories.stage(options.defaultDeployBranch);
      try {
        return await options.git.run([...args, staged], { env });
      } finally {
        await options.repositories.discard(staged);
      }
    })();
    empty.set(key, asked);
    asked.catch(() => empty.delete(key));
    return asked;
  }

  async function serve(
    access: Access,
    service: GitService,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { services, limits } = options;
    const isPush = service === 'git-receive-pack';
    const rpc: RpcLimits = {
      maxBodyBytes: isPush ? limits.packBytes + AROUND_PACK_BYTES : FETCH_BODY_BYTES,
      uploadIdleMs: options.uploadIdleMs ?? 60_000,
      stallMs: STALL_MS,
    };
    const call: ServiceCall = {
      options: ['--stateless-rpc'],
      env: protocolOf(request),
      async drive(child) {
        const end = await serveRpc(child, request.raw, reply.raw, `application/x-${service}-result`, rpc);
        reply.hijack();
        return end.wasCut;
      },
    };
    if (isPush) await services.receive(access, pusherOf(request), call);
    else await services.upload(access, call);
  }

  function pusherOf(request: FastifyRequest): Pusher {
    const who = pushers.get(request);
    if (who === undefined) throw new SlipwayError('unauthorized', 'a token is needed');
    return who;
  }
};

function checkService(name: string | undefined): GitService {
  if (name === 'git-receive-pack' || name === 'git-upload-pack') return name;
  throw new SlipwayError('forbidden', 'only smart HTTP is spoken here', { hint: 'use git 1.6.6 or newer' });
}

/**
 * Version 2 is not passed on: there upload-pack gives out every object by its id, hidden refs or not, and the ledger lies
 * beside the branches. In versions 0 and 1 it gives what the visible refs lead to, and a client takes these as well.
 */
function protocolOf(request: FastifyRequest): Record<string, string> {
  const value = request.headers['git-protocol'];
  return typeof value === 'string' && /^version=[01]$/.test(value) ? { GIT_PROTOCOL: value } : {};
}

/** fastify's own refusals (an unknown content type, a damaged URL) carry a status. */
function fromFastify(thrown: unknown): SlipwayError {
  const status = (thrown as { statusCode?: number }).statusCode;
  if (thrown instanceof SlipwayError || status === undefined || status >= 500) return toSlipwayError(thrown);
  return new SlipwayError(status === 413 ? 'too_large' : 'bad_request', (thrown as Error).message);
}

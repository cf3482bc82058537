/** Builds (deployments): list, show, read and follow the output, cancel. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { requestCancel } from '../changes.js';
import { SlipwayError } from '../errors.js';
import { followLog, readLog } from '../logs/log-reader.js';
import { type Deployment, isFinal } from '../model/deployment.js';
import { isDeploymentId } from '../records/deployment-id.js';
import { type AppParams, wholeNumber } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { buildView } from './views.js';

interface BuildParams extends AppParams {
  readonly id: string;
}

const PART_BYTES = 1024 * 1024;

export function buildRoutes(api: FastifyInstance, tools: ApiTools): void {
  /** `current` is the newest one. */
  const requireBuild = async (request: FastifyRequest<{ Params: BuildParams }>): Promise<Deployment> => {
    const app = await requireApp(tools, request, request.params.app);
    const { id } = request.params;
    const found =
      id === 'current'
        ? (await tools.store.list(app, { limit: 1 }))[0]
        : isDeploymentId(id)
          ? await tools.store.get(app, id)
          : undefined;
    if (found !== undefined) return found;
    throw new SlipwayError(
      'not_found',
      id === 'current' ? `${app} has no build yet` : `${app} has no build ${JSON.stringify(id.slice(0, 40))}`,
      {
        hint: `see: slipway builds -a ${app}`,
      },
    );
  };

  api.get<{ Params: AppParams; Querystring: { limit?: string; before?: string } }>(
    '/apps/:app/builds',
    async (request) => {
      const app = await requireApp(tools, request, request.params.app);
      const limit = wholeNumber(request.query.limit, 'limit', { min: 1, max: 200, absent: 20 });
      const { before } = request.query;
      if (before !== undefined && !isDeploymentId(before))
        throw new SlipwayError('bad_request', 'before must be a build id');
      const builds = await tools.store.list(app, { limit, ...(before === undefined ? {} : { before }) });
      return { builds: builds.map(buildView) };
    },
  );

  api.get<{ Params: BuildParams }>('/apps/:app/builds/:id', async (request) =>
    buildView(await requireBuild(request)),
  );

  /** Bytes from an offset; `x-next-offset` says where to go on, `x-build-state` whether there will be more. */
  api.get<{ Params: BuildParams; Querystring: { offset?: string } }>(
    '/apps/:app/builds/:id/output',
    async (request, reply) => {
      const build = await requireBuild(request);
      const offset = wholeNumber(request.query.offset, 'offset', {
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        absent: 0,
      });
      const { data, nextOffset } = await readLog(
        tools.store.logPath(build.app, build.id),
        offset,
        PART_BYTES,
      );
      return reply
        .type('text/plain; charset=utf-8')
        .header('x-next-offset', nextOffset)
        .header('x-build-state', build.state)
        .send(data);
    },
  );

  /**
   * Server-sent events: `log` (base64 bytes; the id is the offset after them, so Last-Event-ID resumes at the exact
   * byte) and one `end` with the build.
   */
  api.get<{ Params: BuildParams; Querystring: { offset?: string } }>(
    '/apps/:app/builds/:id/output/stream',
    async (request, reply) => {
      const build = await requireBuild(request);
      const resume = request.headers['last-event-id'];
      const offset = wholeNumber(typeof resume === 'string' ? resume : request.query.offset, 'offset', {
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        absent: 0,
      });
      await streamOutput(tools, build, offset, request, reply);
      return reply;
    },
  );

  api.post<{ Params: BuildParams }>('/apps/:app/builds/:id/cancel', async (request) => {
    const build = await requireBuild(request);
    return buildView(await requestCancel(tools, build.app, build.id, identityOf(request).name));
  });
}

/** A sign of life so often that no proxy between takes the stream for dead. */
const PING_MS = 15_000;

async function streamOutput(
  tools: ApiTools,
  build: Deployment,
  offset: number,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const gone = new AbortController();
  request.raw.once('close', () => gone.abort());
  reply.hijack();
  const out = reply.raw;
  out.once('close', () => gone.abort());
  out.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  });
  const send = async (text: string): Promise<void> => {
    if (gone.signal.aborted || out.write(text)) return;
    await new Promise<void>((resolve) => {
      out.once('drain', resolve);
      gone.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  };
  const ping = setInterval(() => void send(': \n\n'), PING_MS);
  try {
    const ended = lastState(tools, build, gone.signal);
    for await (const part of followLog(
      tools.store.logPath(build.app, build.id),
      offset,
      ended,
      gone.signal,
    )) {
      await send(
        `id: ${part.offset + part.data.length}\nevent: log\ndata: ${part.data.toString('base64')}\n\n`,
      );
    }
    const last = await ended;
    if (last !== undefined && isFinal(last.state))
      await send(`event: end\ndata: ${JSON.stringify(buildView(last))}\n\n`);
  } catch (error) {
    request.log.warn({ err: error, build: build.id }, 'a log stream broke');
  } finally {
    clearInterval(ping);
    out.end();
  }
}

async function lastState(
  tools: ApiTools,
  build: Deployment,
  signal: AbortSignal,
): Promise<Deployment | undefined> {
  let last: Deployment | undefined;
  for await (const state of tools.store.watch(build.app, build.id, signal)) last = state;
  return last;
}

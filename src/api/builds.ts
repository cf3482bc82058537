/** Builds (deployments): list, show, why each step ran, read and follow the output, cancel. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requestCancel } from '../endings.js';
import { SlipwayError } from '../errors.js';
import { readLog } from '../logs/log-reader.js';
import type { Deployment } from '../model/deployment.js';
import { isDeploymentId } from '../records/deployment-id.js';
import { readOutcomes } from '../records/step-outcomes.js';
import { type FollowTimes, streamOutput } from './output-stream.js';
import { type AppParams, type Query, wholeNumber } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { buildView } from './views.js';

interface BuildParams extends AppParams {
  readonly id: string;
}

const PART_BYTES = 1024 * 1024;
const ANY_OFFSET = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: 0 };

export function buildRoutes(api: FastifyInstance, tools: ApiTools, times: FollowTimes): void {
  /** `current` is the newest one. */
  const requireBuild = async (request: FastifyRequest<{ Params: BuildParams }>): Promise<Deployment> => {
    const app = await requireApp(tools, request, request.params.app);
    const { id } = request.params;
    if (id === 'current') {
      const [newest] = await tools.store.list(app, { limit: 1 });
      if (newest !== undefined) return newest;
      throw new SlipwayError('not_found', `${app} has no build yet`, {
        hint: `push to it, then see: slipway builds -a ${app}`,
      });
    }
    const found = isDeploymentId(id) ? await tools.store.get(app, id) : undefined;
    if (found !== undefined) return found;
    throw new SlipwayError('not_found', `${app} has no build ${JSON.stringify(id.slice(0, 40))}`, {
      hint: `see: slipway builds -a ${app}`,
    });
  };

  api.get<{ Params: AppParams; Querystring: { limit?: Query; before?: Query } }>(
    '/apps/:app/builds',
    async (request) => {
      const app = await requireApp(tools, request, request.params.app);
      const limit = wholeNumber(request.query.limit, 'limit', { min: 1, max: 200, absent: 20 });
      const { before } = request.query;
      if (before !== undefined && !(typeof before === 'string' && isDeploymentId(before)))
        throw new SlipwayError('bad_request', 'before must be a build id', {
          hint: `see: slipway builds -a ${app}`,
        });
      const builds = await tools.store.list(app, { limit, ...(before === undefined ? {} : { before }) });
      return { builds: builds.map(buildView) };
    },
  );

  api.get<{ Params: BuildParams }>('/apps/:app/builds/:id', async (request) =>
    buildView(await requireBuild(request)),
  );

  /** What became of each step so far, and why. */
  api.get<{ Params: BuildParams }>('/apps/:app/builds/:id/steps', async (request) => {
    const build = await requireBuild(request);
    const steps = await readOutcomes(tools.store.stepsPath(build.app, build.id));
    return { build: buildView(build), steps };
  });

  /** Bytes from an offset; `x-next-offset` says where to go on, `x-build-state` whether there will be more. */
  api.get<{ Params: BuildParams; Querystring: { offset?: Query } }>(
    '/apps/:app/builds/:id/output',
    async (request, reply) => {
      const build = await requireBuild(request);
      const offset = wholeNumber(request.query.offset, 'offset', ANY_OFFSET);
      const path = tools.store.logPath(build.app, build.id);
      const { data, nextOffset } = await readLog(path, offset, PART_BYTES);
      return reply
        .type('text/plain; charset=utf-8')
        .header('x-next-offset', nextOffset)
        .header('x-build-state', build.state)
        .send(data);
    },
  );

  // HEAD would wait for the end of the build to say nothing.
  api.get<{ Params: BuildParams; Querystring: { offset?: Query } }>(
    '/apps/:app/builds/:id/output/stream',
    { exposeHeadRoute: false },
    async (request, reply) => {
      const build = await requireBuild(request);
      const resume = request.headers['last-event-id'];
      const offset = wholeNumber(resume || request.query.offset, 'offset', ANY_OFFSET);
      await streamOutput(tools, build, offset, times, request, reply);
      return reply;
    },
  );

  api.post<{ Params: BuildParams }>('/apps/:app/builds/:id/cancel', async (request) => {
    const build = await requireBuild(request);
    return buildView(await requestCancel(tools, build.app, build.id, identityOf(request).name));
  });
}

/** Builds (deployments): list, show, why each step ran, read and follow the output, cancel. */
import { z } from 'zod';
import { requestCancel } from '../endings.js';
import { SlipwayError } from '../errors.js';
import { readLog } from '../logs/log-reader.js';
import type { Deployment } from '../model/deployment.js';
import { isDeploymentId } from '../records/deployment-id.js';
import { readOutcomes, type StepOutcome } from '../records/step-outcomes.js';
import { count, described, maybe, number, text } from './described.js';
import { type FollowerNumbers, type FollowTimes, streamOutput } from './output-stream.js';
import { next, pageOf } from './pages.js';
import { BuildId, offset, parseNamed, wholeNumber } from './request.js';
import { Media, type Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { Build, buildView } from './views.js';

const PART_BYTES = 1024 * 1024;

const Step: z.ZodType<StepOutcome> = described<StepOutcome>('Step', {
  step: count,
  total: count,
  stage: text,
  text,
  line: count,
  result: z.enum(['running', 'cached', 'executed', 'failed', 'stopped']),
  reason: maybe(text),
  ms: maybe(number),
  savedMs: maybe(number),
  from: maybe(z.literal('registry')),
});
const id = z.string().meta({ description: 'The id of a build, or `current` for the newest' });

export function buildRoutes(
  routes: Routes,
  tools: ApiTools,
  times: FollowTimes,
  numbers: FollowerNumbers,
): void {
  const requireBuild = async ({ app, id }: { app: string; id: string }): Promise<Deployment> => {
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

  routes.add({
    method: 'GET',
    path: '/apps/:app/builds',
    summary: 'The builds of an app, the newest first',
    description:
      'Everything that changes what runs has a build: also a rollback, or a change of config or scale.',
    tag: 'Builds',
    access: 'view',
    query: z.object({
      limit: wholeNumber({ min: 1, max: 200, absent: 20 }).describe('At most so many'),
      cursor: BuildId.optional().describe('What the page before gave as `next`'),
      before: BuildId.optional().describe('Only those that are older than this one: the same as the cursor'),
    }),
    answers: { 200: z.object({ builds: z.array(Build), next }) },
    handle: async ({ params: { app }, query: { limit, cursor, before = cursor } }) => {
      const after = before === undefined ? {} : { before };
      const builds = await tools.store.list(app, { limit: limit + 1, ...after });
      const { items, more } = pageOf(builds, limit, ({ id }) => id);
      return { builds: items.map(buildView), ...more };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/builds/:id',
    summary: 'A build',
    tag: 'Builds',
    access: 'view',
    params: { id },
    answers: { 200: Build },
    handle: async ({ params }) => buildView(await requireBuild(params)),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/builds/:id/steps',
    summary: 'What became of each step so far, and why',
    tag: 'Builds',
    access: 'view',
    params: { id },
    answers: { 200: z.object({ build: Build, steps: z.array(Step) }) },
    handle: async ({ params }) => {
      const build = await requireBuild(params);
      const steps = await readOutcomes(tools.store.stepsPath(build.app, build.id));
      return { build: buildView(build), steps: [...steps] };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/builds/:id/output',
    summary: 'The output of a build so far, from an offset on',
    description:
      'At most 1 MiB at once. The header `x-next-offset` says where to go on, `x-build-state` whether there will be more.',
    tag: 'Builds',
    access: 'view',
    params: { id },
    query: z.object({ offset }),
    answers: { 200: new Media('text/plain', 'Bytes of the log') },
    handle: async ({ params, query, reply }) => {
      const build = await requireBuild(params);
      const path = tools.store.logPath(build.app, build.id);
      const { data, nextOffset } = await readLog(path, query.offset, PART_BYTES);
      return reply
        .type('text/plain; charset=utf-8')
        .header('x-next-offset', nextOffset)
        .header('x-build-state', build.state)
        .send(data);
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/builds/:id/output/stream',
    summary: 'Follow the output of a build until it ends',
    description:
      'Server-sent events: `log` with base64 bytes, whose id is the offset after them, and one `end` with the build. `Last-Event-ID` goes on at that offset.',
    tag: 'Builds',
    access: 'view',
    params: { id },
    query: z.object({ offset }),
    answers: { 200: new Media('text/event-stream', '`log` events, and `end`') },
    head: false,
    handle: async ({ params, query, request, reply }) => {
      const build = await requireBuild(params);
      const { 'last-event-id': resume } = request.headers;
      const from = resume ? parseNamed(z.object({ offset }), { offset: resume }).offset : query.offset;
      await streamOutput(tools, build, from, times, numbers, request, reply);
      return reply;
    },
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/builds/:id/cancel',
    summary: 'Cancel a build, or the rollout that it is in',
    tag: 'Builds',
    access: 'deploy',
    params: { id },
    answers: { 200: Build },
    handle: async ({ who, params }) => {
      const build = await requireBuild(params);
      return buildView(await requestCancel(tools, build.app, build.id, who.name));
    },
  });
}

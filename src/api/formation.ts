/** Process types: how many there are, what each may use, and stopping, starting and restarting an app. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { requestResources, requestRestart, requestScale, requestStop } from '../formation-changes.js';
import type { Deployment } from '../model/deployment.js';
import { declaredBy, type Formation, formed } from '../model/process.js';
import type { ReleaseProcess } from '../model/release.js';
import { RESOURCES, ResourceFault } from '../model/resources.js';
import { newestStanding } from '../next-release.js';
import type { Turns } from '../turns.js';
import { type AppParams, parseBody } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { buildView } from './views.js';

export interface FormationView {
  readonly stopped?: Formation['stopped'];
  /** The release that serves, or the newest that is to; absent before the first deploy. */
  readonly release?: string;
  /** What the next release gets of each type. Before the first deploy: what has been set. */
  readonly processes: readonly ReleaseProcess[];
}

const Scale = z.strictObject({ scale: z.record(z.string(), z.number()) });
const Restart = z.strictObject({ types: z.array(z.string()).max(50).optional() });
const limit = z.union([z.string(), z.number(), z.null()], 'must be a string, a number, or null for none');
const Resources = z.strictObject({
  types: z.array(z.string()),
  limits: z.strictObject({
    memory: limit.optional(),
    cpus: limit.optional(),
    processes: limit.optional(),
  }),
});
const limitsOf = Resources.transform(({ types, limits }, context) => {
  const parsed = RESOURCES.flatMap(({ name, field, parse }): [string, number | null][] => {
    const value = limits[name];
    if (value === undefined) return [];
    try {
      return [[field, value === null ? null : parse(value)]];
    } catch (thrown) {
      if (!(thrown instanceof ResourceFault)) throw thrown;
      context.addIssue({ code: 'custom', message: thrown.message, path: ['limits', name] });
      return [];
    }
  });
  return { types, limits: Object.fromEntries(parsed) };
});

/** `turns`: what changes an app happens one after the other. Each answers with the deployment that brings it, if there is one. */
export function formationRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  const view = async (app: string): Promise<FormationView> => {
    const state = await tools.ledger.read(app);
    const { formation } = state;
    const release = await newestStanding(tools.store, app, state);
    const named = [...Object.keys(formation.scale), ...Object.keys(formation.resources)];
    const declared =
      release === undefined ? [...new Set(named)].map((type) => ({ type })) : declaredBy(release.processes);
    return {
      ...(formation.stopped === undefined ? {} : { stopped: formation.stopped }),
      ...(release === undefined ? {} : { release: `v${release.number}` }),
      processes: formed(declared, formation),
    };
  };
  const answer = async (
    app: string,
    deployment: Deployment | undefined,
    reply: FastifyReply,
  ): Promise<object> => {
    if (deployment !== undefined) return reply.code(202).send({ build: buildView(deployment) });
    return { stored: true, formation: await view(app) };
  };

  api.get<{ Params: AppParams }>('/apps/:app/formation', async (request) =>
    view(await requireApp(tools, request, request.params.app)),
  );

  api.patch<{ Params: AppParams }>('/apps/:app/formation/scale', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { scale } = parseBody(Scale, request.body);
    const who = identityOf(request).name;
    return answer(app, await turns.take(app, () => requestScale(tools, app, scale, who)), reply);
  });

  api.patch<{ Params: AppParams }>('/apps/:app/formation/resources', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { types, limits } = parseBody(limitsOf, request.body);
    const who = identityOf(request).name;
    return answer(app, await turns.take(app, () => requestResources(tools, app, types, limits, who)), reply);
  });

  for (const [verb, isStopped] of [
    ['stop', true],
    ['start', false],
  ] as const) {
    api.post<{ Params: AppParams }>(`/apps/:app/${verb}`, async (request, reply) => {
      const app = await requireApp(tools, request, request.params.app);
      const who = identityOf(request).name;
      return answer(app, await turns.take(app, () => requestStop(tools, app, isStopped, who)), reply);
    });
  }

  api.post<{ Params: AppParams }>('/apps/:app/restart', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { types } = parseBody(Restart, request.body);
    const who = identityOf(request).name;
    return answer(app, await turns.take(app, () => requestRestart(tools, app, who, types)), reply);
  });
}

/** Process types: how many there are, what each may use, and stopping, starting and restarting an app. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { requestResources, requestRestart, requestScale, requestStop } from '../formation-changes.js';
import type { Deployment } from '../model/deployment.js';
import { declaredBy, type Formation, formed } from '../model/process.js';
import type { ReleaseProcess } from '../model/release.js';
import { RESOURCES, ResourceFault } from '../model/resources.js';
import { newestStanding } from '../next-release.js';
import type { Turns } from '../turns.js';
import { list, maybe, part, text, time } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { Build, type BuildView, buildView, Process } from './views.js';

export interface FormationView {
  readonly stopped?: Formation['stopped'];
  /** The release that serves, or the newest that is to; absent before the first deploy. */
  readonly release?: string;
  /** What the next release gets of each type. Before the first deploy: what has been set. */
  readonly processes: readonly ReleaseProcess[];
}

const FormationAnswer: z.ZodType<FormationView> = part<FormationView>({
  stopped: maybe(part<NonNullable<FormationView['stopped']>>({ at: time, by: text })),
  release: maybe(text),
  processes: list(Process),
}).meta({ id: 'Formation' });
/** A change that brings a build, or one that is kept for the next release. */
const Changed = {
  202: z.object({ build: Build }),
  200: z.object({ stored: z.literal(true), formation: FormationAnswer }),
};
type Changed = { build: BuildView } | { stored: true; formation: FormationView };

const Scale = z.strictObject({ scale: z.record(z.string(), z.number()) });
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
export function formationRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
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
  ): Promise<Changed> => {
    reply.code(deployment === undefined ? 200 : 202);
    if (deployment !== undefined) return { build: buildView(deployment) };
    return { stored: true, formation: await view(app) };
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/formation',
    summary: 'What the next release gets of each process type',
    tag: 'Processes',
    access: 'view',
    answers: { 200: FormationAnswer },
    handle: async ({ params: { app } }) => view(app),
  });

  routes.add({
    method: 'PATCH',
    path: '/apps/:app/formation/scale',
    summary: 'Scale process types',
    tag: 'Processes',
    access: 'deploy',
    body: Scale,
    answers: Changed,
    handle: async ({ who, params: { app }, body: { scale }, reply }) =>
      answer(app, await turns.take(app, () => requestScale(tools, app, scale, who.name)), reply),
  });

  routes.add({
    method: 'PATCH',
    path: '/apps/:app/formation/resources',
    summary: 'Limit what process types may use',
    tag: 'Processes',
    access: 'deploy',
    body: limitsOf,
    answers: Changed,
    handle: async ({ who, params: { app }, body: { types, limits }, reply }) =>
      answer(app, await turns.take(app, () => requestResources(tools, app, types, limits, who.name)), reply),
  });

  for (const [path, isStopped, summary] of [
    ['/apps/:app/stop', true, 'Stop an app; its scale is remembered'],
    ['/apps/:app/start', false, 'Start an app that was stopped'],
  ] as const) {
    routes.add({
      method: 'POST',
      path,
      summary,
      tag: 'Processes',
      access: 'deploy',
      keyed: true,
      answers: Changed,
      handle: async ({ who, params: { app }, reply }) =>
        answer(app, await turns.take(app, () => requestStop(tools, app, isStopped, who.name)), reply),
    });
  }

  routes.add({
    method: 'POST',
    path: '/apps/:app/restart',
    summary: 'Restart an app with new containers of what runs',
    tag: 'Processes',
    access: 'deploy',
    keyed: true,
    answers: Changed,
    handle: async ({ who, params: { app }, reply }) =>
      answer(app, await turns.take(app, () => requestRestart(tools, app, who.name)), reply),
  });
}

/** Releases, rollback and config vars. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { requestConfigChange, requestRollback } from '../changes.js';
import { SlipwayError } from '../errors.js';
import { parseReleaseNumber } from '../model/release.js';
import type { Turns } from '../turns.js';
import { type AppParams, parseBody } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { buildView, releaseView } from './views.js';

const Rollback = z.strictObject({
  release: z.union([z.string(), z.number()], 'must be a release such as "v12"').optional(),
});
const ConfigChange = z.record(
  z.string(),
  z.union([z.string(), z.null()], 'must be a string, or null to unset it'),
);

/** `turns`: what changes an app happens one after the other, so that of two changes the later contains the earlier. */
export function releaseRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  api.get<{ Params: AppParams }>('/apps/:app/releases', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const { releases, live } = await tools.ledger.read(app);
    return {
      releases: [...releases]
        .sort((a, b) => b.number - a.number)
        .map((release) => releaseView(release, live)),
    };
  });

  api.get<{ Params: AppParams & { release: string } }>('/apps/:app/releases/:release', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const { releases, live } = await tools.ledger.read(app);
    const number = releaseNumber(request.params.release);
    const release = releases.find((candidate) => candidate.number === number);
    if (release === undefined)
      throw new SlipwayError('no_release', `${app} has no release v${number}`, {
        hint: `see: slipway releases -a ${app}`,
      });
    return releaseView(release, live);
  });

  api.post<{ Params: AppParams }>('/apps/:app/rollback', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { release } = parseBody(Rollback, request.body);
    const number = release === undefined ? undefined : releaseNumber(String(release));
    const who = identityOf(request).name;
    const deployment = await turns.take(app, () => requestRollback(tools, app, number, who));
    return reply.code(202).send(buildView(deployment));
  });

  api.get<{ Params: AppParams }>('/apps/:app/config', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const { config } = await tools.ledger.read(app);
    return { config: tools.ledger.revealConfig(app, config) };
  });

  /**
   * Strings set, nulls unset. Answers with the deployment that brings it live; without one when there is no release to
   * bring it live with, or it has nothing to change there.
   */
  api.patch<{ Params: AppParams }>('/apps/:app/config', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const changes = parseBody(ConfigChange, request.body);
    const who = identityOf(request).name;
    const deployment = await turns.take(app, () => requestConfigChange(tools, app, changes, who));
    if (deployment !== undefined) return reply.code(202).send({ build: buildView(deployment) });
    const { live } = await tools.ledger.read(app);
    return { stored: true, live: live !== undefined };
  });
}

export function releaseNumber(text: string): number {
  const number = parseReleaseNumber(text);
  if (number !== undefined) return number;
  throw new SlipwayError('bad_request', `${JSON.stringify(text.slice(0, 20))} is not a release`, {
    hint: 'write it as v12',
  });
}

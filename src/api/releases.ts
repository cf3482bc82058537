/** Releases, rollback and config vars. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { requestConfigChange, requestRollback } from '../changes.js';
import { SlipwayError } from '../errors.js';
import type { AppState } from '../ledger/app-documents.js';
import { configDifference } from '../ledger/config-differences.js';
import { parseReleaseNumber, type ReleaseWithOutcome } from '../model/release.js';
import { COMMITS_LIMIT, type CommitsBetween, diffReleases } from '../model/release-diff.js';
import type { Turns } from '../turns.js';
import { type AppParams, parseBody, type Query, Reason } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { buildView, type ReleaseView, releaseView } from './views.js';

const Rollback = z.strictObject({
  release: z.union([z.string(), z.number()], 'must be a release such as "v12"').optional(),
  only: z.enum(['code', 'config'], 'must be "code" or "config"').optional(),
  force: z.boolean().optional(),
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
    const state = await tools.ledger.read(app);
    return releaseView(findRelease(app, state, releaseNumber(request.params.release)), state.live);
  });

  // What the release changed; `from` is the one before it unless said otherwise.
  api.get<{ Params: AppParams & { release: string }; Querystring: { from?: Query } }>(
    '/apps/:app/releases/:release/diff',
    async (request) => {
      const app = await requireApp(tools, request, request.params.app);
      const state = await tools.ledger.read(app);
      const to = findRelease(app, state, releaseNumber(request.params.release));
      const { from: named } = request.query;
      const number = named === undefined ? to.number - 1 : releaseNumber(String(named));
      if (number === 0)
        throw new SlipwayError('no_release', `v1 of ${app} is the first release`, {
          hint: `see: slipway releases:info v1 -a ${app}`,
        });
      const from = findRelease(app, state, number);
      const { ledger, history } = tools;
      const config = configDifference(ledger, app, from.config, to.config);
      return diffReleases(from, to, config, await commitsBetween(history, app, from, to));
    },
  );

  api.put<{ Params: AppParams & { release: string } }>('/apps/:app/releases/:release/bad', (request) =>
    mark(request, (body) => parseBody(Reason, body).reason),
  );

  api.delete<{ Params: AppParams & { release: string } }>('/apps/:app/releases/:release/bad', (request) =>
    mark(request, () => undefined),
  );

  async function mark(
    request: FastifyRequest<{ Params: AppParams & { release: string } }>,
    reasonOf: (body: unknown) => string | undefined,
  ): Promise<ReleaseView> {
    const app = await requireApp(tools, request, request.params.app);
    const number = releaseNumber(request.params.release);
    const reason = reasonOf(request.body);
    findRelease(app, await tools.ledger.read(app), number);
    await turns.take(app, () => tools.ledger.markRelease(app, number, reason, identityOf(request).name));
    const state = await tools.ledger.read(app);
    return releaseView(findRelease(app, state, number), state.live);
  }

  api.post<{ Params: AppParams }>('/apps/:app/rollback', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { release, only, force } = parseBody(Rollback, request.body);
    const number = release === undefined ? undefined : releaseNumber(String(release));
    const who = identityOf(request).name;
    const deployment = await turns.take(app, () => requestRollback(tools, app, number, who, { only, force }));
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

function findRelease(
  app: string,
  { releases }: Pick<AppState, 'releases'>,
  number: number,
): ReleaseWithOutcome {
  const release = releases.find((candidate) => candidate.number === number);
  if (release !== undefined) return release;
  throw new SlipwayError('no_release', `${app} has no release v${number}`, {
    hint: `see: slipway releases -a ${app}`,
  });
}

/** Undefined when the commit is the same, or the repository does not have both any more. */
async function commitsBetween(
  history: ApiTools['history'],
  app: string,
  from: ReleaseWithOutcome,
  to: ReleaseWithOutcome,
): Promise<CommitsBetween | undefined> {
  if (from.source === to.source) return undefined;
  const [added, removed] = await Promise.all([
    history.subjects(app, from.source, to.source, COMMITS_LIMIT + 1),
    history.subjects(app, to.source, from.source, COMMITS_LIMIT + 1),
  ]);
  if (added === undefined || removed === undefined) return undefined;
  const more = added.length > COMMITS_LIMIT || removed.length > COMMITS_LIMIT;
  return { added: added.slice(0, COMMITS_LIMIT), removed: removed.slice(0, COMMITS_LIMIT), more };
}

export function releaseNumber(text: string): number {
  const number = parseReleaseNumber(text);
  if (number !== undefined) return number;
  throw new SlipwayError('bad_request', `${JSON.stringify(text.slice(0, 20))} is not a release`, {
    hint: 'write it as v12',
  });
}

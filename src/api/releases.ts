/** Releases, rollback and config vars. */
import { z } from 'zod';
import { requestConfigChange, requestRollback } from '../changes.js';
import { SlipwayError } from '../errors.js';
import type { AppState } from '../ledger/app-documents.js';
import { configDifference } from '../ledger/config-differences.js';
import type { ReleaseProcess, ReleaseWithOutcome } from '../model/release.js';
import {
  COMMITS_LIMIT,
  type CommitSubject,
  type CommitsBetween,
  diffReleases,
  type ProcessChange,
  type ReleaseDiff,
} from '../model/release-diff.js';
import type { Turns } from '../turns.js';
import { described, list, maybe, part, text, texts, yes } from './described.js';
import { next, paged, pageOf } from './pages.js';
import { Reason, releaseNumber, Version } from './request.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { Build, buildView, Process, Release, type ReleaseView, releaseView } from './views.js';

const Rollback = z.strictObject({
  release: z.union([z.string(), z.number()], 'must be a release such as "v12"').optional(),
  only: z.enum(['code', 'config'], 'must be "code" or "config"').optional(),
  force: z.boolean().optional(),
});
const ConfigChange = z.record(
  z.string(),
  z.union([z.string(), z.null()], 'must be a string, or null to unset it'),
);
/** A change that brings a build, or one that is kept for the next release. */
const ConfigChanged = z.object({ build: Build });
const ConfigStored = z.object({ stored: z.literal(true), live: z.boolean() });

const commits = list(part<CommitSubject>({ commit: text, subject: text }));
const change = <T>(of: z.ZodType<T>): z.ZodType<{ readonly from: T; readonly to: T }> =>
  part<{ readonly from: T; readonly to: T }>({ from: of, to: of } as never);
const Diff: z.ZodType<ReleaseDiff> = described<ReleaseDiff>('ReleaseDiff', {
  from: text,
  to: text,
  image: maybe(change(text)),
  commit: maybe(change(text)),
  commits: maybe(part<CommitsBetween>({ added: commits, removed: commits, more: yes })),
  config: part<ReleaseDiff['config']>({ added: texts, removed: texts, changed: texts }),
  processes: list(
    part<ProcessChange>({
      type: text,
      from: maybe<ReleaseProcess>(Process),
      to: maybe<ReleaseProcess>(Process),
    }),
  ),
  releasePhase: maybe(change(texts.nullable())),
  hosts: maybe(change(texts)),
});

/** `turns`: what changes an app happens one after the other, so that of two changes the later contains the earlier. */
export function releaseRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
  const view = async (app: string, number: number): Promise<ReleaseView> => {
    const state = await tools.ledger.read(app);
    return releaseView(findRelease(app, state, number), state.live);
  };
  const mark = async (
    app: string,
    number: number,
    reason: string | undefined,
    who: string,
  ): Promise<ReleaseView> => {
    findRelease(app, await tools.ledger.read(app), number);
    await turns.take(app, () => tools.ledger.markRelease(app, number, reason, who));
    return view(app, number);
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/releases',
    summary: 'The releases of an app, the newest first',
    tag: 'Releases',
    access: 'view',
    query: z.object(paged),
    answers: { 200: z.object({ releases: z.array(Release), next }) },
    handle: async ({ params: { app }, query: { limit, cursor } }) => {
      const { releases, live } = await tools.ledger.read(app);
      const before = cursor === undefined ? Number.POSITIVE_INFINITY : releaseNumber(cursor);
      const rest = releases.filter(({ number }) => number < before).sort((a, b) => b.number - a.number);
      const { items, more } = pageOf(rest, limit, ({ number }) => `v${number}`);
      return { releases: items.map((release) => releaseView(release, live)), ...more };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/releases/:release',
    summary: 'A release',
    tag: 'Releases',
    access: 'view',
    params: { release: Version },
    answers: { 200: Release },
    handle: async ({ params: { app, release } }) => view(app, release),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/releases/:release/diff',
    summary: 'What a release changed',
    tag: 'Releases',
    access: 'view',
    params: { release: Version },
    query: z.object({ from: Version.optional().describe('Since this one; else since the one before it') }),
    answers: { 200: Diff },
    handle: async ({ params: { app, release }, query }) => {
      const state = await tools.ledger.read(app);
      const to = findRelease(app, state, release);
      const number = query.from ?? to.number - 1;
      if (number === 0)
        throw new SlipwayError('no_release', `v1 of ${app} is the first release`, {
          hint: `see: slipway releases:info v1 -a ${app}`,
        });
      const from = findRelease(app, state, number);
      const { ledger, history } = tools;
      const config = configDifference(ledger, app, from.config, to.config);
      return diffReleases(from, to, config, await commitsBetween(history, app, from, to));
    },
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/releases/:release/bad',
    summary: 'Mark a release as bad: no rollback goes to it by itself',
    tag: 'Releases',
    access: 'deploy',
    params: { release: Version },
    body: Reason,
    answers: { 200: Release },
    handle: async ({ who, params: { app, release }, body }) => mark(app, release, body.reason, who.name),
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/releases/:release/bad',
    summary: 'Take the mark back',
    tag: 'Releases',
    access: 'deploy',
    params: { release: Version },
    answers: { 200: Release },
    handle: async ({ who, params: { app, release } }) => mark(app, release, undefined, who.name),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/rollback',
    summary: 'Bring an earlier release back as a new one',
    description: 'Without a release: the last good one before the one that serves.',
    tag: 'Releases',
    access: 'deploy',
    body: Rollback,
    keyed: true,
    answers: { 202: Build },
    handle: async ({ who, params: { app }, body: { release, only, force } }) => {
      const number = release === undefined ? undefined : releaseNumber(String(release));
      const options = { only, force };
      return buildView(await turns.take(app, () => requestRollback(tools, app, number, who.name, options)));
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/config',
    summary: 'The config vars of an app, with their values',
    tag: 'Config',
    access: 'deploy',
    answers: { 200: z.object({ config: z.record(z.string(), z.string()) }) },
    handle: async ({ params: { app } }) => {
      const { config } = await tools.ledger.read(app);
      return { config: tools.ledger.revealConfig(app, config) };
    },
  });

  routes.add({
    method: 'PATCH',
    path: '/apps/:app/config',
    summary: 'Set and unset config vars',
    description:
      'Strings set, nulls unset. 202 with the build that brings it live; 200 when there is no release to bring it live with, or it has nothing to change there.',
    tag: 'Config',
    access: 'deploy',
    body: ConfigChange,
    answers: { 200: ConfigStored, 202: ConfigChanged },
    handle: async ({ who, params: { app }, body, reply }) => {
      const deployment = await turns.take(app, () => requestConfigChange(tools, app, body, who.name));
      if (deployment !== undefined) {
        reply.code(202);
        return { build: buildView(deployment) };
      }
      const { live } = await tools.ledger.read(app);
      return { stored: true as const, live: live !== undefined };
    },
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

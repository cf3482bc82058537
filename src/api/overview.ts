/** All apps at a glance, and what is under way in all of them. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { AppState } from '../ledger/app-documents.js';
import type { Deployment } from '../model/deployment.js';
import type { ReleaseWithOutcome } from '../model/release.js';
import { count, described, maybe, part, text, time } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { appUrl, Build, BuildKind, BuildState, type BuildView, buildView } from './views.js';

/** Of an app only what a list of hundreds shows. */
export interface AppGlance {
  readonly name: string;
  readonly url: string;
  /** The one that serves. */
  readonly release?: {
    readonly version: string;
    readonly description: string;
    readonly message?: string;
    readonly at: string;
    readonly by: string;
  };
  /** The newest deployment, whatever became of it. */
  readonly latest?: Pick<BuildView, 'id' | 'kind' | 'state' | 'who' | 'acceptedAt' | 'reason'>;
  /** How many containers the live release wants. */
  readonly wanted: number;
  /** How many run; absent when no deployer answers, or a host is silent. */
  readonly running?: number;
  readonly stopped?: true;
  readonly maintenance?: true;
  /** Why nothing of it may change. */
  readonly lock?: string;
}

const Glance: z.ZodType<AppGlance> = described<AppGlance>('AppGlance', {
  name: text,
  url: text,
  release: maybe(
    part<NonNullable<AppGlance['release']>>({
      version: text,
      description: text,
      message: maybe(text),
      at: time,
      by: text,
    }),
  ),
  latest: maybe(
    part<NonNullable<AppGlance['latest']>>({
      id: text,
      kind: BuildKind,
      state: BuildState,
      who: text,
      acceptedAt: time,
      reason: maybe(text),
    }),
  ),
  wanted: count,
  running: maybe(count),
  stopped: maybe(z.literal(true)),
  maintenance: maybe(z.literal(true)),
  lock: maybe(text),
});

export function overviewRoutes(routes: Routes, tools: ApiTools): void {
  const { config, ledger, store, deployer } = tools;
  const glance = async (
    app: string,
    running: Readonly<Record<string, number>> | undefined,
  ): Promise<AppGlance[]> => {
    try {
      const [state, [latest]] = await Promise.all([ledger.read(app), store.list(app, { limit: 1 })]);
      const counted = running === undefined ? {} : { running: running[app] ?? 0 };
      return [{ url: appUrl(config, app), ...glanceOf(state, latest), ...counted }];
    } catch (thrown) {
      // Destroyed since the list was made.
      if (thrown instanceof SlipwayError && thrown.code === 'not_found') return [];
      throw thrown;
    }
  };

  routes.add({
    method: 'GET',
    path: '/overview',
    summary: 'All apps that you may see, each at a glance',
    tag: 'Apps',
    access: 'self',
    answers: { 200: z.object({ apps: z.array(Glance) }) },
    handle: async ({ who }) => {
      const names = (await ledger.listApps()).filter((app) => who.may(app, 'view')).sort();
      // The list is of use without a deployer, too.
      const running = names.length === 0 ? undefined : await deployer.running().catch(() => undefined);
      return { apps: (await Promise.all(names.map((app) => glance(app, running)))).flat() };
    },
  });

  routes.add({
    method: 'GET',
    path: '/queue',
    summary: 'The builds that have not ended, of all apps that you may see; the oldest first',
    tag: 'Builds',
    access: 'self',
    answers: { 200: z.object({ builds: z.array(Build) }) },
    handle: async ({ who }) => {
      const open = await store.open();
      return { builds: open.filter(({ app }) => who.may(app, 'view')).map(buildView) };
    },
  });
}

function glanceOf(
  { settings, releases, live, formation, maintenance, lock }: AppState,
  latest: Deployment | undefined,
): Omit<AppGlance, 'url'> {
  const release = releases.find(({ number }) => number === live);
  return {
    name: settings.name,
    ...(release === undefined ? {} : { release: releaseGlance(release) }),
    ...(latest === undefined ? {} : { latest: latestGlance(latest) }),
    wanted: (release?.processes ?? []).reduce((sum, { scale }) => sum + scale, 0),
    ...(formation.stopped === undefined ? {} : { stopped: true }),
    ...(maintenance === undefined ? {} : { maintenance: true }),
    ...(lock === undefined ? {} : { lock: lock.reason }),
  };
}

function releaseGlance(release: ReleaseWithOutcome): AppGlance['release'] & object {
  const { number, description, message, outcome, createdAt, createdBy } = release;
  return {
    version: `v${number}`,
    description,
    ...(message === undefined ? {} : { message }),
    at: outcome?.at ?? createdAt,
    by: createdBy,
  };
}

function latestGlance(latest: Deployment): AppGlance['latest'] & object {
  const { id, kind, state, who, acceptedAt, reason } = buildView(latest);
  return { id, kind, state, who, acceptedAt, ...(reason === undefined ? {} : { reason }) };
}

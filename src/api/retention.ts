/** Retention: what stays, what goes, and letting it go. Looking and choosing is for who may use the app, removing for the operator. */
import { z } from 'zod';
import type { AppSweep, KeptRelease } from '../housekeeping/retention/parts.js';
import { sweepApp } from '../housekeeping/retention/sweep.js';
import { checkAppName } from '../model/app.js';
import type { Turns } from '../turns.js';
import type { HostSweep, HostsSweep } from './deployer-client.js';
import { count, described, list, maybe, number, part, text, yes } from './described.js';
import { Version } from './request.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const MAX_KEEP = 10_000;
const Policy = z.strictObject({
  keep: z.union(
    [z.int().min(1).max(MAX_KEEP), z.null()],
    `must be a whole number from 1 to ${MAX_KEEP}, or null for the platform's`,
  ),
});
const Run = z.strictObject({ dryRun: z.boolean().default(false) });
const HostsRun = z.strictObject({ dryRun: z.boolean().default(false), app: z.string().optional() });

/** What the next sweep would do. */
export interface RetentionView extends AppSweep {
  /** Of the app, and not the platform's number. */
  readonly isOwn: boolean;
  readonly keepRecordsMs: number;
}

const sweep = {
  app: text,
  keep: count,
  kept: list(part<KeptRelease>({ number: count, as: z.enum(['live', 'open', 'pinned', 'newest']) })),
  going: list(count),
  registry: part<AppSweep['registry']>({
    images: count,
    bytes: count,
    state: z.enum(['done', 'refused', 'busy']),
  }),
  records: part<AppSweep['records']>({ deployments: count, bytes: count }),
  compressed: part<AppSweep['compressed']>({ logs: count, bytes: count }),
};
const Sweep: z.ZodType<AppSweep> = described<AppSweep>('Sweep', sweep);
const Retention: z.ZodType<RetentionView> = described<RetentionView>('Retention', {
  ...sweep,
  isOwn: yes,
  keepRecordsMs: number,
});
const HostsSwept: z.ZodType<HostsSweep> = described<HostsSweep>('HostsSweep', {
  hosts: list(
    part<HostSweep>({
      host: text,
      images: count,
      bytes: count,
      apps: list(part<HostSweep['apps'][number]>({ app: text, images: count, bytes: count })),
      silent: maybe(text),
    }),
  ),
});
const Pinned = z.object({ app: z.string(), release: z.string(), pinned: z.boolean() });

export function retentionRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
  const { ledger, retention } = tools;
  const view = async (app: string): Promise<RetentionView> => {
    const sweep = await sweepApp(retention, app, { dryRun: true });
    const isOwn = (await ledger.read(app)).keep !== undefined;
    return { ...sweep, isOwn, keepRecordsMs: retention.policy.keepRecordsMs };
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/retention',
    summary: 'What the next sweep would keep and let go',
    tag: 'Retention',
    access: 'view',
    answers: { 200: Retention },
    handle: async ({ params: { app } }) => view(app),
  });

  routes.add({
    method: 'PATCH',
    path: '/apps/:app/retention',
    summary: 'Set how many good releases stay',
    tag: 'Retention',
    access: 'deploy',
    body: Policy,
    answers: { 200: Retention },
    handle: async ({ who, params: { app }, body: { keep } }) => {
      await turns.take(app, () => ledger.setKeep(app, keep ?? undefined, who.name));
      return view(app);
    },
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/retention/run',
    summary: 'Let go now what is not kept of an app',
    tag: 'Retention',
    access: 'platform',
    body: Run,
    answers: { 200: Sweep },
    handle: async ({ params: { app }, body: { dryRun } }) => sweepApp(retention, app, { dryRun }),
  });

  routes.add({
    method: 'POST',
    path: '/retention/hosts',
    summary: 'Remove the images of no kept release from the hosts',
    tag: 'Retention',
    access: 'platform',
    body: HostsRun,
    answers: { 200: HostsSwept },
    handle: async ({ body: { dryRun, app } }) =>
      tools.deployer.sweepImages({ dryRun, ...(app === undefined ? {} : { app: checkAppName(app) }) }),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/releases/:release/pin',
    summary: 'Pin a release: it stays, however old it gets',
    tag: 'Retention',
    access: 'deploy',
    params: { release: Version },
    answers: { 200: Pinned },
    handle: async ({ who, params: { app, release } }) => {
      await ledger.pin(app, release, who.name);
      return { app, release: `v${release}`, pinned: true };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/releases/:release/pin',
    summary: 'Unpin a release',
    tag: 'Retention',
    access: 'deploy',
    params: { release: Version },
    answers: { 200: Pinned },
    handle: async ({ who, params: { app, release } }) => {
      await ledger.unpin(app, release, who.name);
      return { app, release: `v${release}`, pinned: false };
    },
  });
}

/** Retention: what stays, what goes, and letting it go. Looking and choosing is for who may use the app, removing for admins. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { AppSweep } from '../housekeeping/retention/parts.js';
import { sweepApp } from '../housekeeping/retention/sweep.js';
import { checkAppName } from '../model/app.js';
import type { Turns } from '../turns.js';
import { releaseNumber } from './releases.js';
import { type AppParams, parseBody } from './request.js';
import { type ApiTools, identityOf, requireAdmin, requireApp } from './tools.js';

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

interface ReleaseParams extends AppParams {
  readonly release: string;
}

export function retentionRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  const { ledger, retention } = tools;
  const view = async (app: string): Promise<RetentionView> => {
    const sweep = await sweepApp(retention, app, { dryRun: true });
    const isOwn = (await ledger.read(app)).keep !== undefined;
    return { ...sweep, isOwn, keepRecordsMs: retention.policy.keepRecordsMs };
  };

  api.get<{ Params: AppParams }>('/apps/:app/retention', async (request) =>
    view(await requireApp(tools, request, request.params.app)),
  );

  api.patch<{ Params: AppParams }>('/apps/:app/retention', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const { keep } = parseBody(Policy, request.body);
    await turns.take(app, () => ledger.setKeep(app, keep ?? undefined, identityOf(request).name));
    return view(app);
  });

  api.post<{ Params: AppParams }>('/apps/:app/retention/run', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    requireAdmin(request);
    const { dryRun } = parseBody(Run, request.body);
    return sweepApp(retention, app, { dryRun });
  });

  api.post('/retention/hosts', async (request) => {
    requireAdmin(request);
    const { dryRun, app } = parseBody(HostsRun, request.body);
    return tools.deployer.sweepImages({ dryRun, ...(app === undefined ? {} : { app: checkAppName(app) }) });
  });

  api.put<{ Params: ReleaseParams }>('/apps/:app/releases/:release/pin', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const number = releaseNumber(request.params.release);
    await ledger.pin(app, number, identityOf(request).name);
    return { app, release: `v${number}`, pinned: true };
  });

  api.delete<{ Params: ReleaseParams }>('/apps/:app/releases/:release/pin', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const number = releaseNumber(request.params.release);
    await ledger.unpin(app, number, identityOf(request).name);
    return { app, release: `v${number}`, pinned: false };
  });
}

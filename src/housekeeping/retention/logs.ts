/** Compresses the logs of deployments that ended long ago, those of kept releases too. They are read as before. */
import { type Deployment, isFinal } from '../../model/deployment.js';
import type { LogsSweep, RetentionParts, SweepOptions } from './parts.js';

export async function compressLogs(
  { store, policy }: Pick<RetentionParts, 'store' | 'policy'>,
  app: string,
  deployments: readonly Deployment[],
  { dryRun, signal }: SweepOptions,
): Promise<LogsSweep> {
  let logs = 0;
  let bytes = 0;
  for (const { id, state, endedAt = Number.POSITIVE_INFINITY } of dryRun ? [] : deployments) {
    signal?.throwIfAborted();
    if (!isFinal(state) || Date.now() - endedAt < policy.compressLogsMs) continue;
    const freed = await store.compressLog(app, id);
    if (freed === undefined) continue;
    logs += 1;
    bytes += freed;
  }
  return { logs, bytes };
}

/** Removes journals and logs of deployments that ended long ago and that no kept release came from. */
import { type Deployment, isFinal } from '../../model/deployment.js';
import type { RetentionState } from '../../model/retention.js';
import type { RecordsSweep, RetentionParts, SweepOptions } from './parts.js';

export interface OldRecords {
  readonly app: string;
  readonly state: RetentionState;
  readonly deployments: readonly Deployment[];
}

/** Those of releases that were not let go stay, and so do those whose containers serve. */
export async function sweepRecords(
  { store, repositories, policy }: RetentionParts,
  { app, state, deployments }: OldRecords,
  { dryRun, signal }: SweepOptions,
): Promise<RecordsSweep> {
  const kept = new Set(
    state.releases
      .filter(({ gone }) => !gone)
      .flatMap(({ deploymentId, outcome }) => [deploymentId, ...(outcome?.containersOf ?? [])]),
  );
  const old = deployments.filter(
    ({ id, state: end, endedAt = Number.POSITIVE_INFINITY }) =>
      isFinal(end) && !kept.has(id) && Date.now() - endedAt >= policy.keepRecordsMs,
  );
  if (old.length === 0) return { deployments: 0, bytes: 0 };
  const pins = dryRun ? new Map<string, string>() : await repositories.pins(app);
  let bytes = 0;
  for (const { id } of old) {
    signal?.throwIfAborted();
    bytes += await store.sizeBytes(app, id);
    if (dryRun) continue;
    // Nobody would know any more that the push has ended.
    if (pins.has(id)) await repositories.unpin(app, id);
    await store.remove(app, id);
  }
  return { deployments: old.length, bytes };
}

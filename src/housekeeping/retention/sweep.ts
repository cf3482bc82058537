/**
 * Mark and sweep: lets the releases of an app go that retention does not keep, then removes what only they needed from the
 * registry and the records. What lies on hosts the deployer removes (deploy/sweep-images.ts), the builder's store its builder.
 */
import { SlipwayError, toSlipwayError } from '../../errors.js';
import type { Logger } from '../../log.js';
import { isFinal } from '../../model/deployment.js';
import {
  dispensableReleases,
  keptReleases,
  type RetentionState,
  withoutReleases,
} from '../../model/retention.js';
import { compressLogs } from './logs.js';
import type { AppSweep, RetentionParts, SweepOptions } from './parts.js';
import { sweepRecords } from './records.js';
import { sweepRegistry } from './registry.js';

/** Throws `not_found`, or what registry and disk say. Repeated, it goes on where it was cut off. */
export async function sweepApp(parts: RetentionParts, app: string, options: SweepOptions): Promise<AppSweep> {
  const { ledger, policy, store } = parts;
  const before = await ledger.read(app);
  const going = dispensableReleases(before, policy.keepReleases);
  const state = options.dryRun
    ? withoutReleases(before, going)
    : await ledger.letGo(app, policy.keepReleases);
  const deployments = await store.list(app);
  const otherApps = (): Promise<RetentionState[]> => statesOf(parts, app);
  const records = { app, state, going, deployments, otherApps };
  const registry = await sweepRegistry(parts, records, options);
  // What the registry still has is found by its records.
  const ended = deployments.filter(({ state: end }) => isFinal(end));
  const swept = registry.state === 'busy' ? [] : ended;
  const sweptRecords = await sweepRecords(parts, { app, state, deployments: swept }, options);
  return {
    app,
    keep: state.keep ?? policy.keepReleases,
    kept: keptOf(state, policy.keepReleases),
    going,
    registry,
    records: sweptRecords,
    compressed: await compressLogs(parts, app, await store.list(app), options),
  };
}

/** Newest first. */
export function keptOf(state: RetentionState, platformKeep: number): AppSweep['kept'] {
  return [...keptReleases(state, platformKeep)]
    .map(([number, as]) => ({ number, as }))
    .sort((a, b) => b.number - a.number);
}

/** One whose ledger cannot be read needs only images of its own repository, which is left alone then. */
export async function statesOf({ ledger }: RetentionParts, but?: string): Promise<RetentionState[]> {
  const states: RetentionState[] = [];
  for (const app of await ledger.listApps()) {
    if (app === but) continue;
    await ledger.read(app).then(
      (state) => states.push(state),
      () => undefined,
    );
  }
  return states;
}

/** Every app, one after the other. One that fails does not keep the others from their turn. */
export class Sweeper {
  readonly #parts: RetentionParts;
  readonly #log: Logger;
  /** That the registry removes nothing is said once. */
  #isRefused = false;

  constructor(parts: RetentionParts, log: Logger) {
    this.#parts = parts;
    this.#log = log;
  }

  /** Throws `unavailable` at the end when an app could not be swept. */
  async sweepAll(signal: AbortSignal): Promise<void> {
    let failed = 0;
    for (const app of await this.#parts.ledger.listApps()) {
      signal.throwIfAborted();
      try {
        this.#report(await sweepApp(this.#parts, app, { dryRun: false, signal }));
      } catch (thrown) {
        signal.throwIfAborted();
        const { code, message } = toSlipwayError(thrown);
        // Destroyed meanwhile.
        if (code === 'not_found') continue;
        failed += 1;
        this.#log.warn({ app, code, err: code === 'internal' ? thrown : message }, 'an app was not swept');
      }
    }
    if (failed > 0)
      throw new SlipwayError('unavailable', `${failed} apps were not swept`, { temporary: true });
  }

  #report({ app, going, registry, records, compressed }: AppSweep): void {
    if (going.length + registry.images + records.deployments + compressed.logs > 0)
      this.#log.info({ app, going, registry, records, compressed }, 'removed what is not kept');
    if (registry.state !== 'refused' || this.#isRefused) return;
    this.#isRefused = true;
    this.#log.warn(
      { registry: this.#parts.registryHost },
      'the registry removes no images; allow it to, or let it expire them itself',
    );
  }
}

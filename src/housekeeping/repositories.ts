/** What the apps' repositories gather: pins of pushes long ended, a pack for each push, and what killed processes left. */
import type { AppRepositories } from '../git/app-repository.js';
import type { Git } from '../git/git.js';
import type { Ledger } from '../ledger/ledger.js';
import { isFinal } from '../model/deployment.js';
import type { DeploymentStore } from '../records/deployments.js';

export interface RepositoryParts {
  readonly ledger: Pick<Ledger, 'listApps'>;
  readonly repositories: Pick<AppRepositories, 'pins' | 'unpin' | 'path' | 'sweep'>;
  readonly store: Pick<DeploymentStore, 'get' | 'open'>;
  readonly git: Pick<Git, 'run'>;
}

/** Pins of ended pushes that are kept, so that their sources can be looked at. Those of releases the ledger keeps. */
const PINS_KEPT = 20;
/** No push takes this long: what is older is nobody's any more. */
const LEFT_AFTER_MS = 24 * 60 * 60_000;
/** Every push leaves a pack (receive.unpackLimit); beyond this many they are made into one. */
const PACKS = 50;
const GC_TIMEOUT_MS = 30 * 60_000;

/** Removes the pins of deployments that have ended, but for the newest. What is not known to have ended is kept. */
export async function removeOldPins(
  parts: RepositoryParts,
  app: string,
  keep: number = PINS_KEPT,
): Promise<void> {
  // Ids sort by time.
  const ids = [...(await parts.repositories.pins(app)).keys()].sort().reverse();
  for (const id of ids.slice(keep)) {
    const deployment = await parts.store.get(app, id);
    if (deployment !== undefined && isFinal(deployment.state)) await parts.repositories.unpin(app, id);
  }
}

/**
 * Lets git pack what has gathered. Objects that nothing names are removed two weeks after they came (gc.pruneExpire), which
 * no push under way can be; an app that builds just now is passed over all the same, since it needs the disk.
 */
export async function packRepository(
  parts: RepositoryParts,
  app: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await parts.store.open(app)).length > 0) return;
  const settings = ['gc.auto=6700', `gc.autoPackLimit=${PACKS}`, 'gc.autoDetach=false'];
  await parts.git.run([...settings.flatMap((setting) => ['-c', setting]), 'gc', '--auto', '--quiet'], {
    gitDir: parts.repositories.path(app),
    timeoutMs: GC_TIMEOUT_MS,
    signal,
  });
}

export async function tidyRepositories(parts: RepositoryParts, signal: AbortSignal): Promise<void> {
  await parts.repositories.sweep(LEFT_AFTER_MS);
  const failures: unknown[] = [];
  for (const app of await parts.ledger.listApps()) {
    signal.throwIfAborted();
    try {
      await removeOldPins(parts, app);
      await packRepository(parts, app, signal);
    } catch (thrown) {
      // Destroyed meanwhile, or damaged: the other apps have their turn.
      failures.push(thrown);
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} repositories could not be tidied`);
}

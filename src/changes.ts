/**
 * The wishes that do not come by push: roll back, change config, cancel. Each makes a deployment and returns at once; the
 * deployer carries it out and everybody follows it by its log.
 */

import type { Limits } from './config.js';
import { SlipwayError } from './errors.js';
import type { Ledger, ReleaseDraft } from './ledger/ledger.js';
import { BuildLog } from './logs/log-writer.js';
import { type Deployment, isFinal, isWaiting } from './model/deployment.js';
import { lastGoodBefore, type ReleaseWithOutcome } from './model/release.js';
import type { Queues } from './queue/queues.js';
import type { DeploymentStore } from './records/deployments.js';

export interface ChangeTools {
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
  readonly queues: Pick<Queues, 'enqueueRollout'>;
  readonly limits: Pick<Limits, 'logBytes' | 'logLineBytes'>;
}

/**
 * Brings an earlier release back as a new one, with its image and its config. Without a number: the last one before the
 * live one that was live itself. Throws `no_release` or `release_unusable`.
 */
export async function requestRollback(
  tools: ChangeTools,
  app: string,
  number: number | undefined,
  who: string,
): Promise<Deployment> {
  const { releases, live } = await tools.ledger.read(app);
  if (live === undefined)
    throw new SlipwayError('no_release', `${app} has no live release to roll back from`, {
      hint: 'push to deploy first',
    });
  const target =
    number === undefined
      ? lastGoodBefore(releases, live)
      : releases.find((release) => release.number === number);
  if (target === undefined) {
    throw number === undefined
      ? new SlipwayError('no_release', `${app} has no earlier good release than v${live}`, {
          hint: `see: slipway releases -a ${app}`,
        })
      : new SlipwayError('no_release', `${app} has no release v${number}`, {
          hint: `see: slipway releases -a ${app}`,
        });
  }
  if (target.number === live) {
    throw new SlipwayError('release_unusable', `v${live} is the live release of ${app}`, {
      hint: 'name an earlier one',
    });
  }
  if (target.outcome?.state !== 'live') {
    const state = target.outcome?.state ?? 'not finished';
    throw new SlipwayError('release_unusable', `v${target.number} of ${app} never went live (${state})`, {
      hint: `choose a release that did: slipway releases -a ${app}`,
    });
  }
  return startRelease(
    tools,
    app,
    who,
    'rollback',
    `Rolling ${app} back to v${target.number}`,
    (deploymentId) => ({
      ...contentOf(target),
      kind: 'rollback',
      deploymentId,
      rollbackOf: target.number,
      description: `rollback to v${target.number}`,
    }),
  );
}

/**
 * Sets (string) and unsets (null) config vars. With a live release this makes a new one, which is rolled out; without,
 * the vars wait for the first deploy and nothing is returned.
 */
export async function requestConfigChange(
  tools: ChangeTools,
  app: string,
  changes: Readonly<Record<string, string | null>>,
  who: string,
): Promise<Deployment | undefined> {
  if (Object.keys(changes).length === 0) {
    throw new SlipwayError('bad_request', 'no config var is named', {
      hint: 'slipway config:set NAME=value',
    });
  }
  await tools.ledger.setConfig(app, changes, who);
  const { releases, live, config } = await tools.ledger.read(app);
  const current = releases.find((release) => release.number === live);
  if (current === undefined) return undefined;
  const description = describeConfigChange(changes);
  return startRelease(tools, app, who, 'config', `Config of ${app}: ${description}`, (deploymentId) => ({
    ...contentOf(current),
    config,
    kind: 'config',
    deploymentId,
    description,
  }));
}

/**
 * Asks for a deployment's end. One that waits ends here; one that is worked on ends when its worker has cleaned up.
 * Throws `conflict` when it has ended already.
 */
export async function requestCancel(
  tools: Pick<ChangeTools, 'store' | 'ledger'>,
  app: string,
  id: string,
  who: string,
): Promise<Deployment> {
  const deployment = await tools.store.get(app, id);
  if (deployment === undefined)
    throw new SlipwayError('not_found', `${app} has no build ${id}`, {
      hint: `see: slipway builds -a ${app}`,
    });
  if (isFinal(deployment.state))
    throw new SlipwayError('conflict', `build ${id} has ended: ${deployment.state}`);
  const asked = await tools.store.append(app, id, { type: 'cancel', at: Date.now(), who });
  if (!isWaiting(asked.state)) return asked;
  const ended = await tools.store.end(app, id, {
    state: 'cancelled',
    reason: `cancelled by ${who}`,
    code: 'cancelled',
  });
  if (ended.state === 'cancelled') await closeRelease(tools.ledger, ended);
  return ended;
}

/** Ends the app's older waiting deployments; each is told by which. The newest wish wins (invariant 3). */
export async function supersedeOlder(
  tools: Pick<ChangeTools, 'store' | 'ledger'>,
  newest: Deployment,
): Promise<void> {
  for (const older of await tools.store.open(newest.app)) {
    if (older.id >= newest.id || !isWaiting(older.state)) continue;
    const ended = await tools.store.end(older.app, older.id, {
      state: 'superseded',
      reason: `superseded by build ${newest.id}`,
      code: 'superseded',
    });
    if (ended.state === 'superseded') await closeRelease(tools.ledger, ended);
  }
}

/** A deployment that ended without its release going live leaves no release without an outcome. */
async function closeRelease(ledger: Ledger, ended: Deployment): Promise<void> {
  if (ended.release === undefined) return;
  const state = ended.state === 'cancelled' || ended.state === 'superseded' ? ended.state : 'failed';
  await ledger.recordOutcome(ended.app, ended.release, {
    state,
    at: new Date().toISOString(),
    ...(ended.reason === undefined ? {} : { reason: ended.reason }),
  });
}

async function startRelease(
  tools: ChangeTools,
  app: string,
  who: string,
  kind: 'rollback' | 'config',
  headline: string,
  draft: (deploymentId: string) => ReleaseDraft,
): Promise<Deployment> {
  const { id } = await tools.store.create(app, { kind, who });
  const log = await BuildLog.open(tools.store.logPath(app, id), tools.limits);
  try {
    await log.headline(headline);
  } finally {
    await log.close();
  }
  const release = await tools.ledger.appendRelease(app, draft(id), who);
  const ready = await tools.store.append(app, id, {
    type: 'release',
    at: Date.now(),
    number: release.number,
  });
  await supersedeOlder(tools, ready);
  // The reconciler finds it when the queue cannot be reached now.
  await tools.queues.enqueueRollout(app);
  return ready;
}

function contentOf(
  release: ReleaseWithOutcome,
): Pick<ReleaseDraft, 'image' | 'source' | 'config' | 'processes'> {
  const { image, source, config, processes } = release;
  return { image, source, config, processes };
}

function describeConfigChange(changes: Readonly<Record<string, string | null>>): string {
  const set = Object.keys(changes).filter((name) => changes[name] !== null);
  const unset = Object.keys(changes).filter((name) => changes[name] === null);
  return [set.length > 0 ? `set ${set.join(', ')}` : '', unset.length > 0 ? `unset ${unset.join(', ')}` : '']
    .filter((part) => part !== '')
    .join('; ');
}

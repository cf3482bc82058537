/**
 * Ending deployments before their time: cancelled by a person, superseded by a newer wish, or because their app goes.
 *
 * Of what waits for the same thing the newest wins (invariant 3). Pushes that wait for a builder are ordered by id; releases
 * that wait for their rollout by number, since a push may be older than a config change and yet end up in a newer release,
 * with the changed config in it. Only a rollback reaches over to the builds: see `requestRollback`.
 */

import { SlipwayError } from './errors.js';
import type { Ledger } from './ledger/ledger.js';
import type { People } from './ledger/people.js';
import { type ClaimPhase, type Deployment, isFinal, isWaiting } from './model/deployment.js';
import type { Queues } from './queue/queues.js';
import type { DeploymentEnd, DeploymentStore } from './records/deployments.js';

export interface EndingTools {
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
}

/**
 * Asks for a deployment's end. One that waits ends here; one that is worked on ends when its worker has cleaned up.
 * Throws `conflict` when it has ended already.
 */
export async function requestCancel(
  tools: EndingTools,
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
    throw new SlipwayError('conflict', `build ${id} has ended: ${deployment.state}`, {
      hint: `nothing of it is under way; see: slipway builds -a ${app}`,
    });
  const asked = await tools.store.append(app, id, { type: 'cancel', at: Date.now(), who });
  if (!isWaiting(asked.state)) return asked;
  return endUnheld(tools, asked, { state: 'cancelled', reason: `cancelled by ${who}`, code: 'cancelled' });
}

/** Ends what is under way, and the app with it. Its records are set aside: a new app of that name has a fresh history. */
export async function destroyApp(
  tools: EndingTools & {
    readonly queues: Pick<Queues, 'enqueueRollout'>;
    readonly people: Pick<People, 'endApp'>;
  },
  app: string,
  who: string,
): Promise<void> {
  for (const open of await tools.store.open(app))
    await endHeld(tools, open, who, {
      state: 'cancelled',
      reason: `${app} was destroyed by ${who}`,
      code: 'cancelled',
    });
  await tools.ledger.destroyApp(app, who);
  await tools.people.endApp(app, who);
  await tools.store.setAside(app);
  // The deployer sees an app without a ledger and stops its containers.
  await tools.queues.enqueueRollout(app);
}

/** Ends what waits for the same thing as this deployment and is older; each is told by which (invariant 3). */
export async function supersedeOlder(tools: EndingTools, newest: Deployment): Promise<void> {
  const { app, release } = newest;
  if (release === undefined) return supersedeWaitingPushes(tools.store, newest);
  for (const older of await tools.store.open(app))
    if (older.state === 'ready' && older.release !== undefined && older.release < release)
      await endUnheld(tools, older, supersededBy(newest));
}

/** The pushes that wait for a builder and are older than this one will never be built. */
export async function supersedeWaitingPushes(
  store: Pick<DeploymentStore, 'open' | 'end'>,
  newest: Deployment,
): Promise<void> {
  for (const older of await store.open(newest.app))
    if (older.kind === 'push' && older.state === 'accepted' && older.id < newest.id)
      await store.end(older.app, older.id, supersededBy(newest));
}

/** As `supersedeWaitingPushes`, and also those that a builder works on. */
export async function supersedeBuilds(tools: EndingTools, newest: Deployment): Promise<void> {
  for (const older of await tools.store.open(newest.app))
    if (
      (older.state === 'accepted' || older.state === 'building') &&
      older.kind === 'push' &&
      older.id < newest.id
    )
      await endHeld(tools, older, newest.who, supersededBy(newest));
}

const NAMES: Readonly<Record<Deployment['kind'], string>> = {
  push: 'build',
  rollback: 'rollback',
  config: 'config change',
  scale: 'change of scale',
  resources: 'change of limits',
  placement: 'change of placement',
  domains: 'change of domains',
  restart: 'restart',
  stop: 'stop',
  start: 'start',
};

/** How a deployment ends that a newer one makes pointless. */
export function supersededBy({
  kind,
  id,
}: Deployment): DeploymentEnd & { readonly state: 'superseded'; readonly reason: string } {
  return { state: 'superseded', reason: `superseded by ${NAMES[kind]} ${id}`, code: 'superseded' };
}

/** A worker may have taken it a moment ago, then it goes on: the caller looks at the state. */
async function endUnheld(
  tools: EndingTools,
  { app, id }: Deployment,
  end: DeploymentEnd,
): Promise<Deployment> {
  const ended = await tools.store.end(app, id, end);
  if (ended.state === end.state) await closeRelease(tools.ledger, ended);
  return ended;
}

/** Ends it whoever works on it: with the claim taken over, whatever that worker still does counts for nothing. */
async function endHeld(
  tools: EndingTools,
  { app, id }: Deployment,
  who: string,
  end: DeploymentEnd,
): Promise<void> {
  // This is what makes its worker stop early.
  let now = await tools.store.append(app, id, { type: 'cancel', at: Date.now(), who });
  // It changes hands at most twice more: from the queue to a builder, and from there to a deployer.
  for (let attempt = 0; attempt < 4 && !isFinal(now.state); attempt += 1) {
    const phases: Partial<Record<Deployment['state'], ClaimPhase>> = {
      building: 'build',
      releasing: 'rollout',
    };
    const phase = phases[now.state];
    const claim = phase === undefined ? undefined : await tools.store.claim(app, id, phase, who);
    now = await tools.store.end(app, id, { ...end, ...(claim === undefined ? {} : { claim: claim.token }) });
  }
  if (isFinal(now.state)) await closeRelease(tools.ledger, now);
}

/** A deployment that ended without its release going live leaves no release without an outcome. */
export async function closeRelease(
  ledger: Ledger,
  { app, id, state, reason, endedAt }: Deployment,
): Promise<void> {
  if (state !== 'cancelled' && state !== 'superseded' && state !== 'failed') return;
  const { releases } = await ledger.read(app);
  // By the deployment: its worker may have been stopped between the ledger and the journal.
  const release = releases.find((made) => made.deploymentId === id);
  if (release === undefined || release.outcome !== undefined) return;
  await ledger.recordOutcome(app, release.number, {
    state,
    at: new Date(endedAt ?? Date.now()).toISOString(),
    ...(reason === undefined ? {} : { reason }),
  });
}

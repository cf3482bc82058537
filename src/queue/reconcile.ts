/**
 * The reconciler (invariants 1 and 2): compares what was accepted with what ended, puts the rest back on the queues,
 * and ends what a killed process left without a way on. Everything it does may be done twice and by several processes
 * at once.
 *
 *   push accepted, building           → enqueue a build (of a commit from elsewhere also before it is pinned)
 *   any  ready, releasing             → enqueue a rollout (also when the ledger says live: the deployer finishes it)
 *   push accepted, never pinned       → failed, after a minute
 *   rollback or config accepted       → ready if the ledger has its release; else failed, after a minute
 *   open, of an app that is gone      → cancelled
 *   release without outcome, whose deployment ended → that outcome
 */
import { type Clock, systemClock } from '../clock.js';
import { toSlipwayError } from '../errors.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Logger } from '../log.js';
import { type ClaimPhase, type Deployment, type FinalState, isFinal } from '../model/deployment.js';
import type { OutcomeState, ReleaseWithOutcome } from '../model/release.js';
import type { DeploymentStore } from '../records/deployments.js';
import type { Queues } from './queues.js';

export interface ReconcileParts {
  readonly store: DeploymentStore;
  readonly ledger: Pick<Ledger, 'appExists' | 'listApps' | 'read' | 'recordOutcome'>;
  readonly queues: Pick<Queues, 'enqueueBuild' | 'enqueueRollout'>;
  readonly repositories: Pick<AppRepositories, 'pins'>;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** What takes longer than this between two steps of an acceptance was killed. */
const ACCEPTANCE_MS = 60_000;

/** One pass. Trouble with one deployment or app is logged and does not keep the others waiting. */
export async function reconcile(parts: ReconcileParts): Promise<void> {
  const work = { builds: new Set<string>(), rollouts: new Set<string>() };
  for (const deployment of await parts.store.open()) {
    await guarded(parts, { app: deployment.app, deployment: deployment.id }, () =>
      settle(parts, deployment, work),
    );
  }
  await enqueue(work.builds, (app) => parts.queues.enqueueBuild(app));
  await enqueue(work.rollouts, (app) => parts.queues.enqueueRollout(app));
  for (const app of await parts.ledger.listApps()) {
    await guarded(parts, { app }, () => recordMissingOutcomes(parts, app));
  }
}

/** Stops at the first that Redis does not take: a new connection brings another pass. */
async function enqueue(apps: Iterable<string>, put: (app: string) => Promise<boolean>): Promise<void> {
  for (const app of apps) if (!(await put(app))) return;
}

async function settle(
  parts: ReconcileParts,
  deployment: Deployment,
  work: { readonly builds: Set<string>; readonly rollouts: Set<string> },
): Promise<void> {
  const { app, id, kind, state, push } = deployment;
  if (!(await parts.ledger.appExists(app))) return endOfGoneApp(parts, deployment);
  if (state === 'ready' || state === 'releasing') {
    work.rollouts.add(app);
  } else if (state === 'building') {
    work.builds.add(app);
  } else if (kind === 'push') {
    const isKept = push?.from !== undefined || (await parts.repositories.pins(app)).has(id);
    if (isKept) work.builds.add(app);
    else await endInterrupted(parts, deployment, 'push again');
  } else if (state === 'accepted') {
    const { releases } = await parts.ledger.read(app);
    const release = releases.find((made) => made.deploymentId === id);
    if (release === undefined) return endInterrupted(parts, deployment, 'try again');
    await parts.store.append(app, id, { type: 'release', at: now(parts), number: release.number });
    work.rollouts.add(app);
  }
}

async function endInterrupted(parts: ReconcileParts, deployment: Deployment, next: string): Promise<void> {
  if (now(parts) - deployment.acceptedAt < ACCEPTANCE_MS) return;
  const reason = `was interrupted before it was accepted; ${next}`;
  const { app, id } = deployment;
  const ended = await parts.store.end(app, id, { state: 'failed', reason, code: 'unavailable' });
  parts.log.warn({ app, deployment: id, state: ended.state }, 'ended what was interrupted at its acceptance');
}

async function endOfGoneApp(parts: ReconcileParts, deployment: Deployment): Promise<void> {
  const { app, id, state } = deployment;
  const phases: Partial<Record<typeof state, ClaimPhase>> = { building: 'build', releasing: 'rollout' };
  const phase = phases[state];
  // A worker that still holds it learns from the claim that it holds it no longer.
  const claim = phase === undefined ? undefined : await parts.store.claim(app, id, phase, 'reconciler');
  await parts.store.end(app, id, {
    state: 'cancelled',
    reason: 'the app was destroyed',
    code: 'cancelled',
    ...(claim === undefined ? {} : { claim: claim.token }),
  });
}

async function recordMissingOutcomes(parts: ReconcileParts, app: string): Promise<void> {
  const { releases } = await parts.ledger.read(app);
  for (const release of releases.filter((made) => made.outcome === undefined)) {
    const deployment = await parts.store.get(app, release.deploymentId);
    const ended = deployment === undefined ? lostRecord(parts, release) : endOf(deployment);
    if (ended === undefined) continue;
    const at = new Date(ended.at).toISOString();
    const { state, reason } = ended;
    await parts.ledger.recordOutcome(app, release.number, {
      state,
      at,
      ...(reason === undefined ? {} : { reason }),
    });
  }
}

interface End {
  readonly state: OutcomeState;
  readonly at: number;
  readonly reason?: string;
}

function endOf(deployment: Deployment): End | undefined {
  const { state, endedAt = deployment.acceptedAt, reason } = deployment;
  if (!isFinal(state)) return undefined;
  return { state: outcomeOf(state), at: endedAt, ...(reason === undefined ? {} : { reason }) };
}

/** `built` ends a build-only push, which makes no release. */
function outcomeOf(state: FinalState): OutcomeState {
  return state === 'built' ? 'superseded' : state;
}

/** After a restore from the repositories alone there are releases without records. */
function lostRecord(parts: ReconcileParts, release: ReleaseWithOutcome): End | undefined {
  if (now(parts) - Date.parse(release.createdAt) < ACCEPTANCE_MS) return undefined;
  return { state: 'failed', at: now(parts), reason: 'its record was lost before it was rolled out' };
}

async function guarded(parts: ReconcileParts, what: object, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    const { code, message } = toSlipwayError(thrown);
    parts.log.error(
      { ...what, code, err: code === 'internal' ? thrown : message },
      'could not be reconciled',
    );
  }
}

function now(parts: ReconcileParts): number {
  return (parts.clock ?? systemClock).now();
}

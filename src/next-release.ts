/**
 * Making a release that no push brings: from what stands now, with one thing changed. It becomes a deployment that the deployer
 * carries out and everybody follows by its log. Which wishes there are is in changes.ts and formation-changes.ts.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Limits } from './config.js';
import { closeRelease, supersedeOlder } from './endings.js';
import { toSlipwayError } from './errors.js';
import type { AppState } from './ledger/app-documents.js';
import type { HostBook } from './ledger/hosts.js';
import { type Ledger, OutdatedDraft, type ReleaseDraft } from './ledger/ledger.js';
import { BuildLog } from './logs/log-writer.js';
import { type Deployment, isFinal } from './model/deployment.js';
import { LOCAL_HOST, placedOn } from './model/host.js';
import type { ChangeKind, Release, ReleaseProcess, ReleaseWithOutcome } from './model/release.js';
import { strategyFor } from './model/strategy.js';
import { checkVolumeHost, volumesOf } from './model/volume.js';
import type { Queues } from './queue/queues.js';
import type { DeploymentStore } from './records/deployments.js';

export interface ChangeTools {
  readonly store: DeploymentStore;
  readonly ledger: Ledger;
  readonly hostBook: Pick<HostBook, 'list'>;
  readonly queues: Pick<Queues, 'enqueueRollout'>;
  readonly limits: Pick<Limits, 'logBytes' | 'logLineBytes' | 'appContainers'>;
}

/**
 * The release that serves, or the newest that is to: on the live one's image a change would take back the code that is being
 * rolled out.
 */
export async function newestStanding(
  store: DeploymentStore,
  app: string,
  { releases, live = 0 }: Pick<AppState, 'releases' | 'live'>,
): Promise<ReleaseWithOutcome | undefined> {
  for (const release of [...releases].sort((a, b) => b.number - a.number)) {
    if (release.number <= live) break;
    if (release.outcome !== undefined) continue;
    const deployment = await store.get(app, release.deploymentId);
    const goesOn =
      deployment !== undefined && !isFinal(deployment.state) && deployment.cancelledBy === undefined;
    if (goesOn) return release;
  }
  return releases.find((release) => release.number === live);
}

/** What of a release says what should run. Where, is decided anew for each release: see {@link placement}. */
export type Content = Pick<
  ReleaseDraft,
  | 'image'
  | 'source'
  | 'message'
  | 'author'
  | 'config'
  | 'processes'
  | 'releasePhase'
  | 'cron'
  | 'declaredStrategy'
>;

export function contentOf(release: Release): Content {
  const { image, source, message, author, config, processes, releasePhase, cron, declaredStrategy } = release;
  return {
    image,
    source,
    ...(message === undefined ? {} : { message }),
    ...(author === undefined ? {} : { author }),
    config,
    processes,
    ...(releasePhase === undefined ? {} : { releasePhase }),
    ...(cron === undefined ? {} : { cron }),
    ...(declaredStrategy === undefined ? {} : { declaredStrategy }),
  };
}

/**
 * Where a release of these processes runs that is made now. Nothing for the local host alone, as before there were others. Throws
 * `no_host`, or `conflict` when their volumes are elsewhere.
 */
export async function placement(
  hostBook: Pick<HostBook, 'list'>,
  { placement: wanted, volumes }: Pick<AppState, 'placement' | 'volumes'>,
  processes: readonly ReleaseProcess[],
): Promise<Pick<Release, 'hosts'>> {
  const hosts = await hostBook.list();
  const names = placedOn(wanted, hosts);
  checkVolumeHost(volumesOf(processes), names, volumes, hosts);
  return isDeepStrictEqual(names, [LOCAL_HOST]) ? {} : { hosts: names };
}

/** What is stopped or scaled to nothing needs no host: it can be so also when all of them are cordoned, and stays where it was. */
async function placementOf(
  hostBook: Pick<HostBook, 'list'>,
  state: AppState,
  { processes }: Pick<Content, 'processes'>,
): Promise<Pick<Release, 'hosts'>> {
  try {
    return await placement(hostBook, state, processes);
  } catch (thrown) {
    const isNeeded = processes.some(({ scale }) => scale > 0);
    if (isNeeded || toSlipwayError(thrown).code !== 'no_host') throw thrown;
    const { hosts } = state.releases.find(({ number }) => number === state.live) ?? {};
    return hosts === undefined ? {} : { hosts };
  }
}

export interface NewRelease {
  readonly kind: ChangeKind;
  /** The first lines of its log. */
  readonly headline: string;
  readonly lines?: readonly string[];
  /** Asked again when the app was changed before the release was written down: another one may stand by then. */
  readonly content: (state: AppState) => Promise<Content>;
  readonly description: string;
  readonly rollbackOf?: number;
  /** Of a restart: which process types, when not all. */
  readonly restarts?: readonly string[];
}

/** The deployment as it is then: `ready`, unless it was cancelled at this very moment. */
export async function startRelease(
  tools: ChangeTools,
  app: string,
  who: string,
  { kind, headline, lines = [], content, description, rollbackOf, restarts }: NewRelease,
): Promise<Deployment> {
  const { store, ledger, hostBook, queues } = tools;
  const whatAndWhere = async (state: AppState): Promise<Content & Pick<Release, 'hosts'>> => {
    const what = await content(state);
    return { ...what, ...(await placementOf(hostBook, state, what)) };
  };
  // What can run nowhere leaves no deployment behind.
  await whatAndWhere(await ledger.read(app));
  const { id } = await store.create(app, { kind, who });
  let number: number;
  try {
    await beginLog(tools, app, id, headline, lines);
    const draft = async (state: AppState): Promise<ReleaseDraft> => {
      const what = await whatAndWhere(state);
      const strategy = strategyFor(kind, state.strategy ?? what.declaredStrategy, what.processes);
      return {
        ...what,
        ...(strategy === undefined ? {} : { strategy }),
        kind,
        deploymentId: id,
        ...(rollbackOf === undefined ? {} : { rollbackOf }),
        ...(restarts === undefined ? {} : { restarts }),
        description,
      };
    };
    number = (await appendNewest(ledger, app, draft, who)).number;
  } catch (thrown) {
    const { code, message } = toSlipwayError(thrown);
    // The reconciler ends it a minute later when this fails as well: on a full disk everything does.
    await store.end(app, id, { state: 'failed', reason: message, code }).catch(() => undefined);
    throw thrown;
  }
  const started = await store.append(app, id, { type: 'release', at: Date.now(), number });
  if (isFinal(started.state)) {
    await closeRelease(ledger, started);
    return started;
  }
  await supersedeOlder(tools, started);
  // The reconciler finds it when the queue cannot be reached now.
  await queues.enqueueRollout(app);
  return started;
}

/** Builders and people change an app at the same time; each gets through in fewer. */
const DRAFTS_LIMIT = 20;

/** Makes the draft of the newest state, so that of two changes the later contains the earlier. */
export async function appendNewest(
  ledger: Pick<Ledger, 'read' | 'appendRelease'>,
  app: string,
  draft: (state: AppState) => Promise<ReleaseDraft>,
  who: string,
): Promise<Release> {
  for (let attempt = 1; ; attempt += 1) {
    const state = await ledger.read(app);
    try {
      return await ledger.appendRelease(app, await draft(state), who, state);
    } catch (thrown) {
      if (!(thrown instanceof OutdatedDraft) || attempt >= DRAFTS_LIMIT) throw thrown;
    }
  }
}

async function beginLog(
  { store, limits }: ChangeTools,
  app: string,
  id: string,
  headline: string,
  lines: readonly string[],
): Promise<void> {
  const log = await BuildLog.open(store.logPath(app, id), limits);
  try {
    await log.headline(headline);
    for (const line of lines) await log.body(line);
  } finally {
    await log.close();
  }
}

/** It becomes one line of a log and a list. */
export function enumerate(names: readonly string[]): string {
  const shown = names.length > 6 ? names.slice(0, 5) : names;
  return names.length > 6 ? `${shown.join(', ')} and ${names.length - 5} more` : shown.join(', ');
}

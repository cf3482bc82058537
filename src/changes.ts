/**
 * The wishes for another release that do not come by push: roll back, change config. Each makes a deployment and returns at
 * once; the deployer carries it out and everybody follows it by its log.
 */

import type { Limits } from './config.js';
import { closeRelease, supersedeBuilds, supersedeOlder } from './endings.js';
import { SlipwayError, toSlipwayError } from './errors.js';
import type { Ledger, ReleaseDraft } from './ledger/ledger.js';
import { BuildLog } from './logs/log-writer.js';
import { type Deployment, isFinal } from './model/deployment.js';
import { imageGone } from './model/image-gone.js';
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
 * live one that was live itself. Pushes that are older and not built yet end as superseded: made on top of what is rolled
 * back, they would bring it back minutes later. Throws `no_release` or `release_unusable`.
 */
export async function requestRollback(
  tools: ChangeTools,
  app: string,
  number: number | undefined,
  who: string,
): Promise<Deployment> {
  const { releases, live, config } = await tools.ledger.read(app);
  const target = rollbackTarget(app, releases, live, number);
  const differing = differences(tools.ledger, app, target.config, config);
  const lines =
    differing.length === 0
      ? []
      : [`with the config vars of v${target.number}; the next deploy gets today's: ${enumerate(differing)}`];
  const rollback = await startRelease(tools, app, who, 'rollback', {
    headline: `Rolling ${app} back to v${target.number}`,
    lines,
    draft: (deploymentId) => ({
      ...contentOf(target),
      kind: 'rollback',
      deploymentId,
      rollbackOf: target.number,
      description: `rollback to v${target.number}`,
    }),
  });
  if (rollback.state === 'ready') await supersedeBuilds(tools, rollback);
  return rollback;
}

function rollbackTarget(
  app: string,
  releases: readonly ReleaseWithOutcome[],
  live: number | undefined,
  number: number | undefined,
): ReleaseWithOutcome {
  const list = `see: slipway releases -a ${app}`;
  if (live === undefined)
    throw new SlipwayError('no_release', `${app} has no live release to roll back from`, {
      hint: 'push to deploy first',
    });
  const target =
    number === undefined
      ? lastGoodBefore(releases, live)
      : releases.find((release) => release.number === number);
  if (target === undefined) {
    const what = number === undefined ? `earlier good release than v${live}` : `release v${number}`;
    throw new SlipwayError('no_release', `${app} has no ${what}`, { hint: list });
  }
  if (target.number === live) {
    throw new SlipwayError('release_unusable', `v${live} is the live release of ${app}`, {
      hint: `name an earlier one; ${list}`,
    });
  }
  if (target.outcome?.state !== 'live') {
    const state = target.outcome?.state ?? 'not finished';
    throw new SlipwayError('release_unusable', `v${target.number} of ${app} never went live (${state})`, {
      hint: `choose a release that did; ${list}`,
    });
  }
  if (target.gone) throw imageGone(app, target.number);
  return target;
}

/**
 * Sets (string) and unsets (null) config vars. When a release is live, or on its way, this makes a new one of it, which is
 * rolled out. Else the vars wait for the next deploy, and nothing is returned; nor is when the release has them already.
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
  const base = await newestStanding(tools.store, app, releases, live);
  if (base === undefined || differences(tools.ledger, app, base.config, config).length === 0)
    return undefined;
  const description = describeConfigChange(changes);
  return startRelease(tools, app, who, 'config', {
    headline: `Config of ${app}: ${description}`,
    lines: [],
    draft: (deploymentId) => ({ ...contentOf(base), config, kind: 'config', deploymentId, description }),
  });
}

/**
 * The release that serves, or the newest that is to: on the live one's image a config change would take back the code that
 * is being rolled out.
 */
async function newestStanding(
  store: DeploymentStore,
  app: string,
  releases: readonly ReleaseWithOutcome[],
  live = 0,
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

interface NewRelease {
  /** The first lines of its log. */
  readonly headline: string;
  readonly lines: readonly string[];
  readonly draft: (deploymentId: string) => ReleaseDraft;
}

/** The deployment as it is then: `ready`, unless it was cancelled at this very moment. */
async function startRelease(
  tools: ChangeTools,
  app: string,
  who: string,
  kind: 'rollback' | 'config',
  { headline, lines, draft }: NewRelease,
): Promise<Deployment> {
  const { id } = await tools.store.create(app, { kind, who });
  let number: number;
  try {
    await beginLog(tools, app, id, headline, lines);
    number = (await tools.ledger.appendRelease(app, draft(id), who)).number;
  } catch (thrown) {
    const { code, message } = toSlipwayError(thrown);
    // The reconciler ends it a minute later when this fails as well: on a full disk everything does.
    await tools.store.end(app, id, { state: 'failed', reason: message, code }).catch(() => undefined);
    throw thrown;
  }
  const started = await tools.store.append(app, id, { type: 'release', at: Date.now(), number });
  if (isFinal(started.state)) {
    await closeRelease(tools.ledger, started);
    return started;
  }
  await supersedeOlder(tools, started);
  // The reconciler finds it when the queue cannot be reached now.
  await tools.queues.enqueueRollout(app);
  return started;
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

function contentOf(
  release: ReleaseWithOutcome,
): Pick<ReleaseDraft, 'image' | 'source' | 'config' | 'processes'> {
  const { image, source, config, processes } = release;
  return { image, source, config, processes };
}

/** The names whose values differ. The same value has another ciphertext each time it is set. */
function differences(
  ledger: Ledger,
  app: string,
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): string[] {
  const plain = (config: Readonly<Record<string, string>>, name: string): string | undefined => {
    const sealed = Object.hasOwn(config, name) ? config[name] : undefined;
    return sealed === undefined ? undefined : ledger.revealConfig(app, { [name]: sealed })[name];
  };
  const differs = (name: string): boolean => {
    try {
      return a[name] !== b[name] && plain(a, name) !== plain(b, name);
    } catch {
      // A value that cannot be decrypted any more must not stand in the way of a rollback to one that can.
      return true;
    }
  };
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(differs).sort();
}

function describeConfigChange(changes: Readonly<Record<string, string | null>>): string {
  const set = Object.keys(changes).filter((name) => changes[name] !== null);
  const unset = Object.keys(changes).filter((name) => changes[name] === null);
  return [
    ...(set.length === 0 ? [] : [`set ${enumerate(set)}`]),
    ...(unset.length === 0 ? [] : [`unset ${enumerate(unset)}`]),
  ].join('; ');
}

/** It becomes one line of a log and a list. */
function enumerate(names: readonly string[]): string {
  const shown = names.length > 6 ? names.slice(0, 5) : names;
  return names.length > 6 ? `${shown.join(', ')} and ${names.length - 5} more` : shown.join(', ');
}

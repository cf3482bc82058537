/** Rollback and config change: wishes for another release that do not come by push. Each returns at once; see next-release.ts. */
import { isDeepStrictEqual } from 'node:util';
import { supersedeBuilds } from './endings.js';
import { SlipwayError } from './errors.js';
import type { AppState } from './ledger/app-documents.js';
import { configDifference, differingNames } from './ledger/config-differences.js';
import { refuseLocked } from './model/app.js';
import type { Deployment } from './model/deployment.js';
import { imageGone } from './model/image-gone.js';
import { declaredBy, type Formation, formed } from './model/process.js';
import { lastGoodBefore, type ReleaseProcess, type ReleaseWithOutcome } from './model/release.js';
import {
  type ChangeTools,
  type Content,
  contentOf,
  enumerate,
  newestStanding,
  startRelease,
} from './next-release.js';

export interface RollbackOptions {
  /** `code`: image and commands of then, with today's config and scale. `config`: config of then, with today's code. */
  readonly only?: 'code' | 'config' | undefined;
  /** Also to a release that is marked bad, and of an app that is locked. */
  readonly force?: boolean | undefined;
}

/**
 * Brings an earlier release back as a new one, with its image, config, scale and limits; where it runs, and whether the app is
 * stopped, is as today. Without a number: the last good one before the live one, that has other code or config where only that is
 * brought back. Pushes that are older and not built yet end as
 * superseded: made on top of what is rolled back, they would bring it back minutes later. Throws `no_release` or `release_unusable`.
 */
export async function requestRollback(
  tools: ChangeTools,
  app: string,
  number: number | undefined,
  who: string,
  { only, force = false }: RollbackOptions = {},
): Promise<Deployment> {
  const state = await tools.ledger.read(app);
  if (!force) refuseLocked(app, state.lock, '; a rollback goes on with --force');
  const target = rollbackTarget(app, state, number, force, changesOf(tools, app, state, only));
  const version = `v${target.number}`;
  const what = only === undefined ? '' : `the ${only} of `;
  const rollback = await startRelease(tools, app, who, {
    kind: 'rollback',
    headline: `Rolling ${app} back to ${what}${version}`,
    lines: only === 'code' ? [] : notToday(tools, app, target, state, only),
    content: (now) => contentOfRollback(tools, app, target, now, only),
    rollbackOf: target.number,
    description: `rollback to ${what}${version}`,
  });
  // A change of config alone takes no code back.
  if (rollback.state === 'ready' && only !== 'config') await supersedeBuilds(tools, rollback);
  return rollback;
}

async function contentOfRollback(
  { store }: Pick<ChangeTools, 'store'>,
  app: string,
  target: ReleaseWithOutcome,
  state: AppState,
  only: RollbackOptions['only'],
): Promise<Content> {
  const { config, formation } = state;
  const now = (await newestStanding(store, app, state)) ?? target;
  if (only === 'config') return { ...contentOf(now), config: target.config };
  if (only === 'code')
    return { ...contentOf(target), config, processes: withScaleOf(target, now, formation) };
  return { ...contentOf(target), processes: asItWas(target, formation) };
}

/** The commands and checks of one release, as often and with the limits that the other has. */
function withScaleOf(
  { processes }: ReleaseWithOutcome,
  now: ReleaseWithOutcome,
  formation: Formation,
): ReleaseProcess[] {
  const today = new Map(declaredBy(now.processes).map((process) => [process.type, process]));
  const declared = declaredBy(processes).map((then) => {
    const { quantity, resources } = today.get(then.type) ?? then;
    const { resources: _resources, ...as } = then;
    return {
      ...as,
      ...(quantity === undefined ? {} : { quantity }),
      ...(resources === undefined ? {} : { resources }),
    };
  });
  return formed(declared, formation);
}

function asItWas({ processes }: ReleaseWithOutcome, { stopped }: Formation): ReleaseProcess[] {
  return formed(declaredBy(processes), {
    scale: {},
    resources: {},
    ...(stopped === undefined ? {} : { stopped }),
  });
}

/** What the next deploy will have otherwise than this rollback. */
function notToday(
  { ledger }: Pick<ChangeTools, 'ledger'>,
  app: string,
  target: ReleaseWithOutcome,
  { config, formation }: AppState,
  only: 'config' | undefined,
): string[] {
  const vars = differingNames(configDifference(ledger, app, target.config, config));
  const then = asItWas(target, formation);
  const today = formed(declaredBy(target.processes), formation);
  const types = then
    .filter((process, index) => !isDeepStrictEqual(process, today[index]))
    .map(({ type }) => type);
  const lines = [
    ...(vars.length === 0
      ? []
      : [`with the config vars of v${target.number}; the next deploy gets today's: ${enumerate(vars)}`]),
    ...(only === 'config' || types.length === 0
      ? []
      : [
          `with the scale and limits of v${target.number}; the next deploy gets today's: ${enumerate(types)}`,
        ]),
  ];
  return formation.stopped === undefined
    ? lines
    : [...lines, `${app} is stopped; to start it: slipway ps:start -a ${app}`];
}

/** Whether a rollback to a release would change anything: after a change of config, the release before has the same code. */
function changesOf(
  { ledger }: Pick<ChangeTools, 'ledger'>,
  app: string,
  { releases, live }: AppState,
  only: RollbackOptions['only'],
): (release: ReleaseWithOutcome) => boolean {
  const now = releases.find(({ number }) => number === live);
  if (only === undefined || now === undefined) return () => true;
  if (only === 'config')
    return ({ config }) => differingNames(configDifference(ledger, app, config, now.config)).length > 0;
  const codeOf = ({ image, releasePhase, cron, processes }: ReleaseWithOutcome): unknown => [
    image.digest,
    releasePhase,
    cron,
    processes.map(({ type, command, checks }) => [type, command, checks]),
  ];
  return (release) => !isDeepStrictEqual(codeOf(release), codeOf(now));
}

function rollbackTarget(
  app: string,
  { releases, live }: Pick<AppState, 'releases' | 'live'>,
  number: number | undefined,
  force: boolean,
  isOther: (release: ReleaseWithOutcome) => boolean,
): ReleaseWithOutcome {
  const list = `see: slipway releases -a ${app}`;
  if (live === undefined)
    throw new SlipwayError('no_release', `${app} has no live release to roll back from`, {
      hint: 'push to deploy first',
    });
  const known: readonly ReleaseWithOutcome[] = force
    ? releases.map(({ bad: _bad, ...release }) => release)
    : releases;
  const target =
    number === undefined
      ? lastGoodBefore(known.filter(isOther), live)
      : known.find((release) => release.number === number);
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
  if (target.bad !== undefined) {
    const { reason, by } = target.bad;
    throw new SlipwayError(
      'release_unusable',
      `v${target.number} of ${app} is marked bad by ${by}: ${reason}`,
      {
        hint: `choose another one, or all the same: slipway rollback v${target.number} --force -a ${app}`,
      },
    );
  }
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
  refuseLocked(app, (await tools.ledger.read(app)).lock);
  await tools.ledger.setConfig(app, changes, who);
  const state = await tools.ledger.read(app);
  const { config } = state;
  const base = await newestStanding(tools.store, app, state);
  if (
    base === undefined ||
    differingNames(configDifference(tools.ledger, app, base.config, config)).length === 0
  )
    return undefined;
  const description = describeConfigChange(changes);
  return startRelease(tools, app, who, {
    kind: 'config',
    headline: `Config of ${app}: ${description}`,
    content: async (now) => ({
      ...contentOf((await newestStanding(tools.store, app, now)) ?? base),
      config: now.config,
    }),
    description,
  });
}

/**
 * A release that says what domains the app has now. They are in effect already, so it waits for none that is on its way: that one is
 * left alone, and the next one names them.
 */
export async function requestDomainRelease(
  tools: ChangeTools,
  app: string,
  description: string,
  who: string,
): Promise<Deployment | undefined> {
  const state = await tools.ledger.read(app);
  const base = await newestStanding(tools.store, app, state);
  if (base === undefined || base.number !== state.live) return undefined;
  return startRelease(tools, app, who, {
    kind: 'domains',
    headline: `Domains of ${app}: ${description}`,
    content: async (now) => contentOf((await newestStanding(tools.store, app, now)) ?? base),
    description: `domains: ${description}`,
  });
}

function describeConfigChange(changes: Readonly<Record<string, string | null>>): string {
  const set = Object.keys(changes).filter((name) => changes[name] !== null);
  const unset = Object.keys(changes).filter((name) => changes[name] === null);
  return [
    ...(set.length === 0 ? [] : [`set ${enumerate(set)}`]),
    ...(unset.length === 0 ? [] : [`unset ${enumerate(unset)}`]),
  ].join('; ');
}

/**
 * Scale, limits, stop, start, restart and placement: what people set is written down for every release to come (formation.json,
 * placement.json), and a release that has it is rolled out. Without one that serves or is on its way it waits for the next deploy.
 */
import { isDeepStrictEqual } from 'node:util';
import { SlipwayError } from './errors.js';
import type { AppState } from './ledger/app-documents.js';
import { refuseLocked } from './model/app.js';
import type { Deployment } from './model/deployment.js';
import { describePlacement, type Placement } from './model/host.js';
import {
  checkContainers,
  checkProcessType,
  checkScale,
  declaredBy,
  type Formation,
  formed,
  type ResourceSettings,
} from './model/process.js';
import type { ReleaseWithOutcome } from './model/release.js';
import { describeResources } from './model/resources.js';
import {
  type ChangeTools,
  contentOf,
  type NewRelease,
  newestStanding,
  placement,
  startRelease,
} from './next-release.js';

/** How many containers of each type. Undefined: nothing had to be rolled out. */
export async function requestScale(
  tools: ChangeTools,
  app: string,
  scale: Readonly<Record<string, number>>,
  who: string,
): Promise<Deployment | undefined> {
  const wanted = Object.entries(scale);
  if (wanted.length === 0)
    throw new SlipwayError('bad_request', 'no process type is named', { hint: 'slipway ps:scale web=2' });
  for (const [type, count] of wanted) checkScale(checkProcessType(type), count);
  await checkTypes(tools, app, Object.keys(scale));
  const said = wanted.map(([type, count]) => `${type}=${count}`).join(' ');
  return changeFormation(tools, app, who, {
    decide: (now) => ({ ...now, scale: { ...now.scale, ...scale } }),
    kind: 'scale',
    headline: `Scale of ${app}: ${said}`,
    description: `scale ${said}`,
  });
}

/** What each container of these types may use. A null takes a limit away. Undefined: nothing had to be rolled out. */
export async function requestResources(
  tools: ChangeTools,
  app: string,
  types: readonly string[],
  limits: ResourceSettings,
  who: string,
): Promise<Deployment | undefined> {
  if (types.length === 0 || Object.keys(limits).length === 0)
    throw new SlipwayError('bad_request', 'no process type or no limit is named', {
      hint: 'slipway ps:resources -p web --memory 512m',
    });
  for (const type of types) checkProcessType(type);
  await checkTypes(tools, app, types);
  const said = `${types.join(', ')}: ${describeResources(limits)}`;
  return changeFormation(tools, app, who, {
    decide: (now) => {
      const changed = types.map((type) => {
        const before = Object.hasOwn(now.resources, type) ? now.resources[type] : {};
        return [type, { ...before, ...limits }] as const;
      });
      return { ...now, resources: { ...now.resources, ...Object.fromEntries(changed) } };
    },
    kind: 'resources',
    headline: `Limits of ${app}: ${said}`,
    description: `limit ${said}`,
  });
}

/**
 * A stopped app is a setting, which each release until the start obeys: what is pushed meanwhile goes live without containers, and the
 * scale is remembered. Undefined when it is so already. Throws `no_release` when there is nothing to stop or start.
 */
export async function requestStop(
  tools: ChangeTools,
  app: string,
  isStopped: boolean,
  who: string,
): Promise<Deployment | undefined> {
  await standing(tools, app, await tools.ledger.read(app));
  const stopped = { at: new Date().toISOString(), by: who };
  return changeFormation(tools, app, who, {
    decide: ({ stopped: before, ...now }) => {
      if ((before !== undefined) === isStopped) return undefined;
      return isStopped ? { ...now, stopped } : now;
    },
    kind: isStopped ? 'stop' : 'start',
    headline: `${isStopped ? 'Stopping' : 'Starting'} ${app}`,
    description: isStopped ? 'stop' : 'start',
  });
}

/** New containers of the same release, of these types or of all, started and checked before the old ones go. Throws `no_release`. */
export async function requestRestart(
  tools: ChangeTools,
  app: string,
  who: string,
  types: readonly string[] = [],
): Promise<Deployment> {
  const state = await tools.ledger.read(app);
  const { formation, lock } = state;
  await standing(tools, app, state);
  refuseLocked(app, lock);
  if (formation.stopped !== undefined)
    throw new SlipwayError('conflict', `${app} is stopped`, { hint: `slipway ps:start -a ${app}` });
  for (const type of types) checkProcessType(type);
  await checkTypes(tools, app, types);
  const only = types.length === 0 ? undefined : [...new Set(types)].sort();
  return startRelease(tools, app, who, {
    kind: 'restart',
    headline: `Restarting ${only === undefined ? '' : `${only.join(', ')} of `}${app}`,
    content: async (now) => contentOf(await standing(tools, app, now)),
    description: only === undefined ? 'restart' : `restart ${only.join(', ')}`,
    ...(only === undefined ? {} : { restarts: only }),
  });
}

/** Undefined for the local host. Answers with nothing when the app runs there already, or nothing of it runs. Throws `no_host`. */
export async function requestPlacement(
  tools: ChangeTools,
  app: string,
  wanted: Placement | undefined,
  who: string,
): Promise<Deployment | undefined> {
  refuseLocked(app, (await tools.ledger.read(app)).lock);
  const before = await tools.ledger.read(app);
  const stands = await newestStanding(tools.store, app, before);
  const processes = stands === undefined ? [] : formed(declaredBy(stands.processes), before.formation);
  const { volumes } = before;
  const there = wanted === undefined ? { volumes } : { placement: wanted, volumes };
  const where = await placement(tools.hostBook, there, processes);
  const state = await tools.ledger.setPlacement(app, wanted, who);
  const base = await newestStanding(tools.store, app, state);
  if (base === undefined || isDeepStrictEqual(base.hosts, where.hosts)) return undefined;
  const said = describePlacement(wanted);
  return startRelease(tools, app, who, {
    kind: 'placement',
    headline: `Placement of ${app}: ${said}`,
    content: async (now) => contentOf(await standing(tools, app, now)),
    description: `place ${said}`,
  });
}

export interface FormationChange extends Pick<NewRelease, 'kind' | 'headline' | 'description'> {
  readonly decide: (now: Formation) => Formation | undefined;
}

/** Writes it down, and rolls out a release that has it. Undefined: nothing had to be rolled out. */
export async function changeFormation(
  tools: ChangeTools,
  app: string,
  who: string,
  { decide, kind, headline, description }: FormationChange,
): Promise<Deployment | undefined> {
  const { ledger, store } = tools;
  const before = await ledger.read(app);
  refuseLocked(app, before.lock);
  await checkScaled(tools, app, before, decide(before.formation));
  await ledger.changeFormation(
    app,
    (now) => {
      const next = decide(now);
      return isDeepStrictEqual(next, now) ? undefined : next;
    },
    description,
    who,
  );
  const state = await ledger.read(app);
  const base = await newestStanding(store, app, state);
  if (base === undefined) return undefined;
  const processes = formed(declaredBy(base.processes), state.formation);
  const runs = processes.map(({ whenStarted: _later, ...process }) => process);
  const ran = base.processes.map(({ whenStarted: _later, ...process }) => process);
  const isSame = isDeepStrictEqual(runs, ran) || (state.formation.stopped !== undefined && kind !== 'stop');
  if (isSame) return undefined;
  return startRelease(tools, app, who, {
    kind,
    headline,
    content: async (now) => {
      const stands = await standing(tools, app, now);
      return { ...contentOf(stands), processes: formed(declaredBy(stands.processes), now.formation) };
    },
    description,
  });
}

/** Before it is written down, or every push to come would be refused for it. */
async function checkScaled(
  { store, limits }: ChangeTools,
  app: string,
  state: AppState,
  formation: Formation | undefined,
): Promise<void> {
  const base = await newestStanding(store, app, state);
  if (base === undefined || formation === undefined) return;
  checkContainers(app, formed(declaredBy(base.processes), formation), limits.appContainers);
}

/** A type that is misspelt would wait for ever. Before the first deploy nobody knows which there will be. */
export async function checkTypes(tools: ChangeTools, app: string, types: readonly string[]): Promise<void> {
  const base = await newestStanding(tools.store, app, await tools.ledger.read(app));
  const known = base?.processes.map(({ type }) => type);
  const unknown = types.find((type) => known?.includes(type) === false);
  if (unknown === undefined) return;
  throw new SlipwayError('bad_request', `${app} has no process type ${JSON.stringify(unknown)}`, {
    hint: `it has ${known?.join(', ')}; another one needs a line in the Procfile, and a push`,
  });
}

export async function standing(
  { store }: Pick<ChangeTools, 'store'>,
  app: string,
  state: AppState,
): Promise<ReleaseWithOutcome> {
  const base = await newestStanding(store, app, state);
  if (base !== undefined) return base;
  throw new SlipwayError('no_release', `${app} has no release that runs`, { hint: 'push to deploy first' });
}

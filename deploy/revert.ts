/**
 * What a failing rollout does: the old release gets all traffic, the new one's containers go, and the log says why. Where the strategy
 * has left the old release as it was, nothing of this is needed for it to keep serving (invariant 5); what it has stopped is started again.
 */
import { isDeepStrictEqual } from 'node:util';
import { type SlipwayError, toSlipwayError } from '../src/errors.js';
import type { BuildLog } from '../src/logs/log-writer.js';
import { LOCAL_HOST } from '../src/model/host.js';
import type { Release, ReleaseWithOutcome } from '../src/model/release.js';
import { withTargetOf } from './answering.js';
import { allServersOf, type EdgeServer, type EdgeState, withApp, withoutApp } from './edge/state.js';
import { type Look, lookAround } from './everywhere.js';
import { checkInstances, startAgain } from './instances.js';
import { hostOf, isServerOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf } from './placement.js';
import { isOf, plan } from './plan.js';

const LAST_LINES = 30;

export interface Reverted {
  readonly app: string;
  /** The release whose rollout failed. */
  readonly release: Release;
  /** The one that serves, if any. */
  readonly live: ReleaseWithOutcome | undefined;
  /** Where requests went before the rollout switched them; undefined when it did not. */
  readonly routedBefore: readonly EdgeServer[] | undefined;
  /** Hosts that are known not to answer, and why. They are not asked again. */
  readonly silent: ReadonlyMap<string, SlipwayError>;
  /** Throws when this process has lost the right to change anything. */
  readonly guard: () => Promise<void>;
}

/**
 * Resolves with the hosts that could not be cleared, and why: what is left there the reconciler removes. Throws only what
 * `guard` throws.
 */
export async function revert(
  parts: DeployerParts,
  reverted: Reverted,
): Promise<ReadonlyMap<string, SlipwayError>> {
  const { app, release, live, silent, guard } = reverted;
  const { hosts, log } = parts;
  const left = new Map<string, SlipwayError>();
  await guard();
  try {
    const needed = [...hostsOf(release), ...(live === undefined ? [] : hostsOf(live))];
    const look = await lookAround(hosts, app, { silent, needed });
    for (const [name, error] of look.silent) left.set(name, error);
    const clear = async (): Promise<void> => {
      await guard();
      const removing = look.containers
        .filter((container) => isOf(container, release))
        .map((container) =>
          withTargetOf(hosts, container, undefined, (target, signal) =>
            target.remove(container.id, { signal }),
          ).catch((error: unknown) => left.set(container.host, toSlipwayError(error))),
        );
      await Promise.all(removing);
    };
    // Then the old ones could not have what the new ones hold.
    const isFirst = release.strategy?.name === 'recreate';
    if (isFirst) await clear();
    await reviveStopped(parts, reverted, look);
    await turnBack(parts, reverted, look);
    if (!isFirst) await clear();
  } catch (thrown) {
    await guard();
    const error = toSlipwayError(thrown);
    for (const name of hostsOf(release)) left.set(name, error);
  }
  for (const [name, { code, message }] of left) {
    const what = { app, release: release.number, host: name, code, err: message };
    log.warn(what, 'a failed rollout is left for the reconciler to clear away');
  }
  return left;
}

/** Containers of the release that serves which the strategy has stopped. Resolves when they work, or will not: the reconciler goes on then. */
async function reviveStopped(
  parts: DeployerParts,
  { app, live, guard }: Reverted,
  { containers }: Look,
): Promise<void> {
  if (live === undefined) return;
  const { signal } = new AbortController();
  const stopped = plan(containers, live).stopped;
  if (stopped.length === 0) return;
  await guard();
  const reviving = stopped.map(async (container) => {
    const again = await startAgain(parts, container, signal);
    if (again === undefined) return;
    const { target } = await parts.hosts.get(again.host);
    await checkInstances(parts, { name: again.host, target }, live, [again], signal);
  });
  for (const end of await Promise.allSettled(reviving)) {
    if (end.status === 'fulfilled') continue;
    const { code, message } = toSlipwayError(end.reason);
    parts.log.warn({ app, code, err: message }, 'a container of the old release does not work again yet');
  }
}

/** Only when the edge had been switched already, and what came after failed. */
async function turnBack(
  { edge, config }: DeployerParts,
  { app, release, live, routedBefore, guard }: Reverted,
  { containers, silent }: Look,
): Promise<void> {
  const failed = (now: EdgeState): EdgeServer[] =>
    routedTo(now, app).filter(({ name }) => isServerOf(name, release.number));
  const isTurned = (now: EdgeState): boolean =>
    failed(now).length > 0 ||
    (routedBefore !== undefined && !isDeepStrictEqual(routedTo(now, app), routedBefore));
  const state = await edge.state();
  const routed = failed(state);
  if (!isTurned(state)) return;
  const host = hostOf(app, config.appDomain);
  const old = [
    ...serversOfContainers(containers.filter((container) => isOf(container, live))),
    // Of a host that does not answer nobody knows more than that.
    ...(routedBefore ?? []).filter(
      ({ name, machine }) => !isServerOf(name, release.number) && silent.has(machine ?? LOCAL_HOST),
    ),
  ];
  await edge.change((now) => {
    if (!isTurned(now)) return now;
    return old.length === 0 ? withoutApp(now, app) : withApp(now, { app, host, servers: old });
  }, guard);
  const { signal } = new AbortController();
  const names = routed.map(({ name }) => name);
  await edge.retire(host, names, { timeoutMs: config.limits.drainTimeoutMs, signal });
}

function routedTo({ apps }: EdgeState, app: string): readonly EdgeServer[] {
  const entry = apps.find((one) => one.app === app);
  return entry === undefined ? [] : allServersOf(entry);
}

/** How the containers of a release stand and what they wrote last, for the person who has to correct the app. */
export async function tellLastWords(
  { hosts, log: processLog }: Pick<DeployerParts, 'hosts' | 'log'>,
  log: BuildLog,
  { app, release }: Pick<Reverted, 'app' | 'release'>,
  redact: (text: string) => string,
): Promise<void> {
  try {
    const { containers } = await lookAround(hosts, app);
    for (const container of containers.filter((one) => isOf(one, release))) {
      const { id, host, instance, state } = container;
      const seen = await withTargetOf(hosts, container, undefined, async (target, signal) => {
        const found = await target.inspect(id, { signal });
        if (found.startedAt === undefined) return undefined;
        return { ...found, lines: await target.lastLines(id, LAST_LINES, { signal }) };
      });
      if (seen === undefined) continue;
      const { exitCode, outOfMemory, lines } = seen;
      const ended = `exit code ${exitCode}${outOfMemory ? ', out of memory' : ''}`;
      const how = state === 'running' ? 'still running' : ended;
      const name = `${instance.process}.${instance.number}`;
      const where = host === LOCAL_HOST ? '' : ` on ${host}`;
      await log.headline(
        `${name} of v${release.number}${where} (${how}) ${lines.length === 0 ? 'wrote nothing' : 'wrote last'}`,
      );
      for (const line of lines) await log.raw(`${redact(line)}\n`, '| ');
      await log.endRaw('| ');
    }
  } catch (error) {
    const { code, message } = toSlipwayError(error);
    processLog.warn(
      { app, release: release.number, code, err: message },
      'the last lines of a container cannot be read',
    );
  }
}

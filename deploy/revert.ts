/**
 * What a failing rollout does: the old release gets all traffic, the new one's containers go, and the log says why. Nothing of
 * this is needed for the old release to keep serving (invariant 5): it was never touched.
 */
import { type SlipwayError, toSlipwayError } from '../src/errors.js';
import type { BuildLog } from '../src/logs/log-writer.js';
import { LOCAL_HOST } from '../src/model/host.js';
import type { Release, ReleaseWithOutcome } from '../src/model/release.js';
import { withTargetOf } from './answering.js';
import { type EdgeServer, type EdgeState, serversOf, withApp, withoutApp } from './edge/state.js';
import { type Look, lookAround } from './everywhere.js';
import { hostOf, isServerOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf } from './placement.js';
import { isOf } from './plan.js';

const LAST_LINES = 30;

export interface Reverted {
  readonly app: string;
  /** The release whose rollout failed. */
  readonly release: Release;
  /** The one that serves, if any. */
  readonly live: ReleaseWithOutcome | undefined;
  /** Where requests went before the rollout switched them, if it did. */
  readonly routedBefore: readonly EdgeServer[];
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
    await turnBack(parts, reverted, look);
    await guard();
    const removing = look.containers
      .filter((container) => isOf(container, release))
      .map((container) =>
        withTargetOf(hosts, container, undefined, (target, signal) =>
          target.remove(container.id, { signal }),
        ).catch((error: unknown) => left.set(container.host, toSlipwayError(error))),
      );
    await Promise.all(removing);
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

/** Only when the edge had been switched already, and what came after failed. */
async function turnBack(
  { edge, config }: DeployerParts,
  { app, release, live, routedBefore, guard }: Reverted,
  { containers, silent }: Look,
): Promise<void> {
  const failed = (now: EdgeState): EdgeServer[] =>
    serversOf(now, app).filter(({ name }) => isServerOf(name, release.number));
  const routed = failed(await edge.state());
  if (routed.length === 0) return;
  const host = hostOf(app, config.appDomain);
  const old = [
    ...serversOfContainers(containers.filter((container) => isOf(container, live))),
    // Of a host that does not answer nobody knows more than that.
    ...routedBefore.filter(
      ({ name, machine }) => !isServerOf(name, release.number) && silent.has(machine ?? LOCAL_HOST),
    ),
  ];
  await edge.change((now) => {
    if (failed(now).length === 0) return now;
    return old.length === 0 ? withoutApp(now, app) : withApp(now, { app, host, servers: old });
  }, guard);
  const { signal } = new AbortController();
  const names = routed.map(({ name }) => name);
  await edge.retire(host, names, { timeoutMs: config.limits.drainTimeoutMs, signal });
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

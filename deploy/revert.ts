/**
 * What a failing rollout does: the old release gets all traffic, the new one's containers go, and the log says why. Nothing of
 * this is needed for the old release to keep serving (invariant 5): it was never touched.
 */
import { toSlipwayError } from '../src/errors.js';
import type { BuildLog } from '../src/logs/log-writer.js';
import type { Release, ReleaseWithOutcome } from '../src/model/release.js';
import { type EdgeState, serversOf, withApp, withoutApp } from './edge/state.js';
import { hostOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { isOf } from './plan.js';
import type { Container } from './targets/container.js';

const LAST_LINES = 30;

export interface Reverted {
  readonly app: string;
  /** The release whose rollout failed. */
  readonly release: Release;
  /** The one that serves, if any. */
  readonly live: ReleaseWithOutcome | undefined;
  /** Throws when this process has lost the right to change anything. */
  readonly guard: () => Promise<void>;
}

/** Failures are logged: the reconciler does the rest. Throws only what `guard` throws. */
export async function revert(parts: DeployerParts, reverted: Reverted): Promise<void> {
  const { app, release, guard } = reverted;
  const { target, log } = parts;
  await guard();
  try {
    const containers = await target.list(app);
    await turnBack(parts, reverted, containers);
    await guard();
    const failed = containers.filter((container) => isOf(container, release));
    await Promise.all(failed.map((container) => target.remove(container.id)));
  } catch (error) {
    await guard();
    const { code, message } = toSlipwayError(error);
    log.warn(
      { app, release: release.number, code, err: message },
      'a failed rollout is left for the reconciler to clear away',
    );
  }
}

/** Only when the edge had been switched already, and what came after failed. */
async function turnBack(
  { edge, config }: DeployerParts,
  { app, release, live, guard }: Reverted,
  containers: readonly Container[],
): Promise<void> {
  const failed = serversOfContainers(containers.filter((container) => isOf(container, release)));
  const names = new Set(failed.map((server) => server.name));
  const isRouted = (now: EdgeState): boolean => serversOf(now, app).some((server) => names.has(server.name));
  if (!isRouted(await edge.state())) return;
  const host = hostOf(app, config.appDomain);
  const old = serversOfContainers(
    live === undefined ? [] : containers.filter((container) => isOf(container, live)),
  );
  await edge.change((now) => {
    if (!isRouted(now)) return now;
    return old.length === 0 ? withoutApp(now, app) : withApp(now, { app, host, servers: old });
  }, guard);
  const { signal } = new AbortController();
  await edge.retire(host, [...names], { timeoutMs: config.limits.drainTimeoutMs, signal });
}

/** How the containers of a release stand and what they wrote last, for the person who has to correct the app. */
export async function tellLastWords(
  { target, log: processLog }: Pick<DeployerParts, 'target' | 'log'>,
  log: BuildLog,
  { app, release }: Pick<Reverted, 'app' | 'release'>,
  redact: (text: string) => string,
): Promise<void> {
  try {
    const containers = (await target.list(app)).filter((container) => isOf(container, release));
    for (const { id, instance, state } of containers) {
      const { exitCode, outOfMemory, startedAt } = await target.inspect(id);
      if (startedAt === undefined) continue;
      const lines = await target.lastLines(id, LAST_LINES);
      const ended = `exit code ${exitCode}${outOfMemory ? ', out of memory' : ''}`;
      const how = state === 'running' ? 'still running' : ended;
      const name = `${instance.process}.${instance.number}`;
      await log.headline(
        `${name} of v${release.number} (${how}) ${lines.length === 0 ? 'wrote nothing' : 'wrote last'}`,
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

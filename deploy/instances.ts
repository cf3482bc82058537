/**
 * The containers of one release on one host: started, and found healthy. Used by the rollout and by the reconciler alike. Those of a
 * Swarm are started in swarm/services.ts.
 */
import type { Check } from '../src/model/check.js';
import type { Release } from '../src/model/release.js';
import { checkContainer } from './checks.js';
import type { Host } from './hosts.js';
import { hostOf, type Instance } from './names.js';
import type { DeployerParts } from './parts.js';
import { redactor, withoutSecrets } from './redact.js';
import { settle, throwIfFailed } from './swarm/converge.js';
import { isSwarm } from './swarm/target.js';
import type { Container } from './targets/container.js';
import type { DockerTarget } from './targets/docker.js';

export interface StartOptions {
  readonly signal: AbortSignal;
  /** Of a release that is live already: whoever started it may be killed before it would tell the engine. */
  readonly isKept?: boolean;
}

export async function startInstances(
  { ledger }: Pick<DeployerParts, 'ledger'>,
  target: DockerTarget,
  app: string,
  release: Release,
  instances: readonly Instance[],
  { signal, isKept = false }: StartOptions,
): Promise<Container[]> {
  const env = ledger.revealConfig(app, release.config);
  return allOrFirstError(
    instances.map(({ process, number }) => {
      const { command, resources } = release.processes.find(({ type }) => type === process) ?? {};
      const spec = {
        app,
        release: release.number,
        deployment: release.deploymentId,
        instance: { process, number },
        image: release.image,
        env,
        isKept,
        ...(command === undefined ? {} : { command }),
        ...(resources === undefined ? {} : { resources }),
      };
      return target.start(spec, { signal });
    }),
  );
}

/** Resolves with how each was seen to be healthy. Throws `unhealthy` for the first that is not, without the app's secrets. */
export async function checkInstances(
  { config, ledger }: Pick<DeployerParts, 'config' | 'ledger'>,
  { target }: Host,
  release: Release,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<string[]> {
  const [first] = containers;
  const redact = redactor(first === undefined ? {} : ledger.revealConfig(first.app, release.config));
  const startedAt = performance.now();
  const failed = new AbortController();
  const end = AbortSignal.any([signal, failed.signal]);
  const checks = containers.map((container) => {
    const host = hostOf(container.app, config.appDomain);
    const timeoutMs = config.limits.healthTimeoutMs;
    const checks = checksOf(release, container);
    return checkContainer(target, container, { checks, host, timeoutMs, redact, signal: end });
  });
  for (const check of checks) check.catch((error: unknown) => failed.abort(error));
  try {
    const seen = await allOrFirstError(checks);
    if (isSwarm(target)) await settle(target, containers, startedAt, signal);
    return seen;
  } catch (error) {
    signal.throwIfAborted();
    // The Swarm knows more of a task that died: its node, and whether it could be started at all.
    if (isSwarm(target)) await throwIfFailed(target, containers, signal);
    throw withoutSecrets(error, redact);
  }
}

/** What the release defines for a container of it. */
export function checksOf(
  { processes }: Pick<Release, 'processes'>,
  { instance }: Pick<Container, 'instance'>,
): readonly Check[] {
  return processes.find(({ type }) => type === instance.process)?.checks ?? [];
}

/** From here on the engine restarts them. */
export async function keepInstances(
  { target }: Host,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<void> {
  await allOrFirstError(containers.map(({ id }) => target.keep(id, { signal })));
}

/** Waits for all of them: nothing goes on behind the back of a rollout that has failed. */
async function allOrFirstError<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

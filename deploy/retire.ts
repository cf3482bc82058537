/** The end of containers that no request is sent to any more: what they are doing is waited for, then they are stopped. */
import { toSlipwayError } from '../src/errors.js';
import { hostOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import type { Container } from './targets/container.js';

/** Failures are logged: the reconciler finds what is left. Throws only when the signal is aborted. */
export async function retire(
  { edge, target, config, log }: Pick<DeployerParts, 'edge' | 'target' | 'config' | 'log'>,
  app: string,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<void> {
  if (containers.length === 0) return;
  const { drainTimeoutMs, stopGraceMs } = config.limits;
  const names = serversOfContainers(containers).map((server) => server.name);
  try {
    await edge.retire(hostOf(app, config.appDomain), names, { timeoutMs: drainTimeoutMs, signal });
    await Promise.all(containers.map((container) => target.stop(container.id, stopGraceMs, { signal })));
    log.info({ app, containers: containers.map((container) => container.name) }, 'stopped old containers');
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = toSlipwayError(error);
    log.warn({ app, code, err: message }, 'old containers are left for the reconciler');
  }
}

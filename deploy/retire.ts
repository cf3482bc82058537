/** The end of containers that no request is sent to any more: what they are doing is waited for, then they are stopped. */
import { toSlipwayError } from '../src/errors.js';
import { withTargetOf } from './answering.js';
import { hostOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import type { Container } from './targets/container.js';

type RetireParts = Pick<DeployerParts, 'edge' | 'hosts' | 'config' | 'log'>;

/** Failures are logged: the reconciler finds what is left. Throws only when the signal is aborted. */
export async function retire(
  { edge, hosts, config, log }: RetireParts,
  app: string,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<void> {
  if (containers.length === 0) return;
  const { drainTimeoutMs, stopGraceMs } = config.limits;
  const left = (thrown: unknown): void => {
    signal.throwIfAborted();
    const { code, message } = toSlipwayError(thrown);
    log.warn({ app, code, err: message }, 'old containers are left for the reconciler');
  };
  const names = serversOfContainers(containers).map((server) => server.name);
  try {
    await edge.retire(hostOf(app, config.appDomain), names, { timeoutMs: drainTimeoutMs, signal });
  } catch (error) {
    return left(error);
  }
  const stopping = containers.map((container) =>
    withTargetOf(hosts, container, signal, (target, end) =>
      target.stop(container.id, stopGraceMs, { signal: end }),
    ),
  );
  const ends = await Promise.allSettled(stopping);
  for (const end of ends) if (end.status === 'rejected') left(end.reason);
  const stopped = containers
    .filter((_, index) => ends[index]?.status === 'fulfilled')
    .map(({ name }) => name);
  log.info({ app, containers: stopped }, 'stopped old containers');
}

/**
 * Containers that are being retired while the next rollout of their app may begin already: who rolls back does not wait
 * until the last request of the old release has been answered. What this process leaves undone, the reconciler finds.
 */
export class Retirements {
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #containers = new Set<string>();

  /** True until the container is gone, or left for the reconciler. */
  has(id: string): boolean {
    return this.#containers.has(id);
  }

  /** Those that are not being retired yet. Trouble is logged. */
  begin(parts: RetireParts, app: string, containers: readonly Container[]): void {
    const fresh = containers.filter(({ id }) => !this.#containers.has(id));
    if (fresh.length === 0 || this.#stop.signal.aborted) return;
    for (const { id } of fresh) this.#containers.add(id);
    const running = retire(parts, app, fresh, this.#stop.signal)
      .catch(() => undefined)
      .finally(() => {
        for (const { id } of fresh) this.#containers.delete(id);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  /** Resolves when nothing is being retired. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.idle();
  }
}

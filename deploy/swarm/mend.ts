/** What the reconciler does in a Swarm: the services are what the release says, and a task that the Swarm has moved is checked before requests go to it. */
import { toSlipwayError } from '../../src/errors.js';
import { WEB_TYPE } from '../../src/model/process.js';
import type { ReleaseWithOutcome } from '../../src/model/release.js';
import { serversOf } from '../edge/state.js';
import { checkInstances } from '../instances.js';
import { serverName } from '../names.js';
import type { DeployerParts } from '../parts.js';
import { isOf } from '../plan.js';
import type { Container } from '../targets/container.js';
import { awaitRunning } from './converge.js';
import { hasFailed } from './documents.js';
import { putServices } from './services.js';
import type { SwarmTarget } from './target.js';

/**
 * `found` runs for the release, as far as is known. `onServing` gets each container that serves, whatever comes of the others, and
 * first of all those that have served: also when the manager is lost in the middle of this.
 */
export async function mendServices(
  parts: DeployerParts,
  target: SwarmTarget,
  app: string,
  live: ReleaseWithOutcome,
  found: readonly Container[],
  onServing: (container: Container) => void,
  signal: AbortSignal,
): Promise<void> {
  const { edge, log } = parts;
  const routed = new Set(serversOf(await edge.state(), app).map(({ name }) => name));
  const trusted = new Set<string>();
  const trust = (container: Container): void => {
    if (trusted.has(container.id)) return;
    trusted.add(container.id);
    onServing(container);
  };
  const isKnown = ({ state, instance, release, address }: Container): boolean =>
    state === 'running' &&
    (instance.process !== WEB_TYPE || (address !== undefined && routed.has(serverName(release, address))));
  found.filter(isKnown).forEach(trust);
  const before = await target.see(app, { signal });
  const known = new Set(before.tasks.filter(hasFailed).map(({ ID }) => ID));
  const put = async (): Promise<void> => {
    await target.pull(live.image, { signal });
    if (!(await putServices(parts, target, app, live, signal))) return;
    log.info(
      { app, host: target.host, release: live.number },
      'putting the services of the live release right',
    );
    await awaitRunning(parts, target, app, live, { signal, known });
  };
  const [putting] = await Promise.allSettled([put()]);
  signal.throwIfAborted();
  const fresh = (await target.list(app, { signal })).filter(
    (container) => isOf(container, live) && container.state === 'running' && !trusted.has(container.id),
  );
  const checks = fresh.map(async (container) => {
    await checkInstances(parts, { name: target.host, target }, live, [container], signal);
    trust(container);
  });
  for (const check of await Promise.allSettled(checks)) {
    if (check.status === 'fulfilled') continue;
    signal.throwIfAborted();
    // The Swarm starts another when it dies; that one is looked at then.
    log.warn(
      { app, err: toSlipwayError(check.reason).message },
      'a task that the Swarm has started gets no requests',
    );
  }
  if (putting.status === 'rejected') throw putting.reason;
}

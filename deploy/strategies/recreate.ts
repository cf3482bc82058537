/**
 * The old containers are stopped before the new ones start: for volumes and ports that only one of them can have. The only strategy
 * with a gap, in which the edge holds requests while it tries again to connect, for some seconds, and then answers 503. A failure starts
 * the old ones again.
 */
import { serversOfContainers } from '../parts.js';
import type { Container } from '../targets/container.js';
import type { Course, Steps } from './steps.js';

export async function recreate({ change, say }: Course, steps: Steps): Promise<void> {
  const answer = (some: readonly Container[]): boolean => serversOfContainers(some).length > 0;
  if (answer(change.old) && !answer(change.adopted))
    await say('nothing answers until the new containers do: the strategy is recreate');
  await steps.halt(change.old, { drain: false });
  const started = await steps.start(change.fresh);
  await steps.check(started);
  await steps.switchTo([...change.adopted, ...started]);
}

/** What the Swarm did with our tasks by itself. It has events of services and nodes, but none of tasks: so we look again and again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container, ContainerEvent } from '../targets/container.js';

/** While something changes, and for a while after it. */
const SHORT_MS = 300;
const LONG_MS = 1_500;
const RESTLESS_MS = 10_000;

/** Ends by what `look` throws. The edge must learn of a task that has come as soon as of one that has gone: both are told. */
export async function* changesBetween(
  first: readonly Container[],
  look: () => Promise<readonly Container[]>,
  signal: AbortSignal,
): AsyncGenerator<ContainerEvent, void, undefined> {
  let before = first;
  let restlessUntil = 0;
  while (!signal.aborted) {
    const pauseMs = performance.now() < restlessUntil ? SHORT_MS : LONG_MS;
    await sleep(pauseMs, undefined, { signal });
    const now = await look();
    const changes = [...differences(before, now)];
    if (changes.length > 0 || now.some(({ state }) => state !== 'running'))
      restlessUntil = performance.now() + RESTLESS_MS;
    before = now;
    yield* changes;
  }
}

export function* differences(
  before: readonly Container[],
  now: readonly Container[],
): Generator<ContainerEvent, void, undefined> {
  const byId = new Map(now.map((container) => [container.id, container]));
  const known = new Map(before.map((container) => [container.id, container]));
  for (const { id, app, state } of before) {
    const found = byId.get(id);
    if (found === undefined) yield { id, app, action: 'destroy' };
    else if (state === 'running' && found.state !== 'running') yield { id, app, action: 'die' };
  }
  for (const { id, app, state } of now)
    if (state === 'running' && known.get(id)?.state !== 'running') yield { id, app, action: 'moved' };
}

/** When to reconcile: at start, every so often, sooner again after trouble, and for an app whose container has died. */
import { setTimeout as sleep } from 'node:timers/promises';
import { toSlipwayError } from '../src/errors.js';
import { type ReconcileParts, reconcileAll, reconcileApp } from './reconcile.js';

export interface Reconciler {
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

const INTERVAL_MS = 30_000;
/** After trouble: engine and edge may just be starting, together with us. Doubled each time up to the interval. */
const FIRST_RETRY_MS = 1000;
/** The engine restarts most of what dies by itself, and a rollout removes what it has stopped. */
const SETTLE_MS = 500;

export function startReconciler(parts: ReconcileParts, intervalMs: number = INTERVAL_MS): Reconciler {
  const stop = new AbortController();
  const { signal } = stop;
  const tasks = [passes(parts, intervalMs, signal), deaths(parts, signal)];
  return {
    close: async () => {
      stop.abort();
      await Promise.all(tasks);
    },
  };
}

async function passes(parts: ReconcileParts, intervalMs: number, signal: AbortSignal): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const well = await attempt(parts, 'reconciling', signal, () => reconcileAll(parts, signal));
    const pauseMs = well ? intervalMs : Math.min(retryMs, intervalMs);
    retryMs = well ? FIRST_RETRY_MS : retryMs * 2;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The engine's events may end at any time; what was missed meanwhile is found by the next pass. */
async function deaths(parts: ReconcileParts, signal: AbortSignal): Promise<void> {
  const waiting = new Set<string>();
  const underWay = new Set<Promise<unknown>>();
  const look = async (app: string): Promise<void> => {
    await sleep(SETTLE_MS, undefined, { signal });
    waiting.delete(app);
    await reconcileApp(parts, app, signal);
  };
  while (!signal.aborted) {
    await attempt(parts, 'following the events of the engine', signal, async () => {
      for await (const { app, action } of await parts.target.events(signal)) {
        if ((action !== 'die' && action !== 'destroy') || waiting.has(app)) continue;
        waiting.add(app);
        const task = attempt(parts, 'reconciling', signal, () => look(app)).finally(() => {
          waiting.delete(app);
          underWay.delete(task);
        });
        underWay.add(task);
      }
    });
    await sleep(FIRST_RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all(underWay);
}

/** Whether it went well. Never throws. */
async function attempt(
  { log }: ReconcileParts,
  doing: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (thrown) {
    if (signal.aborted) return false;
    const { code, message } = toSlipwayError(thrown);
    log.warn({ code, err: code === 'internal' ? thrown : message }, `${doing} failed; it is tried again`);
    return false;
  }
}

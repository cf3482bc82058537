/**
 * When to reconcile: at start, every so often, sooner again after trouble, when a host is back, and for an app whose container has
 * died.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { toSlipwayError } from '../src/errors.js';
import { whileItAnswers } from './answering.js';
import type { Host } from './hosts.js';
import { withOwnSignal } from './own-signal.js';
import { type ReconcileParts, reconcileAll, reconcileApp } from './reconcile.js';
import type { ContainerEvent } from './targets/container.js';

export interface Reconciler {
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

const INTERVAL_MS = 30_000;
/** After trouble: engine and edge may just be starting, together with us. Doubled each time up to the interval. */
const FIRST_RETRY_MS = 1000;
/** How often requests are looked for that wait for a machine that has gone. */
const UNREACHABLE_MS = 1000;
/** How soon a new host is noticed. */
const HOSTS_MS = 5000;
/** After these something may be amiss. */
const UNSETTLING: ReadonlySet<ContainerEvent['action']> = new Set(['die', 'destroy', 'moved']);
/** The engine restarts most of what dies by itself, and a rollout removes what it has stopped. */
const SETTLE_MS = 500;

export function startReconciler(parts: ReconcileParts, intervalMs: number = INTERVAL_MS): Reconciler {
  const stop = new AbortController();
  const { signal } = stop;
  const bell = new Bell();
  const tasks = [
    passes(parts, intervalMs, bell, signal),
    followHosts(parts, bell, signal),
    giveUpUnreachable(parts, signal),
  ];
  return {
    close: async () => {
      stop.abort();
      await Promise.all(tasks);
    },
  };
}

/** Rung by who knows that a pass is worth while; also heard by who listens later. */
export class Bell {
  #isRung = false;
  #wake: () => void = () => undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  /** Resolves when it rings, after `timeoutMs`, or when the signal is aborted. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const heard = new AbortController();
    this.#wake = () => heard.abort();
    signal.addEventListener('abort', this.#wake, { once: true });
    if (this.#isRung || signal.aborted) heard.abort();
    await sleep(timeoutMs, undefined, { signal: heard.signal }).catch(() => undefined);
    signal.removeEventListener('abort', this.#wake);
    this.#isRung = false;
  }
}

async function passes(
  parts: ReconcileParts,
  intervalMs: number,
  bell: Bell,
  signal: AbortSignal,
): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const well = await attempt(parts, 'reconciling', signal, (own) => reconcileAll(parts, own));
    parts.drift.add({ passes: 1, failures: well ? 0 : 1 });
    const pauseMs = well ? intervalMs : Math.min(retryMs, intervalMs);
    retryMs = well ? FIRST_RETRY_MS : retryMs * 2;
    await bell.wait(pauseMs, signal);
  }
}

async function giveUpUnreachable(parts: ReconcileParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(UNREACHABLE_MS, undefined, { signal }).catch(() => undefined);
    await attempt(parts, 'giving up unreachable servers', signal, () => parts.edge.giveUpUnreachable());
  }
}

/** One follower for each host that is known now; one that is changed or removed loses its own. */
async function followHosts(parts: ReconcileParts, bell: Bell, signal: AbortSignal): Promise<void> {
  const followers = new Map<string, { readonly host: Host; end(): Promise<void> }>();
  const update = async (): Promise<void> => {
    const known = await parts.hosts.list();
    for (const [name, follower] of followers) {
      if (known.some((host) => host.name === name && host.target === follower.host.target)) continue;
      followers.delete(name);
      await follower.end();
    }
    for (const host of known)
      if (!followers.has(host.name)) followers.set(host.name, follow(parts, host, bell, signal));
  };
  while (!signal.aborted) {
    await attempt(parts, 'looking for hosts', signal, update);
    await sleep(HOSTS_MS, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all([...followers.values()].map((follower) => follower.end()));
}

function follow(
  parts: ReconcileParts,
  host: Host,
  bell: Bell,
  signal: AbortSignal,
): { readonly host: Host; end(): Promise<void> } {
  const stop = new AbortController();
  const following = deaths(parts, host, bell, AbortSignal.any([signal, stop.signal]));
  return {
    host,
    end: () => {
      stop.abort();
      return following;
    },
  };
}

/**
 * The engine's events may end at any time, and a host that goes away says nothing at all. What was missed meanwhile is found by a
 * pass as soon as it answers again.
 */
async function deaths(parts: ReconcileParts, host: Host, bell: Bell, signal: AbortSignal): Promise<void> {
  const waiting = new Set<string>();
  const underWay = new Set<Promise<unknown>>();
  let wasAway = false;
  const look = async (app: string, own: AbortSignal): Promise<void> => {
    await sleep(SETTLE_MS, undefined, { signal: own });
    waiting.delete(app);
    await reconcileApp(parts, app, own);
  };
  while (!signal.aborted) {
    await attempt(
      parts,
      `following the events of ${host.name}`,
      signal,
      (own) =>
        whileItAnswers(host.target, own, async (until) => {
          const events = await host.target.events(until);
          if (wasAway) bell.ring();
          wasAway = false;
          for await (const { app, action } of events) {
            if (!UNSETTLING.has(action) || waiting.has(app)) continue;
            waiting.add(app);
            const task = attempt(parts, 'reconciling', signal, (own) => look(app, own)).finally(() => {
              waiting.delete(app);
              underWay.delete(task);
            });
            underWay.add(task);
          }
        }),
      { isTold: wasAway },
    );
    wasAway = true;
    await sleep(FIRST_RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all(underWay);
}

/** Whether it went well. Never throws; what went wrong is logged, unless it is told already. */
async function attempt(
  { log }: ReconcileParts,
  doing: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
  { isTold = false } = {},
): Promise<boolean> {
  try {
    await withOwnSignal(signal, work);
    return true;
  } catch (thrown) {
    if (signal.aborted || isTold) return false;
    const { code, message } = toSlipwayError(thrown);
    log.warn({ code, err: code === 'internal' ? thrown : message }, `${doing} failed; it is tried again`);
    return false;
  }
}

/**
 * Work on a host, for as long as the host answers. A machine that has gone says nothing, and neither does TCP for many minutes: so
 * a call that takes its time is accompanied by short questions, and ends in seconds when they are not answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hosts } from './hosts.js';
import { withOwnSignal } from './own-signal.js';
import type { Container } from './targets/container.js';
import type { Target } from './targets/target.js';

/** Most calls are over by then, and nothing is asked. */
const PAUSE_MS = 1000;
const ANSWER_MS = 5000;

/** Throws `engine_unavailable` when the host falls silent; the signal given to `work` is aborted then. */
export async function whileItAnswers<T>(
  target: Target,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const silent = new AbortController();
  const done = new AbortController();
  const until = AbortSignal.any([done.signal, ...(signal === undefined ? [] : [signal])]);
  const asking = askUntilSilent(target, until).catch((error: unknown) => silent.abort(error));
  try {
    return await work(AbortSignal.any([silent.signal, ...(signal === undefined ? [] : [signal])]));
  } catch (error) {
    signal?.throwIfAborted();
    throw silent.signal.aborted ? silent.signal.reason : error;
  } finally {
    done.abort();
    await asking;
  }
}

/** Resolves when it is told to end; throws when there is no answer. */
async function askUntilSilent(target: Target, until: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await sleep(PAUSE_MS, undefined, { signal: until });
      await withOwnSignal(until, (signal) => target.ping({ signal, timeoutMs: ANSWER_MS }));
    }
  } catch (error) {
    if (!until.aborted) throw error;
  }
}

/** The same for the host of a container. */
export async function withTargetOf<T>(
  hosts: Hosts,
  container: Pick<Container, 'host'>,
  signal: AbortSignal | undefined,
  work: (target: Target, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { target } = await hosts.get(container.host);
  return whileItAnswers(target, signal, (end) => work(target, end));
}

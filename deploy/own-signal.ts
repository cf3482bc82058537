/**
 * A signal for one piece of work, aborted with the one that outlives it. `AbortSignal.any` leaves a trace of each signal that it makes
 * in what it is made of (Node 20): over the days of a deployer that asks ten hosts every second, that is memory.
 */
export async function withOwnSignal<T>(
  longLived: AbortSignal,
  work: (own: AbortSignal) => Promise<T>,
): Promise<T> {
  longLived.throwIfAborted();
  const own = new AbortController();
  const end = (): void => own.abort(longLived.reason);
  longLived.addEventListener('abort', end, { once: true });
  try {
    return await work(own.signal);
  } finally {
    longLived.removeEventListener('abort', end);
  }
}

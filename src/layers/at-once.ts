/** Work on each of some items, begun in their order, at most `count` at the same time. */

/** The first failure stops the rest, through the signal that each is given; it is thrown when all have ended. */
export async function atOnce<T>(
  count: number,
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const next = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of next) {
      either.throwIfAborted();
      await work(item, either);
    }
  };
  const workers = Array.from({ length: Math.min(count, items.length) }, worker);
  await Promise.all(workers.map((each) => each.catch((error: unknown) => stop.abort(error))));
  stop.signal.throwIfAborted();
}

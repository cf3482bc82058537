/**
 * One run of a piece of work for everybody who asks for it at the same time. It is aborted only when the last of them
 * has given up: one cancelled build does not fail another.
 */
interface Flight<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Rejects with the signal's reason as soon as `signal` aborts, even if the work goes on for others. */
  async run(
    key: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.waiting++;
    try {
      return await unlessAborted(flight.result, signal);
    } catch (error) {
      // Nothing that this caller started may go on behind its back.
      if (signal?.aborted && flight.waiting === 1) {
        this.#forget(key, flight);
        flight.abort.abort(signal.reason);
        await flight.result.catch(() => {});
      }
      throw error;
    } finally {
      flight.waiting--;
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController();
    const result = work(abort.signal).finally(() => this.#forget(key, flight));
    result.catch(() => {});
    const flight: Flight<T> = { result, abort, waiting: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  #forget(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result;
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

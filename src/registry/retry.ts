/** When to try again, and for how long: back-off, Retry-After, and a budget that all requests of one operation share. */
import { sleep } from '../clock.js';
import type { Logger } from '../log.js';
import { RegistryFault } from './faults.js';
import type { RegistryTiming } from './timing.js';

/** Retries left to one operation (a pull, a push), so that a hundred blobs do not each retry against a dead registry. */
export class RetryBudget {
  #retries: number;
  #waitMs: number;

  constructor(timing: RegistryTiming) {
    this.#retries = timing.budgetRetries;
    this.#waitMs = timing.budgetWaitMs;
  }

  take(waitMs: number): boolean {
    if (this.#retries <= 0 || this.#waitMs < waitMs) return false;
    this.#retries -= 1;
    this.#waitMs -= waitMs;
    return true;
  }
}

export interface RetryOptions {
  readonly timing: RegistryTiming;
  readonly budget: RetryBudget;
  /** Tries in all; the timing's own number when absent. */
  readonly tries?: number;
  readonly signal?: AbortSignal | undefined;
  readonly log?: Logger | undefined;
}

/** Runs an action until it succeeds, fails for good, or may not be tried again. Throws its last error. */
export async function withRetries<T>(
  action: (tried: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const tries = options.tries ?? options.timing.tries;
  for (let tried = 0; ; tried++) {
    try {
      return await action(tried);
    } catch (error) {
      if (!(error instanceof RegistryFault) || !error.temporary || tried + 1 >= tries) throw error;
      const waitMs = waitBefore(error, tried, options.timing);
      if (waitMs === undefined || !options.budget.take(waitMs)) throw error;
      options.log?.debug({ err: error.message, waitMs, tried: tried + 1 }, 'trying the registry again');
      await sleep(waitMs, options.signal);
    }
  }
}

/** Undefined: the registry asks for more patience than there is. */
function waitBefore(fault: RegistryFault, tried: number, timing: RegistryTiming): number | undefined {
  // A kept-alive connection that the registry had closed meanwhile says nothing about the registry.
  if (fault.staleConnection && tried === 0) return 0;
  if (fault.retryAfterMs !== undefined) {
    return fault.retryAfterMs <= timing.longestRetryAfterMs ? fault.retryAfterMs : undefined;
  }
  return backOffMs(tried, timing);
}

/** Doubles up to a cap; between half and all of it, so that many builders do not come back at once. */
export function backOffMs(
  tried: number,
  timing: Pick<RegistryTiming, 'firstWaitMs' | 'longestWaitMs'>,
  random: () => number = Math.random,
): number {
  const whole = Math.min(timing.longestWaitMs, timing.firstWaitMs * 2 ** tried);
  return Math.round(whole * (0.5 + random() / 2));
}

/** RFC 9110 §10.2.3: seconds or a date. Undefined when it is neither. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

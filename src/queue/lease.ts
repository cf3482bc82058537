/**
 * The lease of one job: the right to work on it, renewed until it is closed. It is lost when Redis says that the lock is
 * not ours any more, or has not confirmed a renewal for the length of the lease; then the signal is aborted. BullMQ's
 * own renewal is switched off: it keeps jobs by id, and the end of a lost run would stop the renewal of the next run
 * of the same job; and it goes on for ever while Redis is silent.
 */
import { SlipwayError } from '../errors.js';

export interface LeaseOptions {
  /** How long the lock lasts from each renewal, in ms. */
  readonly leaseMs: number;
  /** Extends the lock; resolves to false when it is not ours any more. A rejection says nothing about it. */
  readonly renew: () => Promise<boolean>;
}

export class Lease {
  readonly #options: LeaseOptions;
  readonly #controller = new AbortController();
  readonly #renewals: NodeJS.Timeout;
  #expiry: NodeJS.Timeout | undefined;
  #renewing = false;
  #closed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#renewals = setInterval(() => void this.#renew(), options.leaseMs / 3);
    this.#expireIn(options.leaseMs);
    void this.#renew();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops the renewal, and the work with this reason if it is not done. */
  end(reason: SlipwayError): void {
    this.close();
    this.#controller.abort(reason);
  }

  /** The work is done: nothing is renewed or aborted any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#renewals);
    clearTimeout(this.#expiry);
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.#closed) return;
    this.#renewing = true;
    // The lock lasts at least from here on, however long the answer takes.
    const asked = performance.now();
    try {
      const renewed = await this.#options.renew();
      if (this.#closed) return;
      if (renewed) this.#expireIn(this.#options.leaseMs - (performance.now() - asked));
      else this.end(leaseLost('another worker may have the job'));
    } catch {
      // Redis is away. Perhaps it is back before the lease ends.
    } finally {
      this.#renewing = false;
    }
  }

  #expireIn(ms: number): void {
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.end(leaseLost('Redis does not answer')), Math.max(0, ms));
  }
}

/** Why the signal of a lease is aborted. */
export function leaseLost(why: string): SlipwayError {
  return new SlipwayError('lease_lost', `the lease of the job was lost: ${why}`, { temporary: true });
}

/**
 * Which deployments have ended since somebody looked last. The journals tell, whichever process wrote them; what had ended before this
 * process started is the past.
 */
import { type Clock, systemClock } from '../clock.js';
import { firstIdOf } from '../records/deployment-id.js';
import type { DeploymentStore } from '../records/deployments.js';
import { type Timings, timingsOf } from './timings.js';

/** From the making of an id to its journal. */
const LATE_MS = 60_000;

export class EndedDeployments {
  readonly #store: Pick<DeploymentStore, 'listSince' | 'events'>;
  readonly #clock: Clock;
  #since: string;
  /** `app/id` of those that have not ended, and of those that were told. */
  readonly #open = new Map<string, { readonly app: string; readonly id: string }>();
  readonly #told = new Map<string, string>();

  constructor(store: Pick<DeploymentStore, 'listSince' | 'events'>, clock: Clock = systemClock) {
    this.#store = store;
    this.#clock = clock;
    this.#since = firstIdOf(clock.now());
  }

  /** Each once. */
  async take(): Promise<Timings[]> {
    const next = firstIdOf(this.#clock.now() - LATE_MS);
    for (const found of await this.#store.listSince(this.#since)) {
      const key = `${found.app}/${found.id}`;
      if (!this.#told.has(key)) this.#open.set(key, found);
    }
    const ended: Timings[] = [];
    for (const [key, { app, id }] of this.#open) {
      const events = await this.#store.events(app, id);
      const timings = events === undefined ? undefined : timingsOf(app, id, events);
      // Undefined events: the app was destroyed.
      if (events !== undefined && timings === undefined) continue;
      this.#open.delete(key);
      this.#told.set(key, id);
      if (timings !== undefined) ended.push(timings);
    }
    if (next > this.#since) this.#since = next;
    for (const [key, id] of this.#told) if (id < this.#since) this.#told.delete(key);
    return ended;
  }
}

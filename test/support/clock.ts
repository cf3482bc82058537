import type { Clock } from '../../src/clock.js';

/** A clock that stands still until it is moved. */
export class HeldClock implements Clock {
  #now: number;

  constructor(now = 1_760_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

/**
 * Deployment ids: they sort by time as text, are unique across processes, and are safe in paths and ref names.
 * `b`, nine digits of base 32 (milliseconds since the epoch, good until the year 3084), five random ones.
 */
import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from '../clock.js';
import { SlipwayError } from '../errors.js';

/** Without i, l, o and u (Crockford): ids are read aloud. In ASCII order, so that text order is number order. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_DIGITS = 9;
const RANDOM_DIGITS = 5;
const ID = /^[a-z0-9]{10,20}$/;

export function isDeploymentId(id: string): boolean {
  return ID.test(id);
}

/** Returns the id, or throws `invalid_name`: an id becomes a path and a part of a ref name. */
export function checkDeploymentId(id: string): string {
  if (isDeploymentId(id)) return id;
  throw new SlipwayError('invalid_name', `${JSON.stringify(id.slice(0, 60))} is not a build id`, {
    hint: 'an id looks like b1k5xw3f9aq7m2c; `slipway builds` lists them',
  });
}

/** What all ids of this millisecond begin with; as text it comes before them, and after those of earlier ones. */
export function firstIdOf(ms: number): string {
  let time = '';
  for (let rest = ms; time.length < TIME_DIGITS; rest = Math.floor(rest / 32)) {
    time = DIGITS.charAt(rest % 32) + time;
  }
  return `b${time}`;
}

export class DeploymentIds {
  readonly #clock: Clock;
  #lastMs = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  next(): string {
    // Two ids of one millisecond, or a clock set back, must still sort in the order they were given out.
    this.#lastMs = Math.max(this.#clock.now(), this.#lastMs + 1);
    return `${firstIdOf(this.#lastMs)}${Array.from({ length: RANDOM_DIGITS }, () => DIGITS.charAt(randomInt(32))).join('')}`;
  }
}

/** Looking at something again and again until it has passed so many times in a row. Nothing is believed that was seen only once. */
import { setTimeout as sleep } from 'node:timers/promises';

/** One look. */
export interface Seen {
  readonly isGood: boolean;
  /** `answered 503` */
  readonly what: string;
  /** It took too long; where our own end cut it short, that says less than those before it. */
  readonly isLate?: boolean;
}

export interface Row {
  /** So many in a row must pass. */
  readonly successes: number;
  /** So many may fail, when that is said. */
  readonly attempts?: number;
  /** For one look. */
  readonly timeoutMs: number;
  /** Between two looks. */
  readonly pauses: Pauses;
  /** By performance.now(). */
  readonly endsAt: number;
  readonly signal: AbortSignal;
}

export interface Pauses {
  /** Every push waits for these. */
  readonly afterPassMs: number;
  /** It grows from failure to failure. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** A request costs nothing. */
export const REQUEST_PAUSES: Pauses = { afterPassMs: 15, firstMs: 20, longestMs: 500 };
/** Running a command in a container is dearer than asking a port. */
export const COMMAND_PAUSES: Pauses = { afterPassMs: 100, firstMs: 200, longestMs: 2000 };

/** How it ended: what was seen last, and how often it passed although that was not enough. */
export interface Ended {
  readonly isGood: boolean;
  readonly what: string;
  readonly looks: number;
  readonly passes: number;
}

export async function lookInARow(
  { successes, attempts = Number.POSITIVE_INFINITY, timeoutMs, pauses, endsAt, signal }: Row,
  look: (timeoutMs: number) => Promise<Seen>,
): Promise<Ended> {
  let bad: string | undefined;
  let [looks, passes, inARow] = [0, 0, 0];
  let pauseMs = pauses.firstMs;
  while (performance.now() < endsAt) {
    const leftMs = endsAt - performance.now();
    const seen = await look(Math.ceil(Math.max(1, Math.min(timeoutMs, leftMs))));
    signal.throwIfAborted();
    looks += 1;
    inARow = seen.isGood ? inARow + 1 : 0;
    if (seen.isGood) passes += 1;
    if (inARow >= successes) return { isGood: true, what: seen.what, looks, passes };
    const isCutShort = seen.isLate === true && leftMs < timeoutMs;
    if (!seen.isGood && !(isCutShort && bad !== undefined)) bad = seen.what;
    if (looks - passes >= attempts) break;
    const pause = Math.min(seen.isGood ? pauses.afterPassMs : pauseMs, endsAt - performance.now());
    await sleep(Math.max(0, pause), undefined, { signal });
    if (!seen.isGood) pauseMs = Math.min(pauseMs * 1.5, pauses.longestMs);
  }
  return {
    isGood: false,
    what: bad ?? `passed ${inARow} times in a row, and then the time was over`,
    looks,
    passes,
  };
}

/** Freezes: times of the week in which nobody deploys, `Fri 16:00-Mon 08:00` in a time zone, and when one that is under way ends. Pure. */
import { SlipwayError } from '../errors.js';

export interface Freeze {
  /** As it was written. */
  readonly week: string;
  /** A name of the IANA database: `Europe/Berlin`. */
  readonly timeZone: string;
  readonly reason: string;
  readonly at: string;
  readonly by: string;
}

export interface ActiveFreeze extends Freeze {
  /** ISO 8601. */
  readonly until: string;
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const MOMENT = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):([0-5]\d)$/;
const MINUTE_MS = 60_000;
const WEEK_MINUTES = 7 * 24 * 60;

/** Returns both, or throws `bad_request`. */
export function checkFreeze(week: string, timeZone: string): Pick<Freeze, 'week' | 'timeZone'> {
  const window = windowOf(week);
  if (window === undefined || window.from === window.to)
    throw new SlipwayError('bad_request', `${JSON.stringify(week.slice(0, 60))} is not a time of the week`, {
      hint: 'for example: "Fri 16:00-Mon 08:00"',
    });
  try {
    localMinutes(0, timeZone);
  } catch {
    throw new SlipwayError('bad_request', `${JSON.stringify(timeZone.slice(0, 60))} is not a time zone`, {
      hint: 'use a name such as Europe/Berlin, or UTC',
    });
  }
  return { week, timeZone };
}

/** The freeze that holds now; of several, the one that ends last. */
export function activeFreeze(freezes: readonly Freeze[], now: number): ActiveFreeze | undefined {
  return freezes
    .flatMap((freeze): ActiveFreeze[] => {
      const until = endOf(freeze, now);
      return until === undefined ? [] : [{ ...freeze, until: new Date(until).toISOString() }];
    })
    .sort((a, b) => (a.until < b.until ? 1 : -1))[0];
}

/** Throws `locked` with the reason and the end, unless there is none. */
export function refuseFrozen(app: string, freeze: ActiveFreeze | undefined): void {
  if (freeze === undefined) return;
  const { reason, by, until, week, timeZone } = freeze;
  throw new SlipwayError('locked', `${app} is frozen until ${until} by ${by}: ${reason}`, {
    hint: `${week} (${timeZone}) nobody deploys; an admin of the app deploys all the same with: git push -o force`,
  });
}

/** Undefined when it does not hold now. */
function endOf({ week, timeZone }: Freeze, now: number): number | undefined {
  const window = windowOf(week);
  if (window === undefined) return undefined;
  const minutes = localMinutes(now, timeZone);
  if (after(window.from, minutes) >= after(window.from, window.to)) return undefined;
  const start = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  const end = start + after(minutes, window.to) * MINUTE_MS;
  // With a change to or from summer time on the way, the clock shows something else by then.
  const late = after(window.to, localMinutes(end, timeZone));
  return end - (late > WEEK_MINUTES / 2 ? late - WEEK_MINUTES : late) * MINUTE_MS;
}

/** How many minutes it is from one moment of the week to the next other. */
function after(from: number, to: number): number {
  return (to - from + WEEK_MINUTES) % WEEK_MINUTES;
}

function windowOf(week: string): { readonly from: number; readonly to: number } | undefined {
  const [from, to, ...more] = week.split('-').map((moment) => minutesOf(moment.trim()));
  return from === undefined || to === undefined || more.length > 0 ? undefined : { from, to };
}

/** Since Monday, 00:00. */
function minutesOf(moment: string): number | undefined {
  const [, day = '', hour, minute] = MOMENT.exec(moment) ?? [];
  return hour === undefined ? undefined : DAYS.indexOf(day) * 24 * 60 + Number(hour) * 60 + Number(minute);
}

function localMinutes(now: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(now);
  const part = (type: Intl.DateTimeFormatPartTypes): string =>
    parts.find((one) => one.type === type)?.value ?? '';
  return minutesOf(`${part('weekday')} ${part('hour')}:${part('minute')}`) ?? 0;
}

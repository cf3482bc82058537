/** When a cron entry is due, and since when: crontab(5) in a time zone. Pure. */
import { Cron } from 'croner';
import type { CronEntry } from './cron.js';
import { isStopped } from './process.js';
import type { ReleaseWithOutcome } from './release.js';

type Schedule = Pick<CronEntry, 'schedule' | 'timeZone'>;

const SCHEDULE = /^(?:@(?:hourly|daily|midnight|weekly|monthly|yearly|annually)|\S+(?:[ \t]+\S+){4})$/;

/** Why this can be no time zone; undefined when it can. */
export function timeZoneFault(timeZone: string): string | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return undefined;
  } catch {
    return `${JSON.stringify(timeZone.slice(0, 60))} is no time zone such as "Europe/Berlin"`;
  }
}

/** Why this can be no schedule; undefined when it can. */
export function scheduleFault(schedule: string): string | undefined {
  if (!SCHEDULE.test(schedule)) return 'must have five fields, such as "0 3 * * *"';
  try {
    if (clockOf({ schedule }).nextRun() !== null) return undefined;
    return `${JSON.stringify(schedule.slice(0, 60))} never comes`;
  } catch {
    return `${JSON.stringify(schedule.slice(0, 60))} is not understood; five fields, such as "0 3 * * *"`;
  }
}

/** The first time after this one, in ms. */
export function nextDue(entry: Schedule, afterMs: number): number | undefined {
  return clockOf(entry).nextRun(new Date(afterMs))?.getTime();
}

/** All times after the first and up to the second, in ms. */
export function dueBetween(entry: Schedule, afterMs: number, untilMs: number): number[] {
  const clock = clockOf(entry);
  const times: number[] = [];
  for (let last = afterMs; ; ) {
    const next = clock.nextRun(new Date(last))?.getTime();
    if (next === undefined || next > untilMs) return times;
    times.push(next);
    last = next;
  }
}

/**
 * Since when the entry has been due at its times: the live releases right up to this one that had it so, and were not stopped.
 * A release that goes live at the very minute does not take that minute away.
 */
export function heldSince(releases: readonly ReleaseWithOutcome[], live: number, entry: CronEntry): number {
  let since = Number.POSITIVE_INFINITY;
  for (const release of [...releases].sort((a, b) => b.number - a.number)) {
    if (release.number > live || release.outcome?.state !== 'live') continue;
    const then = release.cron?.find(({ name }) => name === entry.name);
    const isSame = then?.schedule === entry.schedule && then.timeZone === entry.timeZone;
    if (!isSame || isStopped(release)) break;
    since = Date.parse(release.outcome.at);
  }
  return since;
}

function clockOf({ schedule, timeZone = 'UTC' }: Schedule): Cron {
  return new Cron(schedule, { timezone: timeZone, mode: '5-part', paused: true });
}

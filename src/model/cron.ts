/** Commands that run by the clock: an entry, its name, and since when it holds. When it is due is in schedule.ts. Pure. */
import { isStopped } from './process.js';
import type { ReleaseWithOutcome } from './release.js';

/** Of one app: more is a mistake, or a scheduler of its own. */
export const CRON_LIMIT = 50;

export interface CronEntry {
  readonly name: string;
  /** As in crontab(5): five fields, or `@daily` and its like. */
  readonly schedule: string;
  readonly command: readonly string[];
  /** Of the IANA list; absent: UTC. */
  readonly timeZone?: string;
  /** Absent: the platform's limit. */
  readonly timeoutMs?: number;
  /** One may begin while another still runs. */
  readonly overlaps?: boolean;
}

/** It becomes part of a container's name and of a path. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,29}$/;

export function isCronName(name: string): boolean {
  return NAME.test(name);
}

/** A name for an entry that has none: of its command, so that it stays when others come before it. */
export function cronNameOf(command: string, taken: ReadonlySet<string>): string {
  const words = command.replace(/[^A-Za-z0-9]+/g, '-').replace(/^[^A-Za-z]+|-+$/g, '');
  const name = words.slice(0, 26).replace(/-+$/, '') || 'cron';
  for (let count = 1; ; count += 1) {
    const wanted = count === 1 ? name : `${name}-${count}`;
    if (!taken.has(wanted)) return wanted;
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

/** `0 3 * * * (Europe/Berlin)` */
export function describeSchedule({ schedule, timeZone }: Pick<CronEntry, 'schedule' | 'timeZone'>): string {
  return timeZone === undefined ? schedule : `${schedule} (${timeZone})`;
}

/** Commands that run by the clock: an entry and its name. When it is due is in schedule.ts. Pure. */

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

/** `0 3 * * * (Europe/Berlin)` */
export function describeSchedule({ schedule, timeZone }: Pick<CronEntry, 'schedule' | 'timeZone'>): string {
  return timeZone === undefined ? schedule : `${schedule} (${timeZone})`;
}

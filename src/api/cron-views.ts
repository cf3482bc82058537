/** What is answered about an app's cron entries and their runs: command line ↔ web ↔ deployer. */
import { z } from 'zod';
import type { CronEntry } from '../model/cron.js';
import { nextDue } from '../model/schedule.js';
import { type CronOutcome, type CronRun, dueOf } from '../records/cron-runs.js';
import { count, described, list, maybe, text, texts, time, yes } from './described.js';

export interface CronRunView {
  readonly run: string;
  readonly outcome: CronOutcome | 'running';
  /** When it was due; absent for one that somebody asked for. */
  readonly due?: string;
  /** Who asked for it. */
  readonly by?: string;
  readonly host?: string;
  readonly release?: number;
  readonly beganAt: string;
  readonly endedAt?: string;
  readonly exitCode?: number;
  readonly reason?: string;
}

export interface CronEntryView {
  readonly name: string;
  readonly schedule: string;
  readonly timeZone: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly overlaps: boolean;
  /** Absent for an app that is stopped. */
  readonly next?: string;
  readonly last?: CronRunView;
}

export interface CronList {
  readonly entries: readonly CronEntryView[];
  readonly stopped: boolean;
}

/** A run that somebody asked for. */
export interface CronStarted {
  readonly entry: string;
  readonly run: string;
  /** Of its container: `cron.nightly.20261130T030000123Z`. */
  readonly name: string;
  readonly host: string;
}

const OUTCOMES = ['ok', 'failed', 'timeout', 'missed', 'skipped', 'lost', 'running'] as const;

export const Run: z.ZodType<CronRunView> = described<CronRunView>('CronRun', {
  run: text,
  outcome: z.enum(OUTCOMES),
  due: maybe(time),
  by: maybe(text),
  host: maybe(text),
  release: maybe(count),
  beganAt: time,
  endedAt: maybe(time),
  exitCode: maybe(count),
  reason: maybe(text),
});

const Entry = described<CronEntryView>('CronEntry', {
  name: text,
  schedule: text,
  timeZone: text,
  command: texts,
  timeoutMs: count,
  overlaps: yes,
  next: maybe(time),
  last: maybe(Run),
});

export const CronEntries: z.ZodType<CronList> = described<CronList>('CronEntries', {
  entries: list(Entry),
  stopped: yes,
});

export const RunStarted: z.ZodType<CronStarted> = described<CronStarted>('CronStarted', {
  entry: text,
  run: text,
  name: text,
  host: text,
});

export function cronRunView({ id, claim, place, end }: CronRun): CronRunView {
  const due = dueOf(id);
  return {
    run: id,
    outcome: end?.outcome ?? 'running',
    ...(due === undefined ? {} : { due: isoOf(due) }),
    ...(claim.who === undefined ? {} : { by: claim.who }),
    ...(place === undefined ? {} : { host: place.host, release: place.release }),
    beganAt: isoOf(place?.at ?? claim.at),
    ...(end === undefined ? {} : { endedAt: isoOf(end.at) }),
    ...(end?.exitCode === undefined ? {} : { exitCode: end.exitCode }),
    ...(end?.reason === undefined ? {} : { reason: end.reason }),
  };
}

export function cronEntryView(
  entry: CronEntry,
  last: CronRun | undefined,
  { now, isStopped, timeoutMs }: { now: number; isStopped: boolean; timeoutMs: number },
): CronEntryView {
  const next = isStopped ? undefined : nextDue(entry, now);
  return {
    name: entry.name,
    schedule: entry.schedule,
    timeZone: entry.timeZone ?? 'UTC',
    command: entry.command,
    timeoutMs: entry.timeoutMs ?? timeoutMs,
    overlaps: entry.overlaps === true,
    ...(next === undefined ? {} : { next: isoOf(next) }),
    ...(last === undefined ? {} : { last: cronRunView(last) }),
  };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

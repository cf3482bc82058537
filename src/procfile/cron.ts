/**
 * `cron` of `app.json`, as Heroku and Dokku have it: `[{"command": "node tasks.js", "schedule": "0 3 * * *"}]`. Beside that an entry
 * may have a name, a time zone, a time limit, and Dokku's `concurrency_policy`. Pure.
 */
import { parseDuration } from '../dockerfile/duration.js';
import { CRON_LIMIT, type CronEntry, cronNameOf, isCronName } from '../model/cron.js';
import { scheduleFault, timeZoneFault } from '../model/schedule.js';
import { commandArgv } from './command.js';
import { JsonFault, type Located, objectOf } from './json-lines.js';

const LONGEST_MS = 24 * 60 * 60_000;
const COMMAND_CHARS = 8 * 1024;

/** Throws {@link JsonFault}. */
export function cronOf(cron: Located | undefined): CronEntry[] {
  if (cron === undefined) return [];
  if (!Array.isArray(cron.value)) throw new JsonFault(cron.line, 'cron must be a list');
  const entries = cron.value as readonly Located[];
  if (entries.length > CRON_LIMIT)
    throw new JsonFault(cron.line, `cron must not have more than ${CRON_LIMIT} entries`);
  const named = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const name = objectOf(entry, `cron[${index}]`).get('name');
    if (name === undefined) continue;
    if (typeof name.value !== 'string' || !isCronName(name.value))
      throw new JsonFault(
        name.line,
        `cron[${index}].name must be 1 to 30 letters, digits, "_" and "-", starting with a letter`,
      );
    if (named.has(name.value)) throw new JsonFault(name.line, `cron has two entries called ${name.value}`);
    named.add(name.value);
  }
  return entries.map((entry, index) => {
    const one = entryOf(entry, `cron[${index}]`, named);
    named.add(one.name);
    return one;
  });
}

function entryOf(entry: Located, where: string, taken: ReadonlySet<string>): CronEntry {
  const fields = objectOf(entry, where);
  const text = (key: string): string | undefined => {
    const field = fields.get(key);
    if (field === undefined) return undefined;
    if (typeof field.value === 'string' && field.value.trim() !== '') return field.value.trim();
    throw new JsonFault(field.line, `${where}.${key} must be a string that is not empty`);
  };
  const must = (key: string): string => {
    const found = text(key);
    if (found === undefined) throw new JsonFault(entry.line, `${where} has no ${key}`);
    return found;
  };
  const refuse = (key: string, fault: string | undefined): void => {
    if (fault !== undefined)
      throw new JsonFault(fields.get(key)?.line ?? entry.line, `${where}.${key} ${fault}`);
  };
  const command = must('command');
  if (command.includes('\0') || command.length > COMMAND_CHARS)
    refuse('command', `must have at most ${COMMAND_CHARS} characters, and no NUL`);
  const schedule = must('schedule');
  refuse('schedule', scheduleFault(schedule));
  const timeZone = text('timezone');
  if (timeZone !== undefined) refuse('timezone', timeZoneFault(timeZone));
  const policy = text('concurrency_policy') ?? 'forbid';
  if (policy !== 'forbid' && policy !== 'allow') refuse('concurrency_policy', 'must be "forbid" or "allow"');
  const timeoutMs = timeoutOf(fields.get('timeout'), where);
  return {
    name: text('name') ?? cronNameOf(command, taken),
    schedule,
    command: commandArgv(command),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(policy === 'allow' ? { overlaps: true } : {}),
  };
}

/** Seconds as a number, or `"90s"`, `"15m"`, `"2h"`. */
function timeoutOf(timeout: Located | undefined, where: string): number | undefined {
  if (timeout === undefined) return undefined;
  const { value, line } = timeout;
  const ms =
    typeof value === 'number'
      ? value * 1000
      : typeof value === 'string'
        ? (parseDuration(value.trim()) ?? 0) / 1e6
        : 0;
  if (Number.isInteger(ms) && ms >= 1000 && ms <= LONGEST_MS) return ms;
  throw new JsonFault(line, `${where}.timeout must be seconds or a time such as "15m", from "1s" to "24h"`);
}

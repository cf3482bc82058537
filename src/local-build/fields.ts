/** Values of options made of fields, as docker writes them: `id=npm,src=.npmrc`, one record of CSV. Pure. */
import { UsageError } from '../cli/usage.js';
import { csvFields } from '../dockerfile/csv.js';

/** Reads `key=value` fields; keys are case-insensitive. Throws a UsageError for a key that is not `known`, or twice there. */
export function readFields(
  option: string,
  text: string,
  known: readonly string[],
): ReadonlyMap<string, string> {
  const say = (problem: string): UsageError =>
    new UsageError(`--${option} ${JSON.stringify(text)}: ${problem}`, `it takes: ${known.join(', ')}`);
  const fields = csvFields(text);
  if (typeof fields === 'string') throw say(fields);
  const values = new Map<string, string>();
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals < 0) throw say(`${JSON.stringify(field)} has no value`);
    const key = field.slice(0, equals).trim().toLowerCase();
    if (!known.includes(key)) throw say(`there is no field "${key}"`);
    if (values.has(key)) throw say(`"${key}" is given twice`);
    values.set(key, field.slice(equals + 1));
  }
  return values;
}

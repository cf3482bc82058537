/**
 * `app.json`, as Heroku and Dokku have it: of its fields `formation` is used, how many containers of each process type there are and what
 * each may use, until somebody says otherwise with ps:scale and ps:resources, and `review`, what review apps have otherwise.
 * `scripts` and `cron` are only checked. Pure.
 */
import { SlipwayError, toSlipwayError } from '../errors.js';
import { checkConfigName, checkConfigValue } from '../model/app.js';
import { SCALE_LIMIT, typeFault } from '../model/process.js';
import type { ProcessResources } from '../model/release.js';
import { RESOURCES, ResourceFault } from '../model/resources.js';
import { JsonFault, type Located, parseJsonLines } from './json-lines.js';

export const APP_JSON = 'app.json';
export const APP_JSON_BYTES: number = 256 * 1024;

export interface DeclaredFormation {
  readonly line: number;
  readonly quantity?: number;
  readonly resources?: ProcessResources;
}

export interface AppJson {
  /** By process type. */
  readonly formation: ReadonlyMap<string, DeclaredFormation>;
  readonly review: DeclaredReview;
}

/** What a review app has otherwise than its app: `"review": {"env": {"NAME": "value"}, "formation": {…}}`. */
export interface DeclaredReview {
  /** Null: the variable of the app is left out. */
  readonly env: ReadonlyMap<string, string | null>;
  readonly formation: ReadonlyMap<string, DeclaredFormation>;
}

/** Five fields of digits, names and `*,-/`; crontab(5). */
const SCHEDULE = /^(?:@(?:hourly|daily|weekly|monthly|yearly|annually|midnight)|\S+(?:[ \t]+\S+){4})$/;

/** Throws `app_json_invalid` with file and line. Fields that are not ours are other platforms' and mean nothing here. */
export function parseAppJson(text: string): AppJson {
  try {
    const root = objectOf(parseJsonLines(text.replace(/^\ufeff/, '')), 'it');
    checkScripts(root.get('scripts'));
    checkCron(root.get('cron'));
    const formation = formationsOf(root.get('formation'), 'formation');
    return { formation, review: reviewOf(root.get('review')) };
  } catch (thrown) {
    if (thrown instanceof JsonFault) throw appJsonInvalid(thrown.line, thrown.message);
    throw thrown;
  }
}

export function appJsonInvalid(line: number, message: string): SlipwayError {
  return new SlipwayError('app_json_invalid', message, {
    where: `${APP_JSON}:${line}`,
    hint: 'correct the line, commit and push again',
  });
}

function formationsOf(declared: Located | undefined, name: string): ReadonlyMap<string, DeclaredFormation> {
  const formation = new Map<string, DeclaredFormation>();
  for (const [type, entry] of declared === undefined ? [] : objectOf(declared, name)) {
    const fault = typeFault(type);
    if (fault !== undefined) throw new JsonFault(entry.line, `${name}: ${fault}`);
    formation.set(type, formationOf(type, entry));
  }
  return formation;
}

function reviewOf(review: Located | undefined): DeclaredReview {
  const fields = review === undefined ? new Map<string, Located>() : objectOf(review, 'review');
  const env = new Map<string, string | null>();
  const declared = fields.get('env');
  for (const [name, { value, line }] of declared === undefined ? [] : objectOf(declared, 'review.env')) {
    if (value !== null && typeof value !== 'string')
      throw new JsonFault(line, `review.env.${name} must be a string, or null to leave it out`);
    try {
      checkConfigValue(checkConfigName(name), value);
    } catch (thrown) {
      throw new JsonFault(line, `review.env: ${toSlipwayError(thrown).message}`);
    }
    env.set(name, value);
  }
  return { env, formation: formationsOf(fields.get('formation'), 'review.formation') };
}

function formationOf(type: string, entry: Located): DeclaredFormation {
  const fields = objectOf(entry, `formation.${type}`);
  const quantity = fields.get('quantity');
  if (quantity !== undefined && !isScale(quantity.value))
    throw new JsonFault(
      quantity.line,
      `formation.${type}.quantity must be a whole number from 0 to ${SCALE_LIMIT}`,
    );
  const resources: [string, number][] = [];
  for (const { name, field, parse } of RESOURCES) {
    const given = fields.get(name);
    if (given === undefined) continue;
    const { value, line } = given;
    try {
      if (typeof value !== 'string' && typeof value !== 'number')
        throw new ResourceFault(`${name} must be a number or a string`);
      resources.push([field, parse(value)]);
    } catch (thrown) {
      if (thrown instanceof ResourceFault) throw new JsonFault(line, `formation.${type}: ${thrown.message}`);
      throw thrown;
    }
  }
  return {
    line: entry.line,
    ...(quantity === undefined ? {} : { quantity: quantity.value as number }),
    ...(resources.length === 0 ? {} : { resources: Object.fromEntries(resources) as ProcessResources }),
  };
}

function isScale(value: Located['value']): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= SCALE_LIMIT;
}

/** `{"postdeploy": "…", "dokku": {"predeploy": "…"}}` */
function checkScripts(scripts: Located | undefined, name = 'scripts'): void {
  if (scripts === undefined) return;
  for (const [key, script] of objectOf(scripts, name)) {
    if (script.value instanceof Map && name === 'scripts') checkScripts(script, `${name}.${key}`);
    else if (typeof script.value !== 'string')
      throw new JsonFault(script.line, `${name}.${key} must be a command as a string`);
  }
}

/** `[{"command": "…", "schedule": "0 3 * * *"}]` */
function checkCron(cron: Located | undefined): void {
  if (cron === undefined) return;
  if (!Array.isArray(cron.value)) throw new JsonFault(cron.line, 'cron must be a list');
  for (const [index, entry] of (cron.value as readonly Located[]).entries()) {
    const name = `cron[${index}]`;
    const fields = objectOf(entry, name);
    for (const key of ['command', 'schedule']) {
      const field = fields.get(key);
      if (field === undefined) throw new JsonFault(entry.line, `${name} has no ${key}`);
      if (typeof field.value !== 'string' || field.value.trim() === '')
        throw new JsonFault(field.line, `${name}.${key} must be a string that is not empty`);
      if (key === 'schedule' && !SCHEDULE.test(field.value.trim()))
        throw new JsonFault(field.line, `${name}.schedule must have five fields, such as "0 3 * * *"`);
    }
  }
}

function objectOf({ value, line }: Located, name: string): ReadonlyMap<string, Located> {
  if (value instanceof Map) return value;
  throw new JsonFault(line, `${name} must be an object: {…}`);
}

/**
 * `app.json`, as Heroku and Dokku have it: of its fields `formation` is used, how many containers of each process type there are and what
 * each may use, until somebody says otherwise with ps:scale and ps:resources; and `volumes`, which is ours: what is mounted where. `scripts` and `cron` are only checked. Pure.
 */
import { SlipwayError } from '../errors.js';
import { SCALE_LIMIT, typeFault } from '../model/process.js';
import type { ProcessResources } from '../model/release.js';
import { RESOURCES, ResourceFault } from '../model/resources.js';
import { MountFault, parseMount, VOLUMES_LIMIT, type VolumeMount, volumeNameFault } from '../model/volume.js';
import { JsonFault, type Located, parseJsonLines } from './json-lines.js';

export const APP_JSON = 'app.json';
export const APP_JSON_BYTES: number = 256 * 1024;

export interface DeclaredFormation {
  readonly line: number;
  readonly quantity?: number;
  readonly resources?: ProcessResources;
}

export interface DeclaredMount extends VolumeMount {
  readonly line: number;
  readonly type: string;
}

export interface AppJson {
  /** By process type. */
  readonly formation: ReadonlyMap<string, DeclaredFormation>;
  readonly mounts: readonly DeclaredMount[];
}

/** Five fields of digits, names and `*,-/`; crontab(5). */
const SCHEDULE = /^(?:@(?:hourly|daily|weekly|monthly|yearly|annually|midnight)|\S+(?:[ \t]+\S+){4})$/;

/** Throws `app_json_invalid` with file and line. Fields that are not ours are other platforms' and mean nothing here. */
export function parseAppJson(text: string): AppJson {
  try {
    const root = objectOf(parseJsonLines(text.replace(/^\ufeff/, '')), 'it');
    checkScripts(root.get('scripts'));
    checkCron(root.get('cron'));
    const formation = new Map<string, DeclaredFormation>();
    const declared = root.get('formation');
    for (const [type, entry] of declared === undefined ? [] : objectOf(declared, 'formation')) {
      const fault = typeFault(type);
      if (fault !== undefined) throw new JsonFault(entry.line, `formation: ${fault}`);
      formation.set(type, formationOf(type, entry));
    }
    return { formation, mounts: mountsOf(root.get('volumes')) };
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

/** `{"data": ["web:/data", "worker:/data:ro"]}` */
function mountsOf(declared: Located | undefined): DeclaredMount[] {
  const volumes = declared === undefined ? new Map<string, Located>() : objectOf(declared, 'volumes');
  if (volumes.size > VOLUMES_LIMIT)
    throw new JsonFault(declared?.line ?? 1, `volumes must not name more than ${VOLUMES_LIMIT}`);
  const mounts: DeclaredMount[] = [];
  for (const [volume, list] of volumes) {
    const fault = volumeNameFault(volume);
    if (fault !== undefined) throw new JsonFault(list.line, `volumes: ${fault}`);
    if (!Array.isArray(list.value))
      throw new JsonFault(list.line, `volumes.${volume} must be a list, such as ["web:/data"]`);
    for (const { value, line } of list.value as readonly Located[]) {
      const { type, path, readOnly } = mountAt(volume, value, line);
      if (mounts.some((one) => one.type === type && one.path === path))
        throw new JsonFault(line, `volumes: two are mounted at ${type}:${path}`);
      mounts.push({ line, type, volume, path, ...(readOnly ? { readOnly } : {}) });
    }
  }
  return mounts;
}

function mountAt(volume: string, value: Located['value'], line: number): ReturnType<typeof parseMount> {
  if (typeof value !== 'string')
    throw new JsonFault(line, `volumes.${volume} must hold strings, such as "web:/data"`);
  try {
    return parseMount(value);
  } catch (thrown) {
    if (thrown instanceof MountFault) throw new JsonFault(line, `volumes.${volume}: ${thrown.message}`);
    throw thrown;
  }
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

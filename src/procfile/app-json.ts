/**
 * `app.json`, as Heroku and Dokku have it: of its fields `formation` is used, how many containers of each process type there are and what
 * each may use, until somebody says otherwise with ps:scale and ps:resources; `healthchecks`, see healthchecks.ts; `cron`, see
 * cron.ts; `strategy`, how releases are rolled out; `volumes`, which is ours: what is mounted where; and `review`, what review apps
 * have otherwise. `scripts` are only checked. Pure.
 */
import { SlipwayError, toSlipwayError } from '../errors.js';
import { checkConfigName, checkConfigValue } from '../model/app.js';
import type { CronEntry } from '../model/cron.js';
import { SCALE_LIMIT, typeFault } from '../model/process.js';
import type { ProcessResources } from '../model/release.js';
import { RESOURCES, ResourceFault } from '../model/resources.js';
import { parseStrategy, type Strategy, StrategyFault } from '../model/strategy.js';
import { MountFault, parseMount, VOLUMES_LIMIT, type VolumeMount, volumeNameFault } from '../model/volume.js';
import { cronOf } from './cron.js';
import { type DeclaredChecks, parseHealthchecks } from './healthchecks.js';
import { JsonFault, type Located, objectOf, parseJsonLines } from './json-lines.js';

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
  /** By process type. */
  readonly healthchecks: ReadonlyMap<string, DeclaredChecks>;
  readonly cron: readonly CronEntry[];
  readonly strategy?: Strategy;
  readonly mounts: readonly DeclaredMount[];
  readonly review: DeclaredReview;
}

/** What a review app has otherwise than its app: `"review": {"env": {"NAME": "value"}, "formation": {…}}`. */
export interface DeclaredReview {
  /** Null: the variable of the app is left out. */
  readonly env: ReadonlyMap<string, string | null>;
  readonly formation: ReadonlyMap<string, DeclaredFormation>;
}

/** Throws `app_json_invalid` with file and line. Fields that are not ours are other platforms' and mean nothing here. */
export function parseAppJson(text: string): AppJson {
  try {
    const root = objectOf(parseJsonLines(text.replace(/^\ufeff/, '')), 'it');
    checkScripts(root.get('scripts'));
    const healthchecks = root.get('healthchecks');
    const strategy = strategyOf(root.get('strategy'));
    return {
      formation: formationsOf(root.get('formation'), 'formation'),
      healthchecks: healthchecks === undefined ? new Map() : parseHealthchecks(healthchecks),
      cron: cronOf(root.get('cron')),
      ...(strategy === undefined ? {} : { strategy }),
      mounts: mountsOf(root.get('volumes')),
      review: reviewOf(root.get('review')),
    };
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

function strategyOf(field: Located | undefined): Strategy | undefined {
  if (field === undefined) return undefined;
  if (typeof field.value !== 'string') throw new JsonFault(field.line, 'strategy must be a string');
  try {
    return parseStrategy(field.value);
  } catch (thrown) {
    if (thrown instanceof StrategyFault) throw new JsonFault(field.line, `strategy: ${thrown.message}`);
    throw thrown;
  }
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

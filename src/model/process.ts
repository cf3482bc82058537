/** Process types: their names, what a commit declares of them, what people set, and what of both a release gets. Pure. */
import { SlipwayError } from '../errors.js';
import type { Check } from './check.js';
import type { CronEntry } from './cron.js';
import type { ProcessResources, ReleaseProcess } from './release.js';
import type { Strategy } from './strategy.js';
import { type MountSetting, mounted, type VolumeMount } from './volume.js';

/** The type that answers requests; every app has it. */
export const WEB_TYPE = 'web';
/** The Procfile's name for the release phase, and the word for one-off commands: no process types. */
const RESERVED_TYPES = new Set(['release', 'run']);
/** It becomes part of a container's name and a label. */
const PROCESS_TYPE = /^[A-Za-z][A-Za-z0-9_-]{0,29}$/;
/** Containers of one type: more is a slip of the finger, or a harm to the other apps of the hosts. */
export const SCALE_LIMIT = 100;

/** Why this cannot be a process type's name; undefined when it can. */
export function typeFault(type: string): string | undefined {
  if (RESERVED_TYPES.has(type)) return `"${type}" is not a process type`;
  if (PROCESS_TYPE.test(type)) return undefined;
  return `${JSON.stringify(type.slice(0, 60))} is not a process type: it is 1 to 30 letters, digits, "_" and "-", starting with a letter`;
}

/** Returns the name, or throws `invalid_name` with the rule. */
export function checkProcessType(type: string): string {
  const fault = typeFault(type);
  if (fault === undefined) return type;
  throw new SlipwayError('invalid_name', fault, { hint: 'see: slipway ps:scale' });
}

/** Returns the number, or throws `bad_request`. */
export function checkScale(type: string, scale: number): number {
  if (Number.isInteger(scale) && scale >= 0 && scale <= SCALE_LIMIT) return scale;
  throw new SlipwayError('bad_request', `${type}=${scale} is not a scale`, {
    hint: `use a whole number from 0 to ${SCALE_LIMIT}: slipway ps:scale ${type}=2`,
  });
}

/** Returns them, or throws `too_large` for more containers than an app may have. */
export function checkContainers<T extends readonly ReleaseProcess[]>(
  app: string,
  processes: T,
  limit: number,
): T {
  const count = processes.reduce((sum, { scale, whenStarted = scale }) => sum + whenStarted, 0);
  if (count <= limit) return processes;
  throw new SlipwayError(
    'too_large',
    `${app} would have ${count} containers, and an app has at most ${limit}`,
    {
      hint: 'scale another process type down first: slipway ps:scale; the operator raises it with SLIPWAY_LIMIT_APP_CONTAINERS',
    },
  );
}

/** What a commit says of one of its process types. */
export interface DeclaredProcess {
  readonly type: string;
  /** Instead of the image's own command. */
  readonly command?: readonly string[];
  /** How many there are until somebody says otherwise. */
  readonly quantity?: number;
  readonly resources?: ProcessResources;
  readonly checks?: readonly Check[];
  readonly mounts?: readonly VolumeMount[];
}

/** What a commit says of its processes. */
export interface Declared {
  /** `web` is always among them, and the first. */
  readonly processes: readonly DeclaredProcess[];
  /** The command of the release phase. */
  readonly releasePhase?: readonly string[];
  readonly cron?: readonly CronEntry[];
  /** How its releases are rolled out. */
  readonly strategy?: Strategy;
}

/** A limit, or null for none whatever the commit says. */
export type ResourceSettings = { readonly [Name in keyof ProcessResources]?: number | null };

/** What people have set; it holds over what a commit declares, for every release from then on. */
export interface Formation {
  /** Nothing runs until it is started; `scale` is remembered meanwhile. */
  readonly stopped?: { readonly at: string; readonly by: string };
  readonly scale: Readonly<Record<string, number>>;
  readonly resources: Readonly<Record<string, ResourceSettings>>;
  /** By process type and path. */
  readonly mounts?: Readonly<Record<string, Readonly<Record<string, MountSetting>>>>;
}

export const NO_FORMATION: Formation = { scale: {}, resources: {} };

/**
 * The processes of a release. A push does not take back what somebody has scaled by hand; what nobody has said anything of
 * runs once if it is `web`, and else not at all.
 */
export function formed(declared: readonly DeclaredProcess[], formation: Formation): ReleaseProcess[] {
  return declared.map(({ type, command, quantity, resources, checks, mounts }) => {
    const scale = own(formation.scale, type) ?? quantity ?? (type === WEB_TYPE ? 1 : 0);
    const limits = limited(resources, own(formation.resources, type));
    const volumes = mounted(mounts, own(formation.mounts ?? {}, type));
    return {
      type,
      ...(command === undefined ? {} : { command }),
      ...(formation.stopped === undefined ? { scale } : { scale: 0, whenStarted: scale }),
      ...(limits === undefined ? {} : { resources: limits }),
      ...(checks === undefined ? {} : { checks }),
      ...(volumes.length === 0 ? {} : { mounts: volumes }),
    };
  });
}

/** A release's processes as something to form anew: as if its commit had declared what it has. */
export function declaredBy(processes: readonly ReleaseProcess[]): DeclaredProcess[] {
  return processes.map(({ type, command, scale, whenStarted, resources, checks, mounts }) => ({
    type,
    ...(command === undefined ? {} : { command }),
    quantity: whenStarted ?? scale,
    ...(resources === undefined ? {} : { resources }),
    ...(checks === undefined ? {} : { checks }),
    ...(mounts === undefined ? {} : { mounts }),
  }));
}

/** It was made while its app was stopped. */
export function isStopped({ processes }: { readonly processes: readonly ReleaseProcess[] }): boolean {
  return processes.some(({ whenStarted }) => whenStarted !== undefined);
}

function limited(
  declared: ProcessResources | undefined,
  set: ResourceSettings | undefined,
): ProcessResources | undefined {
  const merged = Object.entries({ ...declared, ...set }).filter(([, value]) => value !== null);
  return merged.length === 0 ? undefined : (Object.fromEntries(merged) as ProcessResources);
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** An app: its name, and the rules that names keep. Pure. */
import { SlipwayError } from '../errors.js';
import type { ReviewOf } from './review.js';

/** A DNS label, since it becomes a host name; never starts with `-`, so it can never be read as an option. */
const APP_NAME = /^[a-z][a-z0-9-]{0,38}[a-z0-9]$|^[a-z]$/;
const RESERVED = new Set(['api', 'git', 'v1', 'slipway', 'platform', 'admin', 'www', 'localhost']);

export function isAppName(name: string): boolean {
  return APP_NAME.test(name) && !name.includes('--') && !RESERVED.has(name);
}

/** Returns the name, or throws `invalid_name` with the rule. */
export function checkAppName(name: string): string {
  if (isAppName(name)) return name;
  const shown = JSON.stringify(name.slice(0, 60));
  if (RESERVED.has(name))
    throw new SlipwayError('invalid_name', `the app name ${shown} is reserved`, {
      hint: 'choose another name',
    });
  throw new SlipwayError('invalid_name', `${shown} is not an app name`, {
    hint: 'use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter and not ending with a hyphen',
  });
}

export interface AppSettings {
  readonly name: string;
  /** Of a review app: whose it is. */
  readonly review?: ReviewOf;
  /** The only branch that deploys, without `refs/heads/`. */
  readonly deployBranch: string;
  readonly createdAt: string;
  readonly createdBy: string;
}

/** Somebody's word that what runs of an app stays as it is. */
export interface AppLock {
  readonly reason: string;
  readonly at: string;
  readonly by: string;
}

/** Throws `locked` when there is a lock. */
export function refuseLocked(app: string, lock: AppLock | undefined, more = ''): void {
  if (lock === undefined) return;
  throw new SlipwayError('locked', `${app} is locked by ${lock.by}: ${lock.reason}`, {
    hint: `what runs stays as it is until: slipway apps:unlock -a ${app}${more}`,
  });
}

/** Whose caches a build uses: of this app, and not of one that had its name before. */
export function buildScope({ name, createdAt }: Pick<AppSettings, 'name' | 'createdAt'>): string {
  return `${name} ${createdAt}`;
}

/** execve(2) takes 128 KiB for one variable; half of that leaves room for its name and for mistakes. */
const CONFIG_VALUE_BYTES = 64 * 1024;
const CONFIG_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** Returns the config var's name, or throws `invalid_name`. */
export function checkConfigName(name: string): string {
  // `__proto__` is the one name that a JavaScript object cannot hold like any other.
  if (CONFIG_NAME.test(name) && name !== '__proto__') return name;
  throw new SlipwayError('invalid_name', `${JSON.stringify(name.slice(0, 60))} is not a config var's name`, {
    hint: 'use letters, digits and underscores, not starting with a digit',
  });
}

/** Null is a variable taken away. Throws `bad_request` and `too_large`. */
export function checkConfigValue(name: string, value: string | null): void {
  if (value === null) return;
  if (value.includes('\0')) {
    throw new SlipwayError(
      'bad_request',
      `the value of ${name} holds a NUL, which no environment variable can`,
    );
  }
  if (Buffer.byteLength(value) > CONFIG_VALUE_BYTES) {
    throw new SlipwayError('too_large', `the value of ${name} is longer than ${CONFIG_VALUE_BYTES} bytes`, {
      hint: 'keep large data in a file or a store and put its address into the config var',
    });
  }
}

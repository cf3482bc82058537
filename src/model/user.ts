/** A user: a person that the platform knows by name. Pure. */
import { SlipwayError } from '../errors.js';

export interface User {
  readonly name: string;
  /** May do everything, with every app. */
  readonly administrator: boolean;
  /** May create apps, and is the first admin of each. */
  readonly mayCreateApps: boolean;
  readonly addedAt: string;
  readonly addedBy: string;
}

const USER_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
/** What the ledgers say when nobody in particular has done something. */
const RESERVED = new Set(['slipway', 'unknown', 'nobody', 'git']);

/** Whom a user or a machine may be called: it stands in ledgers and logs. Throws `invalid_name` with the rule. */
export function checkUserName(name: string): string {
  if (USER_NAME.test(name) && !RESERVED.has(name.toLowerCase())) return name;
  const shown = JSON.stringify(name.slice(0, 80));
  throw new SlipwayError(
    'invalid_name',
    RESERVED.has(name.toLowerCase()) ? `the name ${shown} is reserved` : `${shown} is not a user's name`,
    { hint: 'use 1 to 64 letters, digits or . _ @ -, starting with a letter or digit, for example: alice' },
  );
}

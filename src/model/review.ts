/** Review apps: temporary apps of branches `review/…`, named after app and branch. Pure. */
import { createHash } from 'node:crypto';
import { SlipwayError } from '../errors.js';
import { isAppName } from './app.js';

const PREFIX = 'review/';
const INFIX = '-review-';
const NAME_CHARS = 40;
const HASH_DIGITS = 6;

export interface ReviewOf {
  /** The app whose branch it is. */
  readonly of: string;
  /** `review/login` */
  readonly branch: string;
}

export function isReviewBranch(branch: string): boolean {
  return branch.startsWith(PREFIX) && branch.length > PREFIX.length;
}

/**
 * `shop` and `review/login` → `shop-review-login`. What cannot be a name as it is gets some digits of its own, so that two branches
 * never share an app. Throws `invalid_name` for an app whose name leaves no room.
 */
export function reviewAppName({ of, branch }: ReviewOf): string {
  const rest = branch.slice(PREFIX.length);
  const plain = `${of}${INFIX}${rest}`;
  if (isAppName(plain)) return plain;
  const hash = createHash('sha256').update(branch).digest('hex').slice(0, HASH_DIGITS);
  const room = NAME_CHARS - of.length - INFIX.length - HASH_DIGITS - 1;
  const slug = rest
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, Math.max(0, room))
    .replace(/^-+|-+$/g, '');
  const name = `${of}${INFIX}${slug === '' ? '' : `${slug}-`}${hash}`;
  if (isAppName(name)) return name;
  throw new SlipwayError('invalid_name', `the name ${of} is too long for review apps`, {
    hint: `an app with a name of at most ${NAME_CHARS - INFIX.length - HASH_DIGITS} characters can have them`,
  });
}

/** The apps that could have a review app of this name: who may use one of those is told whether there is one. */
export function possibleParents(name: string): string[] {
  const parents: string[] = [];
  for (let at = name.indexOf(INFIX); at >= 0; at = name.indexOf(INFIX, at + 1))
    parents.push(name.slice(0, at));
  return parents;
}

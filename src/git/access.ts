/** Who may do what with which repository. An app that is not there and one that is not yours look the same. */
import { SlipwayError } from '../errors.js';
import { checkAppName, isAppName } from '../model/app.js';
import type { AppDirectory, Pusher } from './push.js';

export type GitService = 'git-receive-pack' | 'git-upload-pack';

export interface Access {
  readonly app: string;
  /** The app does not exist: accepting this push creates it. */
  readonly isNew: boolean;
}

/**
 * Throws `not_found` with one and the same text whether there is no such app, it is another's, or no app can have that name.
 * Of an app that the token may not use nothing is looked up, so the time tells nothing either.
 */
export async function grantAccess(
  apps: AppDirectory,
  who: Pusher,
  name: string,
  service: GitService,
): Promise<Access> {
  const app = name.endsWith('.git') ? name.slice(0, -'.git'.length) : name;
  const mayCreate = service === 'git-receive-pack' && who.mayCreate(app);
  // Only who may create an app is told what it may be called.
  if (mayCreate) checkAppName(app);
  const mayUse = isAppName(app) && who.may(app, service === 'git-receive-pack' ? 'deploy' : 'view');
  if (!mayUse && !mayCreate) throw noSuchApp();
  const isThere = (await apps.deployBranch(app)) !== undefined;
  if (isThere ? mayUse : mayCreate) return { app, isNew: !isThere };
  throw noSuchApp();
}

function noSuchApp(): SlipwayError {
  return new SlipwayError('not_found', 'there is no such app, or this token may not use it', {
    hint: 'see `slipway apps:list`; `slipway apps:create` makes one',
  });
}

/** The token of an Authorization header: basic as git sends it (in the password, or alone as the user name), or bearer. */
export function tokenOf(header: string | undefined): string | undefined {
  const [, scheme, value] = /^(basic|bearer) +([A-Za-z0-9+/=_.~-]+) *$/i.exec(header ?? '') ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const [user, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  return password || user || undefined;
}

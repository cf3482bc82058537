/** What the API's routes work with, and who is asking. */
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import type { DeployTools } from '../deploys.js';
import { SlipwayError } from '../errors.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { ReviewDirectory } from '../git/push.js';
import type { RetentionParts } from '../housekeeping/retention/parts.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Identity, PlatformLedger } from '../ledger/platform.js';
import { type Action, roleFor } from '../model/access.js';
import { isAppName } from '../model/app.js';
import { possibleParents } from '../model/review.js';
import type { ChangeTools } from '../next-release.js';
import type { DeployerClient } from './deployer-client.js';

export interface ApiTools extends ChangeTools {
  readonly config: Config;
  readonly platform: PlatformLedger;
  /** What the apps' commits say. */
  readonly history: Pick<AppRepositories, 'subjects'>;
  readonly deployer: DeployerClient;
  readonly retention: RetentionParts;
  readonly deploys: DeployTools;
  readonly reviews: Pick<ReviewDirectory, 'close'>;
}

const identities = new WeakMap<FastifyRequest, Identity>();

/** Checks the bearer token. Throws `unauthorized`. */
export async function authenticate(platform: PlatformLedger, request: FastifyRequest): Promise<void> {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  const identity =
    scheme?.toLowerCase() === 'bearer' && token ? await platform.tokens.verify(token) : undefined;
  if (identity === undefined) {
    throw new SlipwayError('unauthorized', 'the token is missing, wrong or revoked', {
      hint: 'slipway login URL',
    });
  }
  identities.set(request, identity);
}

export function identityOf(request: FastifyRequest): Identity {
  const identity = identities.get(request);
  if (identity === undefined)
    throw new SlipwayError('unauthorized', 'the token is missing, wrong or revoked');
  return identity;
}

/**
 * Throws `not_found` for an app that is not there or that the caller may not see: they look the same, so nobody learns which apps
 * exist. Then `forbidden` for what the caller may not do.
 */
export async function authorize(
  ledger: Pick<Ledger, 'appExists' | 'read'>,
  who: Identity,
  access: 'self' | Action,
  app: string | undefined,
): Promise<void> {
  const ruling = app === undefined ? undefined : await rulingApp(ledger, who, app);
  const isSeen = ruling !== undefined && who.may(ruling, 'view');
  if (app !== undefined && !(isAppName(app) && isSeen && (await ledger.appExists(app))))
    throw new SlipwayError(
      'not_found',
      `there is no app ${JSON.stringify(app.slice(0, 60))} that you may use`,
      { hint: 'see: slipway apps:list' },
    );
  if (access === 'self') return;
  if (access === 'platform') {
    if (who.admin) return;
    throw new SlipwayError('forbidden', 'this needs an admin token', {
      hint: 'ask the operator of this platform',
    });
  }
  if (ruling !== undefined && who.may(ruling, access)) return;
  throw new SlipwayError('forbidden', `this needs the role ${roleFor(access)} for ${app}`, {
    hint: `ask an admin of ${app}, or the operator of this platform`,
  });
}

/** The app whose rights count: whoever may use an app may do the same with its review apps. */
export async function rulingApp(
  ledger: Pick<Ledger, 'appExists' | 'read'>,
  who: Identity,
  app: string,
): Promise<string> {
  if (who.may(app, 'view')) return app;
  // Of an app that is somebody else's nothing is looked up.
  if (!possibleParents(app).some((parent) => who.may(parent, 'view'))) return app;
  if (!(await ledger.appExists(app))) return app;
  return (await ledger.read(app)).settings.review?.of ?? app;
}

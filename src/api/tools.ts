/** What the API's routes work with, and who is asking. */
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import type { DeployTools } from '../deploys.js';
import { SlipwayError } from '../errors.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { ReviewDirectory } from '../git/push.js';
import type { RetentionParts } from '../housekeeping/retention/parts.js';
import type { EventLog } from '../ledger/event-log.js';
import type { Ledger } from '../ledger/ledger.js';
import type { People } from '../ledger/people.js';
import type { Identity, PlatformLedger } from '../ledger/platform.js';
import { type Action, roleFor } from '../model/access.js';
import { isAppName, refuseLocked } from '../model/app.js';
import { possibleParents } from '../model/review.js';
import type { ChangeTools } from '../next-release.js';
import type { Queues } from '../queue/queues.js';
import type { DeployerClient } from './deployer-client.js';

export interface ApiTools extends ChangeTools {
  readonly queues: Pick<Queues, 'enqueueRollout' | 'ping'>;
  readonly config: Config;
  readonly platform: PlatformLedger;
  /** Of the platform's ledger. */
  readonly people: People;
  /** What the apps' commits say. */
  readonly history: Pick<AppRepositories, 'subjects'>;
  readonly events: EventLog;
  readonly deployer: DeployerClient;
  readonly retention: RetentionParts;
  readonly deploys: DeployTools;
  readonly reviews: Pick<ReviewDirectory, 'close' | 'closeAll'>;
}

const identities = new WeakMap<FastifyRequest, Identity>();

/** The bearer token that a request carries. */
export function tokenOf(request: FastifyRequest): string | undefined {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined;
}

/** Checks the bearer token. Throws `unauthorized`. */
export async function authenticate(platform: PlatformLedger, request: FastifyRequest): Promise<void> {
  const token = tokenOf(request);
  const identity = token === undefined ? undefined : await platform.identify(token);
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

/** Before what changes an app otherwise than by a deployment. Throws `locked`. */
export async function requireUnlocked(ledger: Pick<ApiTools['ledger'], 'read'>, app: string): Promise<void> {
  refuseLocked(app, (await ledger.read(app)).lock);
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

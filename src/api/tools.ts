/** What the API's routes work with, and who is asking. */
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import { SlipwayError } from '../errors.js';
import type { AppRepositories } from '../git/app-repository.js';
import type { RetentionParts } from '../housekeeping/retention/parts.js';
import type { Identity, PlatformLedger } from '../ledger/platform.js';
import { isAppName, refuseLocked } from '../model/app.js';
import type { ChangeTools } from '../next-release.js';
import type { DeployerClient } from './deployer-client.js';

export interface ApiTools extends ChangeTools {
  readonly config: Config;
  readonly platform: PlatformLedger;
  /** What the apps' commits say. */
  readonly history: Pick<AppRepositories, 'subjects'>;
  readonly deployer: DeployerClient;
  readonly retention: RetentionParts;
}

const identities = new WeakMap<FastifyRequest, Identity>();

/** Checks the bearer token; every route below /v1 runs it first. Throws `unauthorized`. */
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

/** The app's name when the caller may use it. An unknown app looks like a forbidden one: nobody learns which apps exist. */
export async function requireApp(tools: ApiTools, request: FastifyRequest, app: string): Promise<string> {
  const identity = identityOf(request);
  if (isAppName(app) && identity.may(app) && (await tools.ledger.appExists(app))) return app;
  throw new SlipwayError(
    'not_found',
    `there is no app ${JSON.stringify(app.slice(0, 60))} that you may use`,
    {
      hint: 'see: slipway apps:list',
    },
  );
}

/** The same for who would change it. Throws `locked`. */
export async function requireUnlocked(
  tools: ApiTools,
  request: FastifyRequest,
  name: string,
): Promise<string> {
  const app = await requireApp(tools, request, name);
  refuseLocked(app, (await tools.ledger.read(app)).lock);
  return app;
}

export function requireAdmin(request: FastifyRequest): Identity {
  const identity = identityOf(request);
  if (identity.admin) return identity;
  throw new SlipwayError('forbidden', 'this needs an admin token', {
    hint: 'ask the operator of this platform',
  });
}

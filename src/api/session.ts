/** Signing in to the web page and out of it. What the cookie is worth, session-cookie.ts says. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { parseBody } from './request.js';
import { requirePage, sessionCookie } from './session-cookie.js';
import type { ApiTools } from './tools.js';

const LASTS_S = 30 * 24 * 60 * 60;
const SignIn = z.strictObject({ token: z.string().max(200) });

export function sessionRoutes(
  server: FastifyInstance,
  { config, platform }: Pick<ApiTools, 'config' | 'platform'>,
): void {
  server.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    requirePage(request);
  });

  server.post('/session', async (request, reply) => {
    const token = parseBody(SignIn, request.body).token.trim();
    const identity = await platform.identify(token);
    if (identity === undefined)
      throw new SlipwayError('unauthorized', 'the token is missing, wrong or revoked', {
        hint: 'slipway tokens:create makes one',
      });
    reply.header('set-cookie', sessionCookie(config, token, LASTS_S));
    return { signedIn: identity.name };
  });

  // The token itself goes on: it may be in use elsewhere.
  server.delete('/session', async (_request, reply) => {
    reply.header('set-cookie', sessionCookie(config, '', 0));
    return { signedOut: true };
  });
}

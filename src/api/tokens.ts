/** Tokens: an admin makes them for people and CI jobs, each for named apps or for all. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import { checkAppName } from '../model/app.js';
import { parseBody } from './request.js';
import { type ApiTools, identityOf, requireAdmin } from './tools.js';

const NewToken = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, 'must be 1 to 64 letters, digits or . _ @ -'),
  apps: z.union(
    [z.literal('*'), z.array(z.string()).min(1).max(100)],
    'must be "*" or a list of 1 to 100 apps',
  ),
  mayCreateApps: z.boolean().default(false),
  admin: z.boolean().default(false),
});

export function tokenRoutes(api: FastifyInstance, tools: ApiTools): void {
  api.get('/whoami', async (request) => {
    const { name, admin, mayCreateApps, apps } = identityOf(request);
    return { name, admin, mayCreateApps, apps };
  });

  api.post('/tokens', async (request, reply) => {
    const admin = requireAdmin(request);
    const wanted = parseBody(NewToken, request.body);
    // Who may do everything may do it with every app.
    const scopes = {
      name: wanted.name,
      apps: wanted.admin || wanted.apps === '*' ? ('*' as const) : wanted.apps.map(checkAppName),
      admin: wanted.admin,
      mayCreateApps: wanted.admin || wanted.mayCreateApps,
    };
    const made = await tools.platform.tokens.create({ ...scopes, who: admin.name });
    return reply.code(201).send({ ...made, ...scopes });
  });

  api.get('/tokens', async (request) => {
    requireAdmin(request);
    return { tokens: await tools.platform.tokens.list() };
  });

  api.delete<{ Params: { id: string } }>('/tokens/:id', async (request) => {
    const admin = requireAdmin(request);
    if (!/^[a-z0-9]{1,40}$/.test(request.params.id))
      throw new SlipwayError('not_found', 'there is no such token', { hint: 'see: slipway tokens:list' });
    await tools.platform.tokens.revoke(request.params.id, admin.name);
    return { id: request.params.id, revoked: true };
  });
}

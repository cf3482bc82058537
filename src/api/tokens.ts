/** Tokens: an admin makes them for people and CI jobs, each for named apps or for all. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { TokenRecord } from '../ledger/platform.js';
import { checkAppName } from '../model/app.js';
import { described, maybe, text, time, yes } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const NewToken = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, 'must be 1 to 64 letters, digits or . _ @ -'),
  apps: z.union(
    [z.literal('*'), z.array(z.string()).min(1).max(100)],
    'must be "*" or a list of 1 to 100 apps',
  ),
  mayCreateApps: z.boolean().default(false),
  admin: z.boolean().default(false),
});

const scopes = {
  name: text,
  apps: z.union([z.literal('*'), z.array(z.string())]),
  admin: yes,
  mayCreateApps: yes,
};
const Token: z.ZodType<TokenRecord> = described<TokenRecord>('Token', {
  id: text,
  ...scopes,
  createdAt: time,
  createdBy: text,
  revokedAt: maybe(time),
});

export function tokenRoutes(routes: Routes, tools: ApiTools): void {
  const { tokens } = tools.platform;

  routes.add({
    method: 'GET',
    path: '/whoami',
    summary: 'Whom your token speaks for, and what it allows',
    tag: 'People',
    access: 'self',
    answers: { 200: z.object(scopes) },
    handle: async ({ who: { name, admin, mayCreateApps, apps } }) => ({
      name,
      admin,
      mayCreateApps,
      apps: apps === '*' ? apps : [...apps],
    }),
  });

  routes.add({
    method: 'POST',
    path: '/tokens',
    summary: 'Make a token; it is shown this once',
    tag: 'People',
    access: 'platform',
    body: NewToken,
    answers: { 201: z.object({ id: z.string(), token: z.string(), ...scopes }) },
    handle: async ({ who, body }) => {
      // Who may do everything may do it with every app.
      const scopes = {
        name: body.name,
        apps: body.admin || body.apps === '*' ? ('*' as const) : body.apps.map(checkAppName),
        admin: body.admin,
        mayCreateApps: body.admin || body.mayCreateApps,
      };
      return { ...(await tokens.create({ ...scopes, who: who.name })), ...scopes };
    },
  });

  routes.add({
    method: 'GET',
    path: '/tokens',
    summary: 'All tokens, also the revoked ones, the oldest first',
    tag: 'People',
    access: 'platform',
    answers: { 200: z.object({ tokens: z.array(Token) }) },
    handle: async () => ({ tokens: await tokens.list() }),
  });

  routes.add({
    method: 'DELETE',
    path: '/tokens/:id',
    summary: 'Revoke a token',
    tag: 'People',
    access: 'platform',
    answers: { 200: z.object({ id: z.string(), revoked: z.literal(true) }) },
    handle: async ({ who, params: { id } }) => {
      if (!/^[a-z0-9]{1,40}$/.test(id))
        throw new SlipwayError('not_found', 'there is no such token', { hint: 'see: slipway tokens:list' });
      await tokens.revoke(id, who.name);
      return { id, revoked: true as const };
    },
  });
}

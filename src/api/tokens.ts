/** Tokens: users make them for themselves; an administrator for users and for machines, such as CI jobs. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { Identity, TokenRecord, TokenScopes } from '../ledger/platform.js';
import { checkAppName } from '../model/app.js';
import { checkUserName } from '../model/user.js';
import { described, maybe, part, text, time, yes } from './described.js';
import { isFor, ownerOf, RoleName } from './people.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

const YEAR_SECONDS = 366 * 86_400;
const APPS = 'must be "*" or a list of 1 to 100 apps';

const NewToken = z.strictObject({
  /** Whom it speaks for: a user, or a machine, which is whatever is no user. One's own without it. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, 'must be 1 to 64 letters, digits or . _ @ -')
    .exactOptional(),
  apps: z.union([z.literal('*'), z.array(z.string()).min(1).max(100)], APPS).exactOptional(),
  role: RoleName.exactOptional(),
  /** Seconds. */
  expiresIn: z
    .int()
    .min(60)
    .max(10 * YEAR_SECONDS)
    .exactOptional(),
  mayCreateApps: z.boolean().default(false),
  admin: z.boolean().default(false),
});
type Wish = z.output<typeof NewToken>;

const rights = {
  name: text,
  apps: z.union([z.literal('*'), z.array(z.string())]),
  admin: yes,
  mayCreateApps: yes,
};
const scopes = {
  ...rights,
  ofUser: maybe(z.literal(true)),
  role: maybe(RoleName),
  expiresAt: maybe(time),
};

/** With when it was last used, to a minute or so. */
export interface TokenView extends TokenRecord {
  readonly usedAt?: string;
}

const Token: z.ZodType<TokenView> = described<TokenView>('Token', {
  id: text,
  ...scopes,
  createdAt: time,
  createdBy: text,
  revokedAt: maybe(time),
  usedAt: maybe(time),
});

type Myself = Pick<Identity, 'name' | 'apps' | 'admin' | 'mayCreateApps' | 'user'>;
const Myself: z.ZodType<Myself> = part<Myself>({ ...rights, user: maybe(text) });

type MadeToken = TokenScopes & { readonly id: string; readonly token: string };
const MadeToken: z.ZodType<MadeToken> = part<MadeToken>({ id: text, token: text, ...scopes });

export function tokenRoutes(routes: Routes, tools: ApiTools): void {
  const { tokens, uses } = tools.platform;

  routes.add({
    method: 'GET',
    path: '/whoami',
    summary: 'Whom your token speaks for, and what it allows',
    tag: 'People',
    access: 'self',
    answers: { 200: Myself },
    handle: async ({ who: { name, admin, mayCreateApps, apps, user } }) => ({
      name,
      admin,
      mayCreateApps,
      apps,
      ...(user === undefined ? {} : { user }),
    }),
  });

  routes.add({
    method: 'POST',
    path: '/tokens',
    summary: 'Make a token; it is shown this once',
    description: 'For yourself; as an administrator for a user, or for a machine.',
    tag: 'People',
    access: 'self',
    body: NewToken,
    answers: { 201: MadeToken },
    handle: async ({ who, body }) => {
      const isUser =
        body.name === undefined || (await tools.people.users()).some(({ name }) => name === body.name);
      const owner = ownerOf(who, body.name, 'a token');
      const wish = isUser ? ofUser(owner, body) : ofMachine(owner, body);
      return { ...(await tokens.create({ ...wish, who: who.name })), ...wish };
    },
  });

  routes.add({
    method: 'GET',
    path: '/tokens',
    summary: 'Your tokens, also the revoked ones, the oldest first; for administrators those of everybody',
    tag: 'People',
    access: 'self',
    answers: { 200: z.object({ tokens: z.array(Token) }) },
    handle: async ({ who }) => {
      const usedAt = await uses.all();
      return {
        tokens: (await tokens.list())
          .filter((token) => isFor(who, token.name))
          .map((token) => {
            const at = usedAt.get(token.id);
            return at === undefined ? token : { ...token, usedAt: at };
          }),
      };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/tokens/:id',
    summary: 'Revoke a token, at once',
    tag: 'People',
    access: 'self',
    answers: { 200: z.object({ id: z.string(), revoked: z.literal(true) }) },
    handle: async ({ who, params: { id } }) => {
      const known = (await tokens.list()).find((token) => token.id === id);
      // Somebody else's looks like one that is not there.
      if (known === undefined || !isFor(who, known.name))
        throw new SlipwayError('not_found', 'there is no such token', { hint: 'see: slipway tokens:list' });
      await tokens.revoke(id, who.name);
      return { id, revoked: true as const };
    },
  });
}

function ofUser(name: string, wish: Wish): TokenScopes {
  if (wish.admin || wish.mayCreateApps)
    throw new SlipwayError('bad_request', `a token of ${name} may do what ${name} may, and nothing more`, {
      hint: `slipway users:change ${name} gives more to the user`,
    });
  const apps = wish.apps ?? '*';
  return {
    ...{ name, ofUser: true, admin: false, mayCreateApps: false },
    apps: apps === '*' ? apps : apps.map(checkAppName),
    ...limitsOf(wish),
  };
}

function ofMachine(name: string, wish: Wish): TokenScopes {
  checkUserName(name);
  // Who may do everything may do it with every app.
  const apps = wish.admin ? '*' : wish.apps;
  if (apps === undefined)
    throw new SlipwayError('bad_request', `which apps may ${name} use? It is no user who has some`, {
      hint: `name them: --apps hello,shop (or --apps "*"); or first: slipway users:add ${name}`,
    });
  return {
    name,
    apps: apps === '*' ? apps : apps.map(checkAppName),
    admin: wish.admin,
    mayCreateApps: wish.admin || wish.mayCreateApps,
    ...limitsOf(wish),
  };
}

function limitsOf({ role, expiresIn }: Wish): Pick<TokenScopes, 'role' | 'expiresAt'> {
  return {
    ...(role === undefined ? {} : { role }),
    ...(expiresIn === undefined ? {} : { expiresAt: new Date(Date.now() + expiresIn * 1000).toISOString() }),
  };
}

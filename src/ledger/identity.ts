/** Who asks, and what they may: a user with all that is theirs, a part of it by a token with scopes, or a machine by its token. Pure. */
import { ADMINISTRATOR, type AppAction, allows, type Role } from '../model/access.js';
import type { PeopleState, StoredToken } from './people-documents.js';

export interface Identity {
  /** Who it is, for ledgers and logs. */
  readonly name: string;
  /** May do everything, with every app. */
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
  readonly apps: '*' | readonly string[];
  /** The user, when it is one with all that is theirs: only then keys and tokens may be made for them. */
  readonly user?: string;
  may(app: string, action: AppAction): boolean;
  /** The app does not exist yet. */
  mayCreate(app: string): boolean;
}

/** Undefined when there is no such user. */
export function identityOfUser(state: PeopleState, name: string): Identity | undefined {
  const user = state.users.get(name);
  if (user === undefined) return undefined;
  const { administrator } = user;
  const roleOf = (app: string): Role | undefined => state.access.get(app)?.get(name);
  const apps = [...state.access].flatMap(([app, members]) => (members.has(name) ? [app] : []));
  const mayCreateApps = administrator || user.mayCreateApps;
  return {
    name,
    admin: administrator,
    mayCreateApps,
    apps: administrator ? '*' : apps.sort(),
    user: name,
    may(app, action) {
      const role = administrator ? ADMINISTRATOR : roleOf(app);
      return role !== undefined && allows(role, action);
    },
    mayCreate: () => mayCreateApps,
  };
}

/** Undefined when it is revoked or expired, or its user is gone. */
export function identityOfToken(state: PeopleState, token: StoredToken, now: number): Identity | undefined {
  if (!isValid(token, now)) return undefined;
  return token.ofUser ? scoped(identityOfUser(state, token.name), token) : machine(token);
}

/** A user's token without apps and role of its own is as good as the user. */
function scoped(whole: Identity | undefined, { apps, role }: StoredToken): Identity | undefined {
  if (whole === undefined || (apps === '*' && role === undefined)) return whole;
  const isMeant = (app: string): boolean => apps === '*' || apps.includes(app);
  return {
    name: whole.name,
    admin: false,
    mayCreateApps: false,
    apps: whole.apps === '*' ? apps : whole.apps.filter(isMeant),
    may: (app, action) =>
      isMeant(app) && (role === undefined || allows(role, action)) && whole.may(app, action),
    mayCreate: () => false,
  };
}

/** Without a role it is one of the time before there were roles: a developer's, or with the right to create its apps their admin's. */
function machine({ name, admin, mayCreateApps, apps, ...token }: StoredToken): Identity {
  const role = admin ? ADMINISTRATOR : (token.role ?? (mayCreateApps ? 'admin' : 'developer'));
  const isMeant = (app: string): boolean => admin || apps === '*' || apps.includes(app);
  return {
    name,
    admin,
    mayCreateApps,
    apps,
    may: (app, action) => isMeant(app) && allows(role, action),
    mayCreate: (app) => mayCreateApps && isMeant(app),
  };
}

/** Whether somebody may do everything, of those that `counts` says yes to: an administrator, or a machine with such a token. */
export function isAdministered(
  { users, tokens }: PeopleState,
  now: number,
  counts: (who: { readonly name: string; readonly token?: string }) => boolean = () => true,
): boolean {
  return (
    [...users.values()].some(({ name, administrator }) => administrator && counts({ name })) ||
    [...tokens].some(
      ([id, token]) => token.admin && isValid(token, now) && counts({ name: token.name, token: id }),
    )
  );
}

function isValid({ revokedAt, expiresAt }: StoredToken, now: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || now < Date.parse(expiresAt));
}

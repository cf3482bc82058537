/** Users, what they may do with an app, and their SSH keys. */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { Identity } from '../ledger/identity.js';
import type { Member, UserWithRoles } from '../ledger/people.js';
import type { KeyRecord } from '../ledger/people-documents.js';
import { ROLES } from '../model/access.js';
import { parseSshKey } from '../model/ssh-key.js';
import { described, text, time, yes } from './described.js';
import type { Routes } from './route.js';
import type { ApiTools } from './tools.js';

export const RoleName: z.ZodType<(typeof ROLES)[number]> = z.enum(
  ROLES,
  `must be one of ${ROLES.join(', ')}`,
);
const KEY_LENGTH = 10_000;

const User: z.ZodType<UserWithRoles> = described<UserWithRoles>('User', {
  name: text,
  administrator: yes,
  mayCreateApps: yes,
  roles: z.record(text, RoleName),
  addedAt: time,
  addedBy: text,
});
const MemberView: z.ZodType<Member> = described<Member>('Member', { user: text, role: RoleName });
const Key: z.ZodType<KeyRecord> = described<KeyRecord>('SshKey', {
  fingerprint: text,
  user: text,
  type: text,
  blob: text,
  comment: text,
  addedAt: time,
  addedBy: text,
});
const NewUser = z.strictObject({
  name: z.string(),
  administrator: z.boolean().default(false),
  mayCreateApps: z.boolean().default(false),
});
const UserChange = z.strictObject({
  administrator: z.boolean().exactOptional(),
  mayCreateApps: z.boolean().exactOptional(),
});
const NewKey = z.strictObject({
  /** The line of the public key. */
  key: z.string().max(KEY_LENGTH),
  /** Whose it is; one's own without it. */
  user: z.string().exactOptional(),
});

export function peopleRoutes(routes: Routes, { people }: ApiTools): void {
  routes.add({
    method: 'GET',
    path: '/users',
    summary: 'The users, by name, with their roles',
    tag: 'People',
    access: 'platform',
    answers: { 200: z.object({ users: z.array(User) }) },
    handle: async () => ({ users: await people.users() }),
  });

  routes.add({
    method: 'POST',
    path: '/users',
    summary: 'Add a user',
    tag: 'People',
    access: 'platform',
    body: NewUser,
    answers: { 201: User },
    handle: async ({ who, body: { name, ...rights } }) => people.addUser(name, rights, who.name),
  });

  routes.add({
    method: 'PATCH',
    path: '/users/:user',
    summary: 'Change what a user may do with the platform',
    tag: 'People',
    access: 'platform',
    body: UserChange,
    answers: { 200: User },
    handle: async ({ who, params: { user }, body }) => people.changeUser(user, body, who.name),
  });

  routes.add({
    method: 'DELETE',
    path: '/users/:user',
    summary: 'Remove a user, with their keys, tokens and roles',
    tag: 'People',
    access: 'platform',
    answers: { 200: z.object({ name: z.string(), removed: z.literal(true) }) },
    handle: async ({ who, params: { user } }) => {
      await people.removeUser(user, who.name);
      return { name: user, removed: true as const };
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/access',
    summary: 'Who may do what with an app',
    tag: 'People',
    access: 'view',
    answers: { 200: z.object({ members: z.array(MemberView) }) },
    handle: async ({ params: { app } }) => ({ members: await people.members(app) }),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/access/:user',
    summary: 'Give a user a role in an app',
    tag: 'People',
    access: 'admin',
    body: z.strictObject({ role: RoleName }),
    answers: { 200: MemberView },
    handle: async ({ who, params: { app, user }, body: { role } }) => {
      await people.setRole(app, user, role, who.name);
      return { user, role };
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/access/:user',
    summary: 'Take a user’s role in an app away',
    tag: 'People',
    access: 'admin',
    answers: { 200: z.object({ user: z.string(), removed: z.literal(true) }) },
    handle: async ({ who, params: { app, user } }) => {
      await people.setRole(app, user, undefined, who.name);
      return { user, removed: true as const };
    },
  });

  routes.add({
    method: 'GET',
    path: '/keys',
    summary: 'Your SSH keys; for administrators those of everybody',
    tag: 'People',
    access: 'self',
    answers: { 200: z.object({ keys: z.array(Key) }) },
    handle: async ({ who }) => ({ keys: (await people.keys()).filter(({ user }) => isFor(who, user)) }),
  });

  routes.add({
    method: 'POST',
    path: '/keys',
    summary: 'Add an SSH key',
    description: 'For yourself, or as an administrator for a user.',
    tag: 'People',
    access: 'self',
    body: NewKey,
    answers: { 201: Key },
    handle: async ({ who, body: { key, user } }) =>
      people.addKey(ownerOf(who, user, 'an SSH key'), parseSshKey(key), who.name),
  });

  routes.add({
    method: 'DELETE',
    path: '/keys/:fingerprint',
    summary: 'Remove an SSH key, at once',
    tag: 'People',
    access: 'self',
    answers: { 200: z.object({ fingerprint: z.string(), removed: z.literal(true) }) },
    handle: async ({ who, params: { fingerprint } }) => {
      const all = await people.keys();
      // Somebody else's key looks like one that is not there.
      const isTheirs = all.some((key) => key.fingerprint === fingerprint && isFor(who, key.user));
      if (!isTheirs)
        throw new SlipwayError(
          'not_found',
          `there is no key ${JSON.stringify(fingerprint.slice(0, 60))} of yours`,
          {
            hint: 'see: slipway keys',
          },
        );
      await people.removeKey(fingerprint, who.name);
      return { fingerprint, removed: true as const };
    },
  });
}

/** Whether what is this user's may be seen and taken away: their own, and by administrators everybody's. */
export function isFor(who: Identity, user: string): boolean {
  return who.admin || who.user === user;
}

/**
 * For whom something is made that lets in. A token with scopes makes nothing that would get around them. Throws `forbidden`, and
 * `bad_request` when it is said by a machine for nobody.
 */
export function ownerOf(who: Identity, named: string | undefined, what: string): string {
  if (named !== undefined && (who.admin || named === who.user)) return named;
  if (named === undefined && who.user !== undefined) return who.user;
  if (who.admin)
    throw new SlipwayError('bad_request', `whose is it? ${who.name} is no user`, {
      hint: 'name the user; `slipway users:add NAME` makes one',
    });
  throw new SlipwayError(
    'forbidden',
    named === undefined || named === who.name
      ? `${what} can be made by a user, and not by a token that is limited or of a machine`
      : `${what} for another user needs an administrator`,
    { hint: 'ask the operator of this platform' },
  );
}

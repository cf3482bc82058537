/**
 * Users of the platform: who they are, what they may do with which app, and the SSH keys that they are known by. Every change is a commit of
 * the platform's ledger; what the documents look like is people-documents.ts, what they allow is identity.ts.
 */
import type { Clock } from '../clock.js';
import { SlipwayError } from '../errors.js';
import type { Role } from '../model/access.js';
import { checkAppName } from '../model/app.js';
import { fingerprintOf, type SshKey } from '../model/ssh-key.js';
import { checkUserName, type User } from '../model/user.js';
import { toDocument } from './app-documents.js';
import { type DocumentRef, oneLine } from './documents.js';
import { type Identity, identityOfUser, isAdministered } from './identity.js';
import {
  accessPath,
  type KeyRecord,
  keyPath,
  type PeopleState,
  readPeople,
  tokenPath,
  userPath,
} from './people-documents.js';
import type { RecentDocuments } from './recent-documents.js';

export type UserRights = Pick<User, 'administrator' | 'mayCreateApps'>;

export interface UserWithRoles extends User {
  /** App → role. */
  readonly roles: Readonly<Record<string, Role>>;
}

export interface Member {
  readonly user: string;
  readonly role: Role;
}

interface Change {
  /** Path → document, or null to remove it. */
  readonly files: Readonly<Record<string, object | null>>;
  /** `user: add alice`, said in the ledger's history. */
  readonly did: string;
}

const KEYS_LIMIT = 50;

export class People {
  readonly #ref: DocumentRef;
  readonly #recent: RecentDocuments;
  readonly #prepare: () => Promise<void>;
  readonly #clock: Clock;

  /** `prepare` makes the repository; it is called before each change. */
  constructor(ref: DocumentRef, recent: RecentDocuments, prepare: () => Promise<void>, clock: Clock) {
    this.#ref = ref;
    this.#recent = recent;
    this.#prepare = prepare;
    this.#clock = clock;
  }

  /** By name. */
  async users(): Promise<UserWithRoles[]> {
    const state = await this.#current();
    return [...state.users.values()].map((user) => withRoles(state, user)).sort(byName);
  }

  /** Throws `not_found`. */
  async user(name: string): Promise<UserWithRoles> {
    const state = await this.#current();
    return withRoles(state, known(state, name));
  }

  /** Throws `invalid_name`, or `conflict` when there is a user of this name. */
  async addUser(name: string, rights: UserRights, who: string): Promise<UserWithRoles> {
    checkUserName(name);
    const after = await this.#change(who, ({ users }) => {
      if (users.has(name))
        throw new SlipwayError('conflict', `there is a user ${name} already`, { hint: 'see: slipway users' });
      const { administrator, mayCreateApps } = rights;
      const document = { administrator, mayCreateApps, addedAt: this.#now(), addedBy: oneLine(who) };
      return { files: { [userPath(name)]: document }, did: `user: add ${name}${described(rights)}` };
    });
    return withRoles(after, known(after, name));
  }

  /** Throws `not_found`, or `conflict` when nobody would be left who administers the platform. */
  async changeUser(name: string, change: Partial<UserRights>, who: string): Promise<UserWithRoles> {
    const after = await this.#change(who, (state) => {
      const { name: _name, ...before } = known(state, name);
      const document = { ...before, ...change };
      if (before.administrator && !document.administrator) this.#refuseLast(state, name);
      const isSame =
        before.administrator === document.administrator && before.mayCreateApps === document.mayCreateApps;
      if (isSame) return undefined;
      return {
        files: { [userPath(name)]: document },
        did: `user: change ${name}${described(document) || ' to no rights of the platform'}`,
      };
    });
    return withRoles(after, known(after, name));
  }

  /** With their keys, roles and tokens, in one step. Throws `not_found`, or `conflict` for the last administrator. */
  async removeUser(name: string, who: string): Promise<void> {
    await this.#change(who, (state) => {
      if (known(state, name).administrator) this.#refuseLast(state, name);
      const files: Record<string, object | null> = { [userPath(name)]: null };
      for (const key of state.keys.values()) if (key.user === name) files[keyPath(key.fingerprint)] = null;
      for (const [app, members] of state.access)
        if (members.has(name)) files[accessPath(app)] = membersDocument(members, name, undefined);
      for (const [id, token] of state.tokens)
        if (token.name === name && token.revokedAt === undefined)
          files[tokenPath(id)] = { ...token, revokedAt: this.#now() };
      return { files, did: `user: remove ${name}` };
    });
  }

  /** Who has a role in the app, by name. */
  async members(app: string): Promise<Member[]> {
    const members = (await this.#current()).access.get(app) ?? new Map<string, Role>();
    return [...members].map(([user, role]) => ({ user, role })).sort((a, b) => (a.user < b.user ? -1 : 1));
  }

  /** Undefined takes the role away. Throws `not_found` when there is no such user. */
  async setRole(app: string, user: string, role: Role | undefined, who: string): Promise<void> {
    checkAppName(app);
    await this.#change(who, (state) => {
      // A role without a user can be taken away: no such user is no reason to keep it.
      const members = state.access.get(app) ?? new Map<string, Role>();
      if (role !== undefined) known(state, user);
      else if (!members.has(user)) throw noMember(app, user);
      if (members.get(user) === role) return undefined;
      return {
        files: { [accessPath(app)]: membersDocument(members, user, role) },
        did: `access: ${role === undefined ? `${user} is nothing` : `${user} is ${role}`} of ${app}`,
      };
    });
  }

  /** A new app's first admin, when it is a user who made it. Nobody else has a role, whoever had one in an app of that name. */
  async beginApp(app: string, by: Pick<Identity, 'name' | 'user'>): Promise<void> {
    const { user } = by;
    const next: Record<string, Role> = user === undefined ? {} : { [user]: 'admin' };
    await this.#change(by.name, ({ access }) => {
      const before = access.get(app);
      if (before === undefined && user === undefined) return undefined;
      const files = { [accessPath(app)]: user === undefined ? null : next };
      return {
        files,
        did: `access: ${user === undefined ? 'nobody' : `${user} is admin`} of the new ${app}`,
      };
    });
  }

  /** What the platform's ledger remembers of a destroyed app: that it was, and no roles. */
  async endApp(app: string, who: string): Promise<void> {
    await this.#change(who, ({ access }) => ({
      files: access.has(app) ? { [accessPath(app)]: null } : {},
      did: `destroy ${app}`,
    }));
  }

  /** By user, then in the order in which they were added. */
  async keys(): Promise<KeyRecord[]> {
    return [...(await this.#current()).keys.values()].sort(
      (a, b) => a.user.localeCompare(b.user) || a.addedAt.localeCompare(b.addedAt),
    );
  }

  /** Throws `not_found` when there is no such user, and `conflict` when somebody has the key. */
  async addKey(user: string, key: SshKey, who: string): Promise<KeyRecord> {
    const { type, blob, comment, fingerprint } = key;
    const after = await this.#change(who, (state) => {
      known(state, user);
      const owner = state.keys.get(fingerprint)?.user;
      if (owner !== undefined)
        throw new SlipwayError(
          'conflict',
          `the key ${fingerprint} is known already${owner === user ? '' : ', as that of another user'}`,
          { hint: 'a key says who comes: everybody needs one of their own' },
        );
      if ([...state.keys.values()].filter((one) => one.user === user).length >= KEYS_LIMIT)
        throw new SlipwayError('too_large', `${user} has ${KEYS_LIMIT} keys, and no more are kept`, {
          hint: 'remove one that is not used: slipway keys:remove FINGERPRINT',
        });
      const at = { addedAt: this.#now(), addedBy: oneLine(who) };
      return {
        files: { [keyPath(fingerprint)]: { fingerprint, user, type, blob, comment, ...at } },
        did: `key: add ${fingerprint} of ${user}`,
      };
    });
    return keyOf(after, fingerprint);
  }

  /** Throws `not_found`. */
  async removeKey(fingerprint: string, who: string): Promise<void> {
    await this.#change(who, (state) => {
      const { user } = keyOf(state, fingerprint);
      return { files: { [keyPath(fingerprint)]: null }, did: `key: remove ${fingerprint} of ${user}` };
    });
  }

  /** Throws `not_found`. */
  async key(fingerprint: string): Promise<KeyRecord> {
    return keyOf(await this.#current(), fingerprint);
  }

  /** Whose key it is, as sshd names it. Its removal counts within a second in every process. */
  async ownerOfKey(type: string, blob: string): Promise<KeyRecord | undefined> {
    const key = readPeople(await this.#recent.read()).keys.get(fingerprintOf(blob));
    return key !== undefined && key.type === type && key.blob === blob ? key : undefined;
  }

  /** Who has the key now, with all that is theirs. Undefined when it was removed. */
  async identityOfKey(fingerprint: string): Promise<Identity | undefined> {
    const state = readPeople(await this.#recent.read());
    const user = state.keys.get(fingerprint)?.user;
    return user === undefined ? undefined : identityOfUser(state, user);
  }

  /** Whether anybody can administer the platform: an administrator, or a machine with such a token. */
  async isAdministered(): Promise<boolean> {
    return isAdministered(await this.#current(), this.#clock.now());
  }

  async #current(): Promise<PeopleState> {
    return readPeople(await this.#ref.read());
  }

  async #change(who: string, decide: (state: PeopleState) => Change | undefined): Promise<PeopleState> {
    await this.#prepare();
    try {
      const after = await this.#ref.change((now) => {
        const change = decide(readPeople(now));
        if (change === undefined) return undefined;
        const files = Object.entries(change.files).map(([path, document]) => [
          path,
          document === null ? null : toDocument(document),
        ]);
        return { files: Object.fromEntries(files), message: `${change.did} by ${who}`, who };
      });
      return readPeople(after);
    } finally {
      this.#recent.forget();
    }
  }

  #refuseLast(state: PeopleState, name: string): void {
    if (isAdministered(state, this.#clock.now(), ({ name: other }) => other !== name)) return;
    throw new SlipwayError('conflict', `${name} is the last administrator of this platform`, {
      hint: 'make another one first: slipway users:add NAME --admin',
    });
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

function known({ users }: PeopleState, name: string): User {
  const user = users.get(name);
  if (user !== undefined) return user;
  throw new SlipwayError('not_found', `there is no user ${JSON.stringify(name.slice(0, 80))}`, {
    hint: 'an administrator adds one with: slipway users:add NAME',
  });
}

function keyOf({ keys }: PeopleState, fingerprint: string): KeyRecord {
  const key = keys.get(fingerprint);
  if (key !== undefined) return key;
  throw new SlipwayError('not_found', `there is no key ${JSON.stringify(fingerprint.slice(0, 80))}`, {
    hint: 'see: slipway keys',
  });
}

function noMember(app: string, user: string): SlipwayError {
  return new SlipwayError('not_found', `${JSON.stringify(user.slice(0, 80))} has no role in ${app}`, {
    hint: `see: slipway access -a ${app}`,
  });
}

function withRoles({ access }: PeopleState, user: User): UserWithRoles {
  const roles: [string, Role][] = [];
  for (const [app, members] of access) {
    const role = members.get(user.name);
    if (role !== undefined) roles.push([app, role]);
  }
  return { ...user, roles: Object.fromEntries(roles.sort()) };
}

/** Null when nobody is left. */
function membersDocument(
  members: ReadonlyMap<string, Role>,
  user: string,
  role: Role | undefined,
): Record<string, Role> | null {
  const next = new Map(members);
  if (role === undefined) next.delete(user);
  else next.set(user, role);
  return next.size === 0 ? null : Object.fromEntries([...next].sort());
}

function described({ administrator, mayCreateApps }: UserRights): string {
  if (administrator) return ', an administrator';
  return mayCreateApps ? ', who may create apps' : '';
}

function byName(a: User, b: User): number {
  return a.name < b.name ? -1 : 1;
}

/**
 * Documents of the platform's ledger about who may do what:
 *
 *   users/<name>.json    administrator, mayCreateApps, addedAt, addedBy
 *   access/<app>.json    user → role; by app, so that who may do what with it goes with it
 *   keys/<sha256>.json   an SSH key, by its fingerprint in hex, and whose it is
 *   tokens/<id>.json     hash, name, scopes, createdAt, expiresAt, revokedAt
 *
 * One that cannot be read lets nobody in, and keeps nobody else out.
 */
import { z } from 'zod';
import { ROLES, type Role } from '../model/access.js';
import { isAppName } from '../model/app.js';
import type { User } from '../model/user.js';
import type { Documents } from './documents.js';

export interface KeyRecord {
  readonly fingerprint: string;
  readonly user: string;
  readonly type: string;
  readonly blob: string;
  readonly comment: string;
  readonly addedAt: string;
  readonly addedBy: string;
}

export interface StoredToken {
  readonly hash: string;
  /** Whom it speaks for: a user, or a machine. */
  readonly name: string;
  /** Of a user: it may do what the user may, within its apps and its role. Else a machine's own. */
  readonly ofUser?: true;
  readonly apps: '*' | readonly string[];
  /** At most what this role allows. Absent, of a machine: what it always was, see identity.ts. */
  readonly role?: Role;
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

export interface PeopleState {
  readonly users: ReadonlyMap<string, User>;
  /** App → user → role. */
  readonly access: ReadonlyMap<string, ReadonlyMap<string, Role>>;
  readonly keys: ReadonlyMap<string, KeyRecord>;
  readonly tokens: ReadonlyMap<string, StoredToken>;
}

const text = z.string();
const user = z.object({
  administrator: z.boolean(),
  mayCreateApps: z.boolean(),
  addedAt: text,
  addedBy: text,
});
const access = z.record(text, z.enum(ROLES));
const key: z.ZodType<KeyRecord> = z.object({
  fingerprint: z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/),
  user: text,
  type: text,
  blob: text,
  comment: text,
  addedAt: text,
  addedBy: text,
});
const token: z.ZodType<StoredToken> = z.object({
  hash: z.hex().length(64),
  name: text,
  ofUser: z.literal(true).exactOptional(),
  apps: z.union([z.literal('*'), z.array(text)]),
  role: z.enum(ROLES).exactOptional(),
  admin: z.boolean(),
  mayCreateApps: z.boolean(),
  createdAt: text,
  createdBy: text,
  expiresAt: text.exactOptional(),
  revokedAt: text.exactOptional(),
});

export const userPath = (name: string): string => `users/${name}.json`;
export const accessPath = (app: string): string => `access/${app}.json`;
export const tokenPath = (id: string): string => `tokens/${id}.json`;
export const keyPath = (fingerprint: string): string =>
  `keys/${Buffer.from(fingerprint.replace('SHA256:', ''), 'base64').toString('hex')}.json`;

const parsed = new WeakMap<Documents, PeopleState>();

/** From memory for documents that were seen before. */
export function readPeople(documents: Documents | undefined): PeopleState {
  if (documents === undefined)
    return { users: new Map(), access: new Map(), keys: new Map(), tokens: new Map() };
  const known = parsed.get(documents);
  if (known !== undefined) return known;
  const users = new Map<string, User>();
  const apps = new Map<string, ReadonlyMap<string, Role>>();
  const keys = new Map<string, KeyRecord>();
  const tokens = new Map<string, StoredToken>();
  for (const [path, content] of documents.files) {
    const [, kind, name = ''] = /^(users|access|keys|tokens)\/(.+)\.json$/.exec(path) ?? [];
    const into = <T>(schema: z.ZodType<T>, take: (value: T) => void): void => {
      const found = schema.safeParse(parseJson(content));
      if (found.success) take(found.data);
    };
    if (kind === 'users') into(user, (value) => users.set(name, { name, ...value }));
    else if (kind === 'access' && isAppName(name))
      into(access, (value) => apps.set(name, new Map(Object.entries(value))));
    else if (kind === 'keys') into(key, (value) => keys.set(value.fingerprint, value));
    else if (kind === 'tokens') into(token, (value) => tokens.set(name, value));
  }
  const state = { users, access: apps, keys, tokens };
  parsed.set(documents, state);
  return state;
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

/**
 * Access tokens: who may call the API and push. A token is shown once, when it is made; the platform's ledger keeps its
 * SHA-256 only. A plain hash is enough: the secret is 256 random bits, which no dictionary holds.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.js';
import { SlipwayError } from '../errors.js';
import type { Role } from '../model/access.js';
import { checkAppName } from '../model/app.js';
import { toDocument } from './app-documents.js';
import { type DocumentRef, oneLine } from './documents.js';
import { type Identity, identityOfToken, isAdministered } from './identity.js';
import { type PeopleState, readPeople, type StoredToken, tokenPath } from './people-documents.js';
import type { RecentDocuments } from './recent-documents.js';

export interface TokenScopes {
  /** Whom the token speaks for. */
  readonly name: string;
  /** Of a user of this name; else of a machine. */
  readonly ofUser?: true;
  readonly apps: '*' | readonly string[];
  /** At most what this role allows. */
  readonly role?: Role;
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
  readonly expiresAt?: string;
}

/** A token as it is listed: all but its secret. */
export interface TokenRecord extends TokenScopes {
  readonly id: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly revokedAt?: string;
}

const TOKEN = /^slipway_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

export class Tokens {
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

  /**
   * `who` makes it. The token in the answer is never to be had again. Throws `bad_request`, `invalid_name`, `not_found` when there
   * is no such user, and `conflict` for a machine that has the name of one.
   */
  async create(scopes: TokenScopes & { readonly who: string }): Promise<{ token: string; id: string }> {
    const { ofUser, role, expiresAt } = scopes;
    const name = oneLine(scopes.name);
    if (name === '' || name.length > 100 || /[<>]/.test(name)) {
      throw new SlipwayError('bad_request', 'a token needs the name of whom it speaks for', {
        hint: 'use 1 to 100 characters without < and >, for example: alice',
      });
    }
    if (scopes.apps !== '*') scopes.apps.forEach(checkAppName);
    const id = randomBytes(6).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const record: StoredToken = {
      hash: hash(secret).toString('hex'),
      name,
      ...(ofUser === undefined ? {} : { ofUser }),
      apps: scopes.apps === '*' ? '*' : [...scopes.apps],
      ...(role === undefined ? {} : { role }),
      admin: scopes.admin,
      mayCreateApps: scopes.mayCreateApps,
      createdAt: this.#now(),
      createdBy: oneLine(scopes.who),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    await this.#prepare();
    await this.#ref.change((now) => {
      checkOwner(readPeople(now), record);
      return {
        files: { [tokenPath(id)]: toDocument(record) },
        message: `token: create ${id} for ${name} by ${scopes.who}`,
        who: scopes.who,
      };
    });
    this.#recent.forget();
    return { token: `slipway_${id}_${secret}`, id };
  }

  /** Undefined for whatever is not a valid token. A revocation counts within a second in every process. */
  async verify(token: string): Promise<Identity | undefined> {
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const state = readPeople(await this.#recent.read());
    const known = state.tokens.get(id);
    // The comparison takes the same time whether the id exists or not.
    const matches = timingSafeEqual(hash(secret), Buffer.from(known?.hash ?? '0'.repeat(64), 'hex'));
    if (!matches || known === undefined) return undefined;
    return identityOfToken(state, known, this.#clock.now());
  }

  /** All of them, also the revoked ones; the oldest first. */
  async list(): Promise<TokenRecord[]> {
    return [...readPeople(await this.#ref.read()).tokens]
      .map(([id, { hash: _hash, ...rest }]) => ({ id, ...rest }))
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
  }

  /** Nothing happens if it is revoked already. Throws `not_found`, or `conflict` for what alone still administers the platform. */
  async revoke(id: string, who: string): Promise<void> {
    await this.#ref.change((now) => {
      const state = readPeople(now);
      const known = state.tokens.get(id);
      if (known === undefined) {
        throw new SlipwayError('not_found', `there is no token ${JSON.stringify(id.slice(0, 60))}`);
      }
      if (known.revokedAt !== undefined) return undefined;
      if (known.admin && !isAdministered(state, this.#clock.now(), ({ token }) => token !== id))
        throw new SlipwayError('conflict', `${id} is the last token that administers this platform`, {
          hint: 'make an administrator first: slipway users:add NAME --admin',
        });
      return {
        files: { [tokenPath(id)]: toDocument({ ...known, revokedAt: this.#now() }) },
        message: `token: revoke ${id} of ${known.name} by ${who}`,
        who,
      };
    });
    this.#recent.forget();
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** The id of what looks like a token, for what is noted of its use. */
export function tokenId(token: string): string | undefined {
  return TOKEN.exec(token)?.[1];
}

function checkOwner({ users }: PeopleState, { name, ofUser }: StoredToken): void {
  if (users.has(name) === (ofUser === true)) return;
  if (ofUser)
    throw new SlipwayError('not_found', `there is no user ${JSON.stringify(name)}`, {
      hint: `slipway users:add ${name}`,
    });
  throw new SlipwayError('conflict', `${name} is a user: a machine needs a name of its own`, {
    hint: 'choose another, for example: ci',
  });
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/**
 * Access tokens: who may call the API and push. A token is shown once, when it is made; the platform's ledger keeps its
 * SHA-256 only. A plain hash is enough: the secret is 256 random bits, which no dictionary holds.
 *
 *   tokens/<id>.json   hash, name, scopes, createdAt, revokedAt
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../clock.js';
import { SlipwayError } from '../errors.js';
import { ADMINISTRATOR, type AppAction, allows, type Role } from '../model/access.js';
import { checkAppName } from '../model/app.js';
import { toDocument } from './app-documents.js';
import { type DocumentRef, type Documents, oneLine } from './documents.js';

/** What a token allows. */
export interface Identity {
  /** Who it is, for ledgers and logs. */
  readonly name: string;
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
  readonly apps: '*' | readonly string[];
  may(app: string, action: AppAction): boolean;
}

export interface TokenScopes {
  /** Whom the token speaks for. */
  readonly name: string;
  readonly apps: '*' | readonly string[];
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
}

/** A token as it is listed: all but its secret. */
export interface TokenRecord extends TokenScopes {
  readonly id: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly revokedAt?: string;
}

const TOKEN = /^slipway_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
/** How long another process's revocation may go unseen, in ms. */
const FRESH_MS = 1000;

const stored = z.object({
  hash: z.hex().length(64),
  name: z.string(),
  apps: z.union([z.literal('*'), z.array(z.string())]),
  admin: z.boolean(),
  mayCreateApps: z.boolean(),
  createdAt: z.string(),
  createdBy: z.string(),
  revokedAt: z.string().exactOptional(),
});
type StoredToken = z.infer<typeof stored>;

export class Tokens {
  readonly #ref: DocumentRef;
  readonly #prepare: () => Promise<void>;
  readonly #clock: Clock;
  #read: { at: number; tokens: Promise<ReadonlyMap<string, StoredToken>> } | undefined;
  readonly #parsed = new WeakMap<Documents, ReadonlyMap<string, StoredToken>>();

  /** `prepare` makes the repository; it is called before each change. */
  constructor(ref: DocumentRef, prepare: () => Promise<void>, clock: Clock) {
    this.#ref = ref;
    this.#prepare = prepare;
    this.#clock = clock;
  }

  /** `who` makes it. The token in the answer is never to be had again. Throws `bad_request`, `invalid_name`. */
  async create(scopes: TokenScopes & { readonly who: string }): Promise<{ token: string; id: string }> {
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
      apps: scopes.apps === '*' ? '*' : [...scopes.apps],
      admin: scopes.admin,
      mayCreateApps: scopes.mayCreateApps,
      createdAt: this.#now(),
      createdBy: oneLine(scopes.who),
    };
    await this.#prepare();
    await this.#ref.change(() => ({
      files: { [tokenPath(id)]: toDocument(record) },
      message: `token: create ${id} for ${name} by ${scopes.who}`,
      who: scopes.who,
    }));
    this.#read = undefined;
    return { token: `slipway_${id}_${secret}`, id };
  }

  /** Undefined for whatever is not a valid token. A revocation counts within a second in every process. */
  async verify(token: string): Promise<Identity | undefined> {
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const known = (await this.#recent()).get(id);
    // The comparison takes the same time whether the id exists or not.
    const matches = timingSafeEqual(hash(secret), Buffer.from(known?.hash ?? '0'.repeat(64), 'hex'));
    if (!matches || known === undefined || known.revokedAt !== undefined) return undefined;
    const { name, admin, mayCreateApps, apps } = known;
    const role = roleOf(known);
    const isTheirs = (app: string): boolean => admin || apps === '*' || apps.includes(app);
    return {
      name,
      admin,
      mayCreateApps,
      apps,
      may: (app, action) => isTheirs(app) && allows(role, action),
    };
  }

  /** All of them, also the revoked ones; the oldest first. */
  async list(): Promise<TokenRecord[]> {
    return [...(await this.#current())]
      .map(([id, { hash: _hash, ...rest }]) => ({ id, ...rest }))
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
  }

  /** Nothing happens if it is revoked already. Throws `not_found`. */
  async revoke(id: string, who: string): Promise<void> {
    await this.#ref.change((now) => {
      const known = now === undefined ? undefined : this.#parse(now).get(id);
      if (known === undefined) {
        throw new SlipwayError('not_found', `there is no token ${JSON.stringify(id.slice(0, 60))}`);
      }
      if (known.revokedAt !== undefined) return undefined;
      return {
        files: { [tokenPath(id)]: toDocument({ ...known, revokedAt: this.#now() }) },
        message: `token: revoke ${id} of ${known.name} by ${who}`,
        who,
      };
    });
    this.#read = undefined;
  }

  async #recent(): Promise<ReadonlyMap<string, StoredToken>> {
    const now = this.#clock.now();
    if (this.#read === undefined || now - this.#read.at >= FRESH_MS || now < this.#read.at) {
      const read = { at: now, tokens: this.#current() };
      // A failed read is not remembered.
      read.tokens.catch(() => {
        if (this.#read === read) this.#read = undefined;
      });
      this.#read = read;
    }
    return this.#read.tokens;
  }

  async #current(): Promise<ReadonlyMap<string, StoredToken>> {
    const documents = await this.#ref.read();
    return documents === undefined ? new Map() : this.#parse(documents);
  }

  #parse(documents: Documents): ReadonlyMap<string, StoredToken> {
    const known = this.#parsed.get(documents);
    if (known !== undefined) return known;
    const tokens = new Map<string, StoredToken>();
    for (const [path, content] of documents.files) {
      const id = /^tokens\/([0-9a-f]{12})\.json$/.exec(path)?.[1];
      const token = id === undefined ? undefined : parseToken(content);
      // A document that cannot be read lets nobody in, and keeps nobody else out.
      if (id !== undefined && token !== undefined) tokens.set(id, token);
    }
    this.#parsed.set(documents, tokens);
    return tokens;
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** A token that says no role is a developer's; who may create apps may do everything with them. */
function roleOf({ admin, mayCreateApps }: StoredToken): Role | typeof ADMINISTRATOR {
  if (admin) return ADMINISTRATOR;
  return mayCreateApps ? 'admin' : 'developer';
}

function parseToken(content: string): StoredToken | undefined {
  try {
    return stored.parse(JSON.parse(content));
  } catch {
    return undefined;
  }
}

function tokenPath(id: string): string {
  return `tokens/${id}.json`;
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/**
 * Who we are to a registry: Basic (RFC 7617) and the token flow of CNCF Distribution ("Token Authentication
 * Specification"). Credentials go to the host they belong to, and to a token server only if that host named it over TLS
 * or it is that host itself.
 */
import type { Clock } from '../clock.js';
import { type Asked, RegistryFault, statusFault } from './faults.js';
import type { RegistryHosts } from './hosts.js';
import { parseRetryAfter } from './retry.js';
import type { RegistryTiming } from './timing.js';
import { readAll, type Wire } from './wire.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Credentials that are had elsewhere, by the registry's name. */
export type CredentialLookUp = (registry: string) => Promise<Credentials | undefined>;

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Token {
  readonly header: string;
  readonly expiresAt: number;
}

/** What a request is to be allowed, as a token's scopes: `repository:apps/hello:pull,push`. */
export interface Asking extends Asked {
  readonly origin: URL;
  readonly scopes: readonly string[];
}

const TOKEN_BYTES = 64 * 1024;
/** The specification's default, and how much earlier a token is taken for expired. */
const TOKEN_LIFE_S = 60;
const TOKEN_MARGIN_S = 5;

export class Authenticator {
  readonly #credentials: Map<string, Credentials>;
  readonly #lookUp: CredentialLookUp | undefined;
  readonly #lookedUp = new Map<string, Promise<void>>();
  readonly #hosts: RegistryHosts;
  readonly #wire: Wire;
  readonly #timing: RegistryTiming;
  readonly #clock: Clock;
  readonly #tokens = new Map<string, Token>();
  readonly #fetching = new Map<string, Promise<Token>>();
  /** Registries that asked for Basic: asked once, sent from then on. */
  readonly #basic = new Set<string>();

  constructor(parts: {
    credentials: ReadonlyMap<string, Credentials>;
    lookUp?: CredentialLookUp | undefined;
    hosts: RegistryHosts;
    wire: Wire;
    timing: RegistryTiming;
    clock: Clock;
  }) {
    this.#credentials = new Map(parts.credentials);
    this.#lookUp = parts.lookUp;
    this.#hosts = parts.hosts;
    this.#wire = parts.wire;
    this.#timing = parts.timing;
    this.#clock = parts.clock;
  }

  /** The Authorization header known to be wanted, if any. */
  known(asking: Asking): string | undefined {
    if (this.#basic.has(asking.registry)) return this.#basicHeader(asking.registry);
    const token = this.#tokens.get(key(asking));
    return token !== undefined && token.expiresAt > this.#clock.now() ? token.header : undefined;
  }

  /**
   * The header that answers a 401. Undefined when there is nothing better to offer than what was `refused`. Throws
   * `registry_denied`, or a temporary fault of the token server.
   */
  async answer(
    asking: Asking,
    challenge: string | undefined,
    refused: string | undefined,
  ): Promise<string | undefined> {
    await this.#find(asking.registry);
    const challenges = parseChallenges(challenge ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      // Another request may have got a newer token while this one was under way.
      const newer = this.known(asking);
      if (newer !== undefined && newer !== refused) return newer;
      this.#tokens.delete(key(asking));
      const { header } = await this.#token(asking, bearer);
      return header === refused ? undefined : header;
    }
    if (challenges.some(({ scheme }) => scheme === 'basic')) {
      const header = this.#basicHeader(asking.registry);
      if (header === undefined || header === refused) return undefined;
      this.#basic.add(asking.registry);
      return header;
    }
    return undefined;
  }

  /** Has `credentials` hold what can be had for the registry. */
  #find(registry: string): Promise<void> {
    if (this.#lookUp === undefined || this.#credentials.has(registry)) return Promise.resolve();
    const finding =
      this.#lookedUp.get(registry) ??
      this.#lookUp(registry).then((found) => {
        if (found !== undefined) this.#credentials.set(registry, found);
      });
    this.#lookedUp.set(registry, finding);
    return finding;
  }

  #basicHeader(registry: string): string | undefined {
    const known = this.#credentials.get(registry);
    return known && `Basic ${Buffer.from(`${known.username}:${known.password}`).toString('base64')}`;
  }

  /** One request for a token, however many requests wait for it. */
  #token(asking: Asking, challenge: Challenge): Promise<Token> {
    const name = key(asking);
    const fetching =
      this.#fetching.get(name) ??
      this.#fetchToken(asking, challenge).finally(() => this.#fetching.delete(name));
    this.#fetching.set(name, fetching);
    return fetching;
  }

  async #fetchToken(asking: Asking, { parameters }: Challenge): Promise<Token> {
    const realm = this.#realm(asking, parameters.get('realm') ?? '');
    const service = parameters.get('service');
    if (service !== undefined) realm.searchParams.set('service', service);
    const wanted = new Set([
      ...asking.scopes,
      ...(parameters.get('scope') ?? '').split(' ').filter((s) => s !== ''),
    ]);
    for (const scope of wanted) realm.searchParams.append('scope', scope);
    const credentials = this.#basicHeader(asking.registry);
    const asked = { registry: `${asking.registry} (its token server ${realm.host})`, where: asking.where };
    const body = await this.#wire.exchange(
      {
        asked,
        method: 'GET',
        url: realm,
        headers: {
          accept: 'application/json',
          ...(credentials === undefined ? {} : { authorization: credentials }),
        },
        idleMs: this.#timing.idleMs,
        answerMs: this.#timing.idleMs,
        totalMs: this.#timing.requestMs,
      },
      async ({ status, headers, chunks }) => {
        const bytes = await readAll(chunks, TOKEN_BYTES);
        if (status === 200) return bytes;
        const wait = parseRetryAfter(headers['retry-after'], this.#clock.now());
        // A token server that is not there, or sends us elsewhere, denies as far as we are concerned.
        throw statusFault(
          status < 400 || status === 404 ? 403 : status,
          bytes ?? Buffer.alloc(0),
          wait,
          asked,
        );
      },
    );
    const token = parseToken(body, this.#clock.now());
    if (token === undefined) {
      throw new RegistryFault('registry_denied', `the token server ${realm.host} sent no usable token`, {
        where: asking.where,
      });
    }
    this.#tokens.set(key(asking), token);
    return token;
  }

  /** The token server's URL, if it may be asked: with credentials it must be trusted with them. */
  #realm(asking: Asking, text: string): URL {
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    const refuse = (why: string): RegistryFault =>
      new RegistryFault('registry_denied', `${asking.registry} names a token server that ${why}`, {
        where: asking.where,
        hint: 'check that this is the registry you mean',
      });
    if (realm === undefined || realm.username !== '' || realm.password !== '') throw refuse('is not a URL');
    const sameHost = realm.hostname === asking.origin.hostname;
    const plainOnPlain = sameHost && asking.origin.protocol === 'http:' && realm.protocol === 'http:';
    if (!plainOnPlain && !this.#hosts.mayFollow(asking.origin, realm)) {
      throw refuse(`may not be asked from there: ${realm.origin}`);
    }
    const trusted = sameHost || (asking.origin.protocol === 'https:' && realm.protocol === 'https:');
    if (!trusted && this.#credentials.has(asking.registry)) {
      throw refuse(
        `is another host, ${realm.host}, without having named it over TLS; it gets no credentials`,
      );
    }
    return realm;
  }
}

function key({ registry, scopes }: Asking): string {
  return [registry, ...[...scopes].sort()].join(' ');
}

function parseToken(body: Buffer | undefined, nowMs: number): Token | undefined {
  try {
    const json = JSON.parse((body ?? Buffer.alloc(0)).toString('utf8')) as Record<string, unknown>;
    const token = json.token || json.access_token;
    // Goes into a header: nothing but visible ASCII.
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) return undefined;
    const seconds =
      typeof json.expires_in === 'number' && json.expires_in > 0 ? json.expires_in : TOKEN_LIFE_S;
    return { header: `Bearer ${token}`, expiresAt: nowMs + Math.max(1, seconds - TOKEN_MARGIN_S) * 1000 };
  } catch {
    return undefined;
  }
}

const PARAMETER = /^\s*,?\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/;
const SCHEME = /^\s*,?\s*([!#$%&'*+.^_`|~\w-]+)(?=\s|,|$)/;

/** A WWW-Authenticate header: one or more challenges, each a scheme and its parameters (RFC 9110 §11.6.1). */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header;
  while (rest.trim() !== '') {
    const scheme = SCHEME.exec(rest);
    if (scheme?.[1] === undefined) break;
    rest = rest.slice(scheme[0].length);
    const parameters = new Map<string, string>();
    for (let found = PARAMETER.exec(rest); found?.[1] !== undefined; found = PARAMETER.exec(rest)) {
      parameters.set(found[1].toLowerCase(), found[2]?.replace(/\\(.)/g, '$1') ?? found[3] ?? '');
      rest = rest.slice(found[0].length);
    }
    challenges.push({ scheme: scheme[1].toLowerCase(), parameters });
  }
  return challenges;
}

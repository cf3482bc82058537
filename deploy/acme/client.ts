/**
 * An ACME client (RFC 8555) for one account: one certificate for one domain, checked by the CA over HTTP (http-01). What answers the
 * CA's question is the caller's.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.js';
import { signingRequest } from './request.js';

export interface AcmeOptions {
  /** URL of the CA's directory. */
  readonly directory: string;
  /** On P-256. */
  readonly accountKey: KeyObject;
  /** Where the CA may write to. */
  readonly email?: string;
  /** PEM of what the CA's own server is trusted by, instead of the usual authorities. */
  readonly trust?: string;
}

/** Has `http://<domain>/.well-known/acme-challenge/<token>` answered, or no more without an answer. */
export type Answering = (token: string, answer: string | undefined) => Promise<void>;

export interface Fetched {
  readonly chain: string;
  readonly key: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
}

interface Order {
  readonly status: string;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate?: string;
  readonly error?: Problem;
}

interface Authorization {
  readonly status: string;
  readonly challenges: readonly { type: string; url: string; token: string; error?: Problem }[];
}

interface Problem {
  readonly type?: string;
  readonly detail?: string;
  readonly subproblems?: readonly Problem[];
}

const REQUEST_MS = 30_000;
const ANSWER_BYTES = 1024 * 1024;
/** A CA may take its time, but not for ever. */
const ORDER_MS = 180_000;
const FIRST_POLL_MS = 500;
const LONGEST_POLL_MS = 10_000;
/** The CA may throw away nonces at any time (RFC 8555, 6.5). */
const NONCE_ATTEMPTS = 10;

export class AcmeClient {
  readonly #options: AcmeOptions;
  #directory: Directory | undefined;
  #account: string | undefined;
  #nonce: string | undefined;

  constructor(options: AcmeOptions) {
    this.#options = options;
  }

  /** Throws `unavailable` with the CA's own words. */
  async certificate(domain: string, answering: Answering, signal: AbortSignal): Promise<Fetched> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(ORDER_MS)]);
    try {
      const { newOrder } = await this.#find(until);
      const identifiers = [{ type: 'dns', value: domain }];
      const ordered = await this.#post(newOrder, { identifiers }, until);
      const order = JSON.parse(ordered.text) as Order;
      const url = ordered.headers.location;
      if (url === undefined) throw failure('the order has no address');
      for (const authorization of order.authorizations) await this.#prove(authorization, answering, until);

      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const csr = signingRequest(domain, privateKey).toString('base64url');
      await this.#post(order.finalize, { csr }, until);
      const done = await this.#poll<Order>(
        url,
        (now) => now.status !== 'processing' && now.status !== 'pending',
        until,
      );
      if (done.status !== 'valid' || done.certificate === undefined)
        throw failure(wordsOf(done.error) ?? `the order is ${done.status}`);
      const { text: chain } = await this.#post(done.certificate, undefined, until);
      return { chain, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    } catch (error) {
      signal.throwIfAborted();
      if (until.aborted) throw failure(`it did not issue the certificate within ${ORDER_MS / 1000} s`);
      throw error;
    }
  }

  /** Shows the CA that the domain is ours. */
  async #prove(url: string, answering: Answering, signal: AbortSignal): Promise<void> {
    const { status, challenges } = JSON.parse(
      (await this.#post(url, undefined, signal)).text,
    ) as Authorization;
    if (status === 'valid') return;
    const challenge = challenges.find(({ type }) => type === 'http-01');
    // It becomes a key of a table.
    if (challenge === undefined || !/^[A-Za-z0-9_-]+$/.test(challenge.token))
      throw failure('it offers no check over HTTP');
    await answering(challenge.token, `${challenge.token}.${thumbprint(this.#options.accountKey)}`);
    try {
      await this.#post(challenge.url, {}, signal);
      const done = await this.#poll<Authorization>(url, (now) => now.status !== 'pending', signal);
      if (done.status !== 'valid') {
        const problem = done.challenges.find(({ error }) => error !== undefined)?.error;
        throw failure(wordsOf(problem) ?? `the check of the domain is ${done.status}`);
      }
    } finally {
      await answering(challenge.token, undefined);
    }
  }

  async #poll<T>(url: string, isDone: (now: T) => boolean, signal: AbortSignal): Promise<T> {
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_POLL_MS)) {
      const { text, headers } = await this.#post(url, undefined, signal);
      const now = JSON.parse(text) as T;
      if (isDone(now)) return now;
      const asked = Number(headers['retry-after']) * 1000;
      await sleep(Math.min(asked > 0 ? asked : pauseMs, LONGEST_POLL_MS), undefined, { signal });
    }
  }

  async #find(signal: AbortSignal): Promise<Directory> {
    if (this.#directory === undefined) {
      const { status, text } = await this.#send('GET', this.#options.directory, undefined, signal);
      if (status !== 200) throw failure(`its directory answers ${status}`);
      this.#directory = JSON.parse(text) as Directory;
    }
    if (this.#account === undefined) {
      const contact = this.#options.email === undefined ? {} : { contact: [`mailto:${this.#options.email}`] };
      const body = { termsOfServiceAgreed: true, ...contact };
      const { headers } = await this.#post(this.#directory.newAccount, body, signal, this.#directory);
      this.#account = headers.location;
    }
    return this.#directory;
  }

  /** Signed (RFC 8555, 6.2). Without a payload it is what other protocols call a GET. */
  async #post(
    url: string,
    payload: unknown,
    signal: AbortSignal,
    directory = this.#directory,
  ): Promise<Answer> {
    const { accountKey } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const who = this.#account === undefined ? { jwk: publicJwk(accountKey) } : { kid: this.#account };
      const nonce = this.#nonce ?? (await this.#newNonce(directory, signal));
      this.#nonce = undefined;
      const head = encode({ alg: 'ES256', nonce, url, ...who });
      const body = payload === undefined ? '' : encode(payload);
      const signature = sign('sha256', Buffer.from(`${head}.${body}`), {
        key: accountKey,
        dsaEncoding: 'ieee-p1363',
      }).toString('base64url');
      const answer = await this.#send(
        'POST',
        url,
        JSON.stringify({ protected: head, payload: body, signature }),
        signal,
      );
      if (answer.status < 300) return answer;
      const problem = problemOf(answer.text);
      if (problem?.type !== 'urn:ietf:params:acme:error:badNonce' || attempt >= NONCE_ATTEMPTS)
        throw failure(wordsOf(problem) ?? `it answers ${answer.status}`);
    }
  }

  async #newNonce(directory: Directory | undefined, signal: AbortSignal): Promise<string> {
    if (directory !== undefined) await this.#send('HEAD', directory.newNonce, undefined, signal);
    if (this.#nonce === undefined) throw failure('it gives no nonce');
    return this.#nonce;
  }

  #send(method: string, url: string, body: string | undefined, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void => reject(failure(`it cannot be reached: ${cause.message}`, cause));
      const { trust } = this.#options;
      const asked = request(
        url,
        {
          method,
          signal,
          timeout: REQUEST_MS,
          agent: false,
          headers: {
            'user-agent': 'slipway',
            ...(body === undefined ? {} : { 'content-type': 'application/jose+json' }),
          },
          ...(trust === undefined ? {} : { ca: trust }),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          answer.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > ANSWER_BYTES) asked.destroy(new Error('the answer is too long'));
            else chunks.push(chunk);
          });
          answer.on('error', fail);
          answer.on('end', () => {
            const nonce = answer.headers['replay-nonce'];
            if (typeof nonce === 'string') this.#nonce = nonce;
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
          });
        },
      );
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.on('error', fail);
      asked.end(body);
    });
  }
}

function publicJwk(key: KeyObject): { crv: string; kty: string; x: string; y: string } {
  const { crv = '', kty = '', x = '', y = '' } = key.export({ format: 'jwk' });
  return { crv, kty, x, y };
}

/** RFC 7638: the members in the order of their names, without a blank. */
function thumbprint(key: KeyObject): string {
  return createHash('sha256')
    .update(JSON.stringify(publicJwk(key)))
    .digest('base64url');
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function problemOf(text: string): Problem | undefined {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return undefined;
  }
}

function wordsOf(problem: Problem | undefined): string | undefined {
  const details = [problem, ...(problem?.subproblems ?? [])].flatMap((one) => one?.detail ?? []);
  return details.length === 0 ? undefined : details.join('; ').replace(/\s+/g, ' ').slice(0, 500);
}

function failure(what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('unavailable', `the CA does not issue it: ${what}`, { temporary: true, cause });
}

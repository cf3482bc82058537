/**
 * What those who come by SSH are known by, in memory: a key that sshd has checked gives a pass for as long as its connection lasts, and a command that
 * it asks for gets a token for the API. Neither holds any longer than the key does, and none outlives this process.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Identity } from './identity.js';
import type { People } from './people.js';

const PREFIX = 'slipway_ssh';

export class Passes {
  readonly #people: Pick<People, 'identityOfKey'>;
  readonly #secret = randomBytes(32);
  /** Token → fingerprint of the key. */
  readonly #tokens = new Map<string, string>();

  constructor(people: Pick<People, 'identityOfKey'>) {
    this.#people = people;
  }

  /** What only sshd learns, and gives back with each session of the connection. */
  passOf(fingerprint: string): string {
    return `${fingerprint}:${this.#seal(fingerprint).toString('base64url')}`;
  }

  /** The fingerprint, or undefined for what is not a pass of this process. */
  read(pass: string): string | undefined {
    const [, fingerprint, seal] = /^(SHA256:[A-Za-z0-9+/]{43}):([A-Za-z0-9_-]{43})$/.exec(pass) ?? [];
    if (fingerprint === undefined || seal === undefined) return undefined;
    const isOurs = timingSafeEqual(this.#seal(fingerprint), Buffer.from(seal, 'base64url'));
    return isOurs ? fingerprint : undefined;
  }

  /** For one command. The caller takes it back when the command has ended. */
  issue(fingerprint: string): { readonly token: string; takeBack(): void } {
    // In the form of others: what counts requests takes the second part for an id.
    const token = `${PREFIX}${randomBytes(6).toString('hex')}_${randomBytes(32).toString('base64url')}`;
    this.#tokens.set(token, fingerprint);
    return { token, takeBack: () => this.#tokens.delete(token) };
  }

  /** Undefined for what is not a token of a command that runs. */
  async verify(token: string): Promise<Identity | undefined> {
    const fingerprint = token.startsWith(PREFIX) ? this.#tokens.get(token) : undefined;
    return fingerprint === undefined ? undefined : this.#people.identityOfKey(fingerprint);
  }

  #seal(fingerprint: string): Buffer {
    return createHmac('sha256', this.#secret).update(fingerprint).digest();
  }
}

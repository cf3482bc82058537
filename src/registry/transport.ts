/**
 * Requests to registries as the rest of this room makes them: authenticated, redirected, checked for the statuses that
 * are hoped for, and (with `request`) retried.
 */
import { type Clock, systemClock } from '../clock.js';
import { SlipwayError } from '../errors.js';
import type { Logger } from '../log.js';
import { type Asking, Authenticator, type CredentialLookUp, type Credentials } from './auth.js';
import { RegistryFault, statusFault } from './faults.js';
import { RegistryHosts } from './hosts.js';
import { isRegistryHost, isRepository } from './reference.js';
import { parseRetryAfter, RetryBudget, type RetryOptions, withRetries } from './retry.js';
import { DEFAULT_TIMING, type RegistryTiming } from './timing.js';
import { type Method, pushNotAllowed, readAll, type UploadBody, Wire, type WireAnswer } from './wire.js';

/** A repository of a registry. */
export interface Place {
  readonly registry: string;
  readonly repository: string;
}

export interface RegistryRequest {
  readonly place: Place;
  readonly method: Method;
  /** Below `/v2/<repository>/`, or a Location that the registry gave. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: UploadBody;
  /** `pull` or `pull,push`. */
  readonly actions: string;
  /** A further repository that must be readable, for a mount. */
  readonly alsoPull?: string | undefined;
  readonly expect: readonly number[];
  /** What is asked for, in full, for errors. */
  readonly where: string;
  /** What a 404 means: `the tag v1`. */
  readonly missing?: string;
  /** The body is a blob: it takes as long as blobs do. */
  readonly large?: boolean;
  /** Bytes of the answer that `request` takes. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onSent?: (bytes: number) => void;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Undefined when absent; the first when repeated. */
  header(name: string): string | undefined;
  /** The Location resolved against the request, still on the registry's own terms. */
  location(): URL;
}

export interface TransportOptions {
  readonly credentials?: Readonly<Record<string, Credentials>>;
  /** For registries that `credentials` lacks; asked once for each, when it wants them. */
  readonly lookUp?: CredentialLookUp;
  readonly insecure?: readonly string[];
  readonly pushAllowed: readonly string[];
  readonly timing?: Partial<RegistryTiming>;
  readonly log?: Logger;
  readonly clock?: Clock;
}

const REDIRECTS = 5;
const ANSWER_BYTES = 64 * 1024;
const FAULT_BYTES = 16 * 1024;

export class Transport {
  readonly timing: RegistryTiming;
  readonly #hosts: RegistryHosts;
  readonly #wire: Wire;
  readonly #auth: Authenticator;
  readonly #clock: Clock;
  readonly #log: Logger | undefined;

  constructor(options: TransportOptions) {
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log;
    this.#hosts = new RegistryHosts(options.insecure ?? []);
    this.#wire = new Wire(
      new Set(options.pushAllowed.map((registry) => this.#hosts.origin(registry).origin)),
    );
    this.#auth = new Authenticator({
      credentials: new Map(Object.entries(options.credentials ?? {})),
      lookUp: options.lookUp,
      hosts: this.#hosts,
      wire: this.#wire,
      timing: this.timing,
      clock: this.#clock,
    });
  }

  close(): void {
    this.#wire.close();
  }

  /** Throws `registry_push_not_allowed` before anything is asked; the guard itself is in the wire. */
  checkWritable(registry: string, where: string): void {
    if (!this.#wire.mayWriteTo(this.#hosts.origin(registry))) throw pushNotAllowed(registry, where);
  }

  /** What `withRetries` needs for one operation. */
  retries(signal: AbortSignal | undefined, tries?: number): RetryOptions {
    return {
      timing: this.timing,
      budget: new RetryBudget(this.timing),
      signal,
      log: this.#log,
      ...(tries === undefined ? {} : { tries }),
    };
  }

  /** Sends, retries, and takes the whole answer. Throws `image_invalid` when it is larger than `maxBytes`. */
  request(request: RegistryRequest, retries: RetryOptions): Promise<RegistryAnswer> {
    return withRetries(() => this.once(request), retries);
  }

  /** One try, with the whole answer. */
  once(request: RegistryRequest): Promise<RegistryAnswer> {
    const maxBytes = request.maxBytes ?? ANSWER_BYTES;
    return this.stream(request, async (answer, url) => {
      const declared = Number(answer.headers['content-length'] ?? 0);
      const tooLarge = request.method !== 'HEAD' && declared > maxBytes;
      const body = tooLarge ? undefined : await readAll(answer.chunks, maxBytes);
      if (body === undefined) {
        throw new SlipwayError(
          'image_invalid',
          `the registry ${request.place.registry} sent more than ${maxBytes} bytes`,
          {
            where: request.where,
            hint: 'no image needs a manifest or config of this size',
          },
        );
      }
      return answerOf(answer, body, url, request);
    });
  }

  /** One try; the answer's body is read inside `read`. Follows redirects and answers a challenge once. */
  async stream<T>(request: RegistryRequest, read: (answer: WireAnswer, url: URL) => Promise<T>): Promise<T> {
    const { place } = request;
    if (!isRegistryHost(place.registry) || !isRepository(place.repository)) {
      throw new SlipwayError('invalid_name', `${JSON.stringify(request.where)} does not name an image`);
    }
    const origin = this.#hosts.origin(place.registry);
    const asking: Asking = {
      registry: place.registry,
      where: request.where,
      origin,
      scopes: [
        `repository:${place.repository}:${request.actions}`,
        ...(request.alsoPull === undefined ? [] : [`repository:${request.alsoPull}:pull`]),
      ],
    };
    let url =
      typeof request.target === 'string'
        ? new URL(`/v2/${place.repository}/${request.target}`, origin)
        : this.#uploadUrl(request.target, origin);
    let authorization = this.#auth.known(asking);
    let challenged = false;
    for (let redirects = 0; ; ) {
      const own = url.origin === origin.origin;
      const next = await this.#wire.exchange(
        this.#wireRequest(request, asking, url, own ? authorization : undefined),
        (answer) => this.#sort(request, answer, url, own && !challenged, read),
      );
      if ('done' in next) return next.done;
      if ('challenge' in next) {
        challenged = true;
        authorization = await this.#auth.answer(asking, next.challenge, authorization);
        if (authorization === undefined) throw next.fault;
        continue;
      }
      redirects += 1;
      if (redirects > REDIRECTS) throw unfollowed(request, `redirects more than ${REDIRECTS} times`);
      url = this.#redirectUrl(request, url, next.redirect);
    }
  }

  async #sort<T>(
    request: RegistryRequest,
    answer: WireAnswer,
    url: URL,
    mayAuthenticate: boolean,
    read: (answer: WireAnswer, url: URL) => Promise<T>,
  ): Promise<{ done: T } | { challenge: string | undefined; fault: SlipwayError } | { redirect: string }> {
    const { status, headers } = answer;
    if (request.expect.includes(status)) return { done: await read(answer, url) };
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (reading && [301, 302, 303, 307, 308].includes(status) && headers.location !== undefined) {
      return { redirect: headers.location };
    }
    const body = (await readAll(answer.chunks, FAULT_BYTES)) ?? Buffer.alloc(0);
    const fault = statusFault(status, body, parseRetryAfter(headers['retry-after'], this.#clock.now()), {
      registry: request.place.registry,
      where: request.where,
      ...(request.missing === undefined ? {} : { missing: request.missing }),
    });
    if (status === 401 && mayAuthenticate) return { challenge: headers['www-authenticate'], fault };
    throw fault;
  }

  #wireRequest(
    request: RegistryRequest,
    asking: Asking,
    url: URL,
    authorization: string | undefined,
  ): Parameters<Wire['exchange']>[0] {
    return {
      asked: asking,
      method: request.method,
      url,
      headers: {
        'user-agent': 'slipway',
        'accept-encoding': 'identity',
        ...request.headers,
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: request.body,
      idleMs: this.timing.idleMs,
      answerMs: request.large ? this.timing.uploadAnswerMs : this.timing.idleMs,
      totalMs: request.large ? this.timing.blobMs : this.timing.requestMs,
      signal: request.signal,
      onSent: request.onSent,
    };
  }

  /** A registry behind a TLS proxy often names itself with http: it is still the same host, and stays on TLS. */
  #uploadUrl(location: URL, origin: URL): URL {
    if (
      location.hostname !== origin.hostname ||
      location.protocol !== 'http:' ||
      origin.protocol !== 'https:'
    ) {
      return location;
    }
    const url = new URL(location);
    url.protocol = origin.protocol;
    url.port = origin.port;
    return url;
  }

  #redirectUrl(request: RegistryRequest, from: URL, location: string): URL {
    if (!URL.canParse(location, from.href))
      throw unfollowed(request, 'redirects to something that is not a URL');
    const to = new URL(location, from);
    to.username = '';
    to.password = '';
    if (to.origin !== from.origin && !this.#hosts.mayFollow(from, to)) {
      throw unfollowed(request, `redirects to ${to.origin}, which may not be followed from there`);
    }
    return to;
  }
}

function unfollowed(request: RegistryRequest, what: string): RegistryFault {
  return new RegistryFault('registry_denied', `the registry ${request.place.registry} ${what}`, {
    where: request.where,
  });
}

function answerOf(answer: WireAnswer, body: Buffer, url: URL, request: RegistryRequest): RegistryAnswer {
  const header = (name: string): string | undefined => {
    const value = answer.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  return {
    status: answer.status,
    body,
    header,
    location: () => {
      const location = header('location');
      if (location === undefined || !URL.canParse(location, url.href)) {
        throw unfollowed(request, 'did not say where to upload to');
      }
      const to = new URL(location, url);
      to.username = '';
      to.password = '';
      return to;
    },
  };
}

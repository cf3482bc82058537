/**
 * The connection to one Docker Engine: every call has a time-out, and whatever goes wrong comes out as a SlipwayError.
 * What the calls mean is for targets/docker.ts.
 */
import { lookup } from 'node:dns/promises';
import { SlipwayError } from '../../src/errors.js';
import { EngineApi, EngineRefusal, type TlsFiles } from './engine-api.js';

const CALL_TIMEOUT_MS = 30_000;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** What carries the connection to an engine elsewhere to a socket here. */
export interface Tunnel {
  readonly socketPath: string;
  /** Resolves when it is open; throws within seconds why it is not. */
  ready(signal: AbortSignal): Promise<void>;
  /** What it said last that may explain why a connection through it failed. */
  lastWords(): Promise<string | undefined>;
}

/** Asked before each call, and answers at once when it has passed. Throws why nothing may be asked of the engine. */
export type EngineGuard = (api: EngineApi, signal: AbortSignal) => Promise<void>;

export interface EngineOptions {
  /** The host's, for what to do next. Absent for the engine of DOCKER_HOST. */
  readonly name?: string;
  /** For `tcp://`; without them the connection is in clear. */
  readonly tls?: TlsFiles;
  /** For `ssh://`. */
  readonly tunnel?: Tunnel;
  readonly guard?: EngineGuard;
}

export class Engine {
  /** As in the setting: `unix:///run/docker.sock`, `tcp://host:port` or `ssh://user@host:port`. */
  readonly dockerHost: string;
  /** Undefined for an engine on this machine, which shares its bridge network with us. */
  readonly remoteHost: string | undefined;
  readonly #name: string | undefined;
  readonly #tunnel: Tunnel | undefined;
  readonly #api: EngineApi;
  readonly #guard: EngineGuard | undefined;

  constructor(dockerHost: string, { name, tls, tunnel, guard }: EngineOptions = {}) {
    this.dockerHost = dockerHost;
    this.#name = name;
    this.#tunnel = tunnel;
    this.#guard = guard;
    if (dockerHost.startsWith('unix://')) {
      this.#api = new EngineApi({ socketPath: dockerHost.slice('unix://'.length) });
      return;
    }
    const url = new URL(dockerHost);
    this.remoteHost = url.hostname;
    this.#api = new EngineApi(
      tunnel !== undefined
        ? { socketPath: tunnel.socketPath }
        : {
            host: url.hostname,
            port: Number(url.port || 2375),
            ...(tls === undefined ? {} : { tls }),
          },
    );
  }

  /** `doing` completes the sentence "the Docker Engine refused to …". The signal given to `run` ends the call. */
  async call<T>(
    doing: string,
    run: (api: EngineApi, signal: AbortSignal) => Promise<T>,
    { signal, timeoutMs = CALL_TIMEOUT_MS }: CallOptions = {},
  ): Promise<T> {
    signal?.throwIfAborted();
    const timeout = AbortSignal.timeout(timeoutMs);
    const end = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      const opened = async (): Promise<T> => {
        await this.#tunnel?.ready(end);
        await this.#guard?.(this.#api, end);
        return run(this.#api, end);
      };
      // Also what does not listen to the signal is not waited for.
      return await Promise.race([opened(), whenAborted(end)]);
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.aborted)
        throw this.unavailable(`did not answer within ${timeoutMs / 1000} s when asked to ${doing}`);
      const hasAnswered = error instanceof SlipwayError || statusOf(error) !== undefined;
      throw this.translate(doing, error, hasAnswered ? undefined : await this.#tunnel?.lastWords());
    }
  }

  /** What a stream brings. One that is cut off is the engine's trouble, and no mistake of ours. */
  async *whole<T>(doing: string, stream: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* stream;
    } catch (error) {
      throw this.translate(doing, error);
    }
  }

  /** HAProxy takes addresses, not names, for servers that are added while it runs. */
  async remoteAddress(): Promise<string> {
    if (this.remoteHost === undefined) return '127.0.0.1';
    try {
      return (await lookup(this.remoteHost, { family: 4 })).address;
    } catch (error) {
      throw this.unavailable(`has a host name that does not resolve: ${messageOf(error)}`, error);
    }
  }

  unavailable(what: string, cause?: unknown): SlipwayError {
    return new SlipwayError('engine_unavailable', `the Docker Engine ${what}`, {
      ...this.#where(),
      hint:
        this.#name === undefined
          ? 'check that the engine runs and that DOCKER_HOST names it, then try again'
          : `what is wrong with it: slipway hosts:check ${this.#name}; to go on without it: slipway hosts:cordon ${this.#name}`,
      temporary: true,
      cause,
    });
  }

  translate(doing: string, error: unknown, words?: string): SlipwayError {
    if (error instanceof SlipwayError) return error;
    if (statusOf(error) === undefined) {
      const message = messageOf(error);
      const why = words === undefined || message.includes(words) ? message : `${message} (${words})`;
      return this.unavailable(`cannot be reached: ${why}`, error);
    }
    return new SlipwayError(
      'engine_unavailable',
      `the Docker Engine refused to ${doing}: ${refusalOf(error)}`,
      { ...this.#where(), cause: error },
    );
  }

  /** A host is called by its name, which who asked it puts in front; DOCKER_HOST has no other name than its address. */
  #where(): { readonly where?: string } {
    return this.#name === undefined ? { where: this.dockerHost } : {};
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The HTTP status of the engine's refusal, or undefined when it was not reached at all. */
export function statusOf(error: unknown): number | undefined {
  const source = error instanceof SlipwayError ? error.cause : error;
  return source instanceof EngineRefusal ? source.statusCode : undefined;
}

/** The engine's own words. */
export function refusalOf(error: unknown): string {
  return messageOf(error instanceof SlipwayError ? error.cause : error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

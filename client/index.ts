/** The client of the API: one call for every route, typed by the routes' descriptions, and following the output of a build. */
import { serverSentEvents } from './event-stream.js';
import type { Build, Problem, Routes } from './types.js';

export type * from './types.js';

export interface ClientOptions {
  /** Of the platform; what stands behind the host is kept. */
  readonly url: string;
  readonly token: string | undefined;
  readonly fetch?: typeof fetch;
}

/** What every call may have besides what its route takes. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** With the same key a request that deploys is carried out once. */
  readonly idempotencyKey?: string;
}

type Taken<Route extends keyof Routes> = Pick<
  Routes[Route],
  Extract<keyof Routes[Route], 'params' | 'query' | 'body'>
>;
/** Options that may be left out, may be left out. */
type Arguments<Route extends keyof Routes> =
  Record<never, never> extends Taken<Route>
    ? [options?: Taken<Route> & CallOptions]
    : [options: Taken<Route> & CallOptions];

interface AnyTaken extends CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/** What the platform said went wrong (RFC 9457). */
export class SlipwayProblem extends Error {
  readonly code: Problem['code'] | undefined;
  readonly status: number;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(status: number, { detail, code, where, hint }: Partial<Problem>) {
    super(detail ?? `HTTP ${status}`);
    this.name = 'SlipwayProblem';
    this.status = status;
    this.code = code;
    this.where = where;
    this.hint = hint;
  }
}

/** How often in a row a cut connection is made anew, and how long is waited for it at most. */
const RETRIES = 30;
const RETRY_MS = 2000;

export class SlipwayClient {
  readonly #base: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;

  constructor({ url, token, fetch = globalThis.fetch }: ClientOptions) {
    this.#base = url.replace(/\/+$/, '');
    this.#token = token;
    this.#fetch = fetch;
  }

  /** `'GET /v1/apps/{app}'`. JSON comes as it is described, everything else as text. Throws {@link SlipwayProblem}. */
  async call<Route extends keyof Routes>(
    route: Route,
    ...[options]: Arguments<Route>
  ): Promise<Routes[Route]['answer']> {
    const answer = await this.#send(route, options ?? {});
    const isJson = answer.headers.get('content-type')?.startsWith('application/json') ?? false;
    return (isJson ? await answer.json() : await answer.text()) as Routes[Route]['answer'];
  }

  /**
   * The output of a build from a byte offset on, until the build ends; answers with it. A connection that is cut is made anew and goes
   * on at the exact byte. Throws the signal's reason, or {@link SlipwayProblem}.
   */
  async follow(
    app: string,
    id: string,
    onData: (data: Uint8Array) => void,
    { offset = 0, signal }: { readonly offset?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Build> {
    const params = { app, id };
    const options = { params, ...(signal === undefined ? {} : { signal }) };
    let at = offset;
    for (let failures = 0; ; failures += 1) {
      try {
        const answer = await this.#send('GET /v1/apps/{app}/builds/{id}/output/stream', options, {
          'last-event-id': String(at),
        });
        for await (const { name, data } of serverSentEvents(bytesOf(answer))) {
          if (name === 'end') return JSON.parse(data) as Build;
          if (name !== 'log') continue;
          const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
          at += bytes.length;
          failures = 0;
          onData(bytes);
        }
      } catch (thrown) {
        signal?.throwIfAborted();
        const isFinal = thrown instanceof SlipwayProblem && thrown.status < 500 && thrown.status !== 429;
        if (isFinal || failures >= RETRIES) throw thrown;
      }
      if (failures >= RETRIES) throw new Error(`the output of ${id} broke off at byte ${at}`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(RETRY_MS, 50 * 2 ** failures)));
    }
  }

  async #send(
    route: string,
    { params = {}, query = {}, body, signal, idempotencyKey }: AnyTaken,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const [method = '', path = ''] = route.split(' ');
    const url = new URL(
      this.#base + path.replaceAll(/{(\w+)}/g, (_, name) => encodeURIComponent(params[name] ?? '')),
    );
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const answer = await this.#fetch(url, {
      method,
      headers: {
        ...headers,
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (answer.ok) return answer;
    const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
    throw new SlipwayProblem(answer.status, problem);
  }
}

/** Not every browser's stream can be iterated. */
async function* bytesOf({ body }: Response): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

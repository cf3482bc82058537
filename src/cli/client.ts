/** Speaks the public HTTP API and nothing else. Errors of the API come back as they were thrown there. */

import type { BuildView } from '../api/views.js';
import { ERROR_CODES, type ErrorCode, SlipwayError } from '../errors.js';

const ANSWER_MS = 30_000;

export class ApiClient {
  readonly url: string;
  readonly #token: string;
  readonly #signal: AbortSignal | undefined;

  constructor(url: string, token: string, signal?: AbortSignal) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#signal = signal;
  }

  get<T>(path: string): Promise<T> {
    return this.#json('GET', path);
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#json('POST', path, body);
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#json('PATCH', path, body);
  }

  delete<T>(path: string): Promise<T> {
    return this.#json('DELETE', path);
  }

  /**
   * The build's log from a byte offset until the build ends; a cut connection resumes at the exact byte. Answers with the
   * build as it ended, or undefined when the signal ended it.
   */
  async follow(
    app: string,
    id: string,
    offset: number,
    onData: (data: Uint8Array) => void,
  ): Promise<BuildView | undefined> {
    let next = offset;
    for (let failures = 0; ; ) {
      if (this.#signal?.aborted) return undefined;
      try {
        const response = await this.#send(
          'GET',
          `/v1/apps/${app}/builds/${id}/output/stream?offset=${next}`,
          undefined,
          this.#signal,
        );
        for await (const event of serverSentEvents(response)) {
          failures = 0;
          if (event.name === 'end') return JSON.parse(event.data) as BuildView;
          if (event.name !== 'log') continue;
          const data = Buffer.from(event.data, 'base64');
          next += data.length;
          onData(data);
        }
      } catch (error) {
        if (this.#signal?.aborted) return undefined;
        if (error instanceof SlipwayError && !error.temporary) throw error;
        if (++failures > 30) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(2000, 100 * 2 ** failures)));
    }
  }

  /** All of a build's log that there is now, from `offset=N` on, in as many answers as it takes. */
  async readAll(path: string, query: string, onData: (data: Uint8Array) => void): Promise<void> {
    for (let at = query; ; ) {
      const response = await this.#send('GET', `${path}?${at}`, undefined, this.#signal);
      const data = new Uint8Array(await response.arrayBuffer());
      if (data.length === 0) return;
      onData(data);
      at = `offset=${response.headers.get('x-next-offset')}`;
    }
  }

  /** A stream of text, part by part, until it ends or the signal does. */
  async stream(path: string, onData: (data: Uint8Array) => void): Promise<void> {
    try {
      const response = await this.#send('GET', path, undefined, this.#signal);
      if (response.body === null) return;
      for await (const part of response.body as AsyncIterable<Uint8Array>) onData(part);
    } catch (error) {
      if (!this.#signal?.aborted) throw error;
    }
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const limit = AbortSignal.timeout(ANSWER_MS);
    const response = await this.#send(
      method,
      path,
      body,
      this.#signal === undefined ? limit : AbortSignal.any([limit, this.#signal]),
    );
    return (await response.json()) as T;
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      throw new SlipwayError('unavailable', `cannot reach ${this.url}`, {
        hint: 'is Slipway running there? `slipway login URL` chooses another platform',
        temporary: true,
        cause,
      });
    }
    if (response.ok) return response;
    throw await apiError(response);
  }
}

async function apiError(response: Response): Promise<SlipwayError> {
  const text = await response.text();
  let answer: { code?: string; message?: string; where?: string; hint?: string } = {};
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    // Not Slipway's answer: a proxy in between, or another service at that address.
  }
  const code: ErrorCode =
    answer.code !== undefined && answer.code in ERROR_CODES ? (answer.code as ErrorCode) : 'unavailable';
  return new SlipwayError(code, answer.message ?? `the platform answered with HTTP ${response.status}`, {
    ...(answer.where === undefined ? {} : { where: answer.where }),
    ...(answer.hint === undefined ? {} : { hint: answer.hint }),
    temporary: response.status >= 500,
  });
}

interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

/** HTML Living Standard, 9.2.6 "Interpreting an event stream"; lines end with LF here. */
async function* serverSentEvents(response: Response): AsyncGenerator<ServerSentEvent> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(part, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const fields = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      const field = (name: string): string =>
        fields
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join('\n');
      const data = field('data');
      if (data !== '') yield { name: field('event'), data };
    }
  }
}

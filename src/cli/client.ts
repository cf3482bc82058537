/** Speaks the public HTTP API and nothing else. Errors of the API come back as they were thrown there. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { serverSentEvents } from '../../client/event-stream.js';
import type { BuildView } from '../api/views.js';
import { sleep } from '../clock.js';
import { ERROR_CODES, type ErrorCode, SlipwayError } from '../errors.js';
import { ATTACH_PROTOCOL } from '../frames.js';
import { readText, send, type Upgraded, upgrade } from './http.js';

export interface ClientTimes {
  /** How long an answer may take, in ms. */
  readonly answerMs: number;
  /** A followed log is silent for at most this long, in ms: the server sends a sign of life every 15 s. */
  readonly silenceMs: number;
  /** The longest wait, in ms, before a connection that was cut is made anew. */
  readonly retryMs: number;
}

const TIMES: ClientTimes = { answerMs: 30_000, silenceMs: 45_000, retryMs: 2_000 };
/** About a minute: enough for a platform that is started again. */
const RETRIES = 30;

export class ApiClient {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #base: URL;
  readonly #token: string;
  readonly #signal: AbortSignal;
  readonly #times: ClientTimes;

  constructor(url: string, token: string, signal: AbortSignal, times: ClientTimes = TIMES) {
    this.url = url.replace(/\/+$/, '');
    this.#base = new URL(this.url);
    this.#token = token;
    this.#signal = signal;
    this.#times = times;
  }

  get<T>(path: string): Promise<T> {
    return this.#json('GET', path);
  }

  /** All of a list that comes in pages; `name` is what the items are called. */
  async list<T>(path: string, name: string): Promise<T[]> {
    const items: T[] = [];
    for (let cursor = ''; ; ) {
      const page = await this.get<Record<string, unknown>>(`${path}${cursor}`);
      items.push(...(page[name] as T[]));
      if (typeof page.next !== 'string') return items;
      cursor = `?cursor=${encodeURIComponent(page.next)}`;
    }
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#json('POST', path, body);
  }

  /** For what takes its time, with `answerMs` for the answer. */
  postSlowly<T>(path: string, body: unknown, answerMs: number): Promise<T> {
    return this.#json('POST', path, body, answerMs);
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#json('PATCH', path, body);
  }

  put<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#json('PUT', path, body);
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
    const path = `/v1/apps/${app}/builds/${id}/output/stream`;
    let next = offset;
    let failures = 0;
    while (!this.#signal.aborted) {
      try {
        const answer = await this.#send('GET', `${path}?offset=${next}`);
        answer.setTimeout(this.#times.silenceMs, () => answer.destroy(new Error('silence')));
        for await (const event of serverSentEvents(answer)) {
          if (event.name === 'end') return JSON.parse(event.data) as BuildView;
          if (event.name !== 'log') continue;
          const data = Buffer.from(event.data, 'base64');
          next += data.length;
          failures = 0;
          onData(data);
        }
      } catch (error) {
        if (this.#signal.aborted) break;
        if (error instanceof SlipwayError && !error.temporary) throw error;
      }
      failures += 1;
      if (failures > RETRIES)
        throw new SlipwayError('unavailable', `the connection to ${this.url} was lost`, {
          hint: `build ${id} goes on without it; follow it with: slipway builds:output ${id} -f --offset ${next} -a ${app}`,
        });
      const wait = Math.min(this.#times.retryMs, 50 * 2 ** failures);
      await sleep(wait, this.#signal).catch(() => undefined);
    }
    return undefined;
  }

  /** All of a build's log that there is now, from a byte offset on, in as many answers as it takes. */
  async readAll(path: string, offset: string, onData: (data: Uint8Array) => void): Promise<void> {
    for (let at = offset; ; ) {
      const answer = await this.#send('GET', `${path}?offset=${encodeURIComponent(at)}`);
      let bytes = 0;
      await this.#read(answer, (data) => {
        bytes += data.length;
        onData(data);
      });
      if (bytes === 0) return;
      at = String(answer.headers['x-next-offset']);
    }
  }

  /** A stream of text, part by part, until it ends or the signal does; the answer to a body, when there is one. */
  async stream(path: string, onData: (data: Uint8Array) => void, body?: unknown): Promise<void> {
    try {
      await this.#read(await this.#send(body === undefined ? 'GET' : 'POST', path, body), onData);
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }

  /** A connection both ways; the caller destroys it. */
  async connect(path: string): Promise<Duplex> {
    let upgraded: Upgraded;
    try {
      const headers = { authorization: `Bearer ${this.#token}` };
      const wanted = { path, headers, answerMs: this.#times.answerMs, signal: this.#signal };
      upgraded = await upgrade(this.#base, wanted, ATTACH_PROTOCOL);
    } catch (cause) {
      throw this.#lost(`cannot reach ${this.url} (${reasonOf(cause)})`, cause);
    }
    if ('connection' in upgraded) return upgraded.connection;
    throw await apiError(this.url, upgraded.answer);
  }

  async #json<T>(
    method: string,
    path: string,
    body?: unknown,
    answerMs: number = this.#times.answerMs,
  ): Promise<T> {
    const answer = await this.#send(method, path, body, answerMs);
    answer.setTimeout(answerMs, () => answer.destroy(new Error('silence')));
    const chunks: Uint8Array[] = [];
    await this.#read(answer, (data) => chunks.push(data));
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
    } catch (cause) {
      throw new SlipwayError('unavailable', `${this.url} did not answer as Slipway does`, {
        hint: 'is this the address of a Slipway platform? `slipway login URL` chooses another',
        cause,
      });
    }
  }

  async #read(answer: IncomingMessage, onData: (data: Uint8Array) => void): Promise<void> {
    try {
      for await (const part of answer) onData(part as Uint8Array);
    } catch (cause) {
      throw this.#lost(`the connection to ${this.url} was lost`, cause);
    }
  }

  async #send(
    method: string,
    path: string,
    body?: unknown,
    answerMs: number = this.#times.answerMs,
  ): Promise<IncomingMessage> {
    let answer: IncomingMessage;
    try {
      answer = await send(this.#base, {
        method,
        path,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        answerMs,
        signal: this.#signal,
      });
    } catch (cause) {
      throw this.#lost(`cannot reach ${this.url} (${reasonOf(cause)})`, cause);
    }
    if (answer.statusCode === 200 || answer.statusCode === 201 || answer.statusCode === 202) return answer;
    throw await apiError(this.url, answer);
  }

  #lost(message: string, cause: unknown): SlipwayError {
    if (this.#signal.aborted) return new SlipwayError('cancelled', 'interrupted', { cause });
    return new SlipwayError('unavailable', message, {
      hint: 'is Slipway running there? `slipway login URL` chooses another platform',
      temporary: true,
      cause,
    });
  }
}

/** `ECONNREFUSED` says more than its sentence, and node leaves the sentence empty when it has tried several addresses. */
function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code ?? message;
}

async function apiError(url: string, answer: IncomingMessage): Promise<SlipwayError> {
  const status = answer.statusCode ?? 0;
  const { code, detail, where, hint } = fieldsOf(await readText(answer).catch(() => ''));
  if (code === undefined || detail === undefined) {
    // Not Slipway's answer: a proxy in between, or another service at that address.
    const { location } = answer.headers;
    return new SlipwayError('unavailable', `${url} answered with HTTP ${status}, not as Slipway does`, {
      hint:
        location === undefined
          ? 'is this the address of a Slipway platform? `slipway login URL` chooses another'
          : `it sends on to ${location}; if that is the platform, log in there: slipway login URL`,
      temporary: status >= 500,
    });
  }
  return new SlipwayError(code, detail, {
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
    temporary: status >= 500,
  });
}

/** Of problem details (RFC 9457). */
interface ErrorFields {
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly where?: string;
  readonly hint?: string;
}

function fieldsOf(text: string): ErrorFields {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const fields = ['code', 'detail', 'where', 'hint'].filter((name) => typeof body[name] === 'string');
    if (!Object.hasOwn(ERROR_CODES, String(body.code))) return {};
    return Object.fromEntries(fields.map((name) => [name, body[name]])) as ErrorFields;
  } catch {
    return {};
  }
}

/**
 * One HTTP exchange with a registry: the only place that opens a connection, and so the place of the push guard. Knows
 * time-outs, cancelling and streaming; knows nothing of authentication, redirects or retries.
 */
import { createReadStream } from 'node:fs';
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { SlipwayError } from '../errors.js';
import { type Asked, connectionFault } from './faults.js';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Read anew by each try. */
export type UploadBody =
  | { readonly bytes: Buffer }
  | { readonly file: string; readonly offset: number; readonly sizeBytes: number };

export interface WireRequest {
  readonly asked: Asked;
  readonly method: Method;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: UploadBody | undefined;
  readonly idleMs: number;
  /** Between the last byte of the body and the answer. */
  readonly answerMs: number;
  readonly totalMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onSent?: ((bytes: number) => void) | undefined;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as it arrives; can be read once. Time spent by the reader does not count as idle. */
  readonly chunks: AsyncIterable<Buffer>;
}

export class Wire {
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: 16 }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: 16 }),
  };
  readonly #writable: ReadonlySet<string>;

  /** `writable`: origins (`http://127.0.0.1:5000`) that may be sent anything but GET and HEAD. */
  constructor(writable: ReadonlySet<string>) {
    this.#writable = writable;
  }

  mayWriteTo(origin: URL): boolean {
    return this.#writable.has(origin.origin);
  }

  close(): void {
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }

  /**
   * Sends the request and passes the answer to `read`, within which its body must be read; everything is freed when
   * `read` ends. Throws a RegistryFault when the connection fails or is silent, the signal's reason when it is aborted,
   * `registry_push_not_allowed`, or what `read` throws.
   */
  async exchange<T>(request: WireRequest, read: (answer: WireAnswer) => Promise<T>): Promise<T> {
    this.#guard(request);
    request.signal?.throwIfAborted();
    const [client, agent] =
      request.url.protocol === 'https:' ? [https, this.#agents['https:']] : [http, this.#agents['http:']];
    const outgoing = client.request(request.url, {
      method: request.method,
      headers: { ...request.headers, ...bodyHeaders(request) },
      agent,
    });
    const watch = new Watch(request, outgoing);
    let answered = false;
    try {
      const message = await watch.answer();
      answered = true;
      return await read({
        status: message.statusCode ?? 0,
        headers: message.headers,
        chunks: watch.chunks(message),
      });
    } catch (error) {
      if (watch.stopped !== undefined) throw watch.stopped.reason;
      if (error instanceof SlipwayError || !watch.broke(error)) throw error;
      throw connectionFault(error, request.asked, outgoing.reusedSocket && !answered);
    } finally {
      watch.release();
    }
  }

  /** The push guard: nothing is written to a registry that the operator did not name. */
  #guard({ method, url, asked }: WireRequest): void {
    if (method === 'GET' || method === 'HEAD' || this.mayWriteTo(url)) return;
    throw pushNotAllowed(url.host, asked.where);
  }
}

export function pushNotAllowed(host: string, where: string): SlipwayError {
  return new SlipwayError('registry_push_not_allowed', `pushing to the registry ${host} is not allowed`, {
    where,
    hint: 'to allow it, add it to SLIPWAY_PUSH_REGISTRIES',
  });
}

function bodyHeaders({ body, method }: WireRequest): Record<string, string> {
  if (body === undefined) return method === 'GET' || method === 'HEAD' ? {} : { 'content-length': '0' };
  return { 'content-length': String('bytes' in body ? body.bytes.length : body.sizeBytes) };
}

/** The clocks and the end of one exchange. */
class Watch {
  readonly #request: WireRequest;
  readonly #outgoing: ClientRequest;
  readonly #total: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#stop(this.#request.signal?.reason);
  #idle: NodeJS.Timeout | undefined;
  #message: IncomingMessage | undefined;
  readonly #transport = new Set<unknown>();
  stopped: { readonly reason: unknown } | undefined;

  constructor(request: WireRequest, outgoing: ClientRequest) {
    this.#request = request;
    this.#outgoing = outgoing;
    this.#total = setTimeout(
      () => this.#timedOut(`it was not finished after ${request.totalMs / 1000} s`),
      request.totalMs,
    );
    this.#wait(request.idleMs);
    request.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Did the connection fail with this error, as opposed to its reader? */
  broke(error: unknown): boolean {
    return (
      this.#transport.has(error) || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
    );
  }

  answer(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      // Stays on: a socket may fail again after the answer, and an error without a listener ends the process.
      this.#outgoing.on('error', (error) => {
        this.#transport.add(error);
        reject(error);
      });
      this.#outgoing.once('response', (message) => {
        this.#message = message;
        message.on('error', (error) => this.#transport.add(error));
        resolve(message);
      });
      this.#send();
    });
  }

  async *chunks(message: IncomingMessage): AsyncGenerator<Buffer> {
    this.#wait(this.#request.idleMs);
    for await (const chunk of message) {
      this.#pause();
      yield chunk as Buffer;
      this.#wait(this.#request.idleMs);
    }
    this.#pause();
  }

  release(): void {
    this.#pause();
    clearTimeout(this.#total);
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
    // Only a connection whose both directions are at their end can carry another request.
    if (this.#message?.complete && this.#outgoing.writableFinished) this.#message.resume();
    else this.#outgoing.destroy();
  }

  #send(): void {
    const { body } = this.#request;
    if (body === undefined || 'bytes' in body || body.sizeBytes === 0) {
      const bytes = body !== undefined && 'bytes' in body ? body.bytes : undefined;
      this.#outgoing.end(bytes, () => this.#sent(bytes?.length ?? 0));
      return;
    }
    const { file, offset, sizeBytes } = body;
    const source = createReadStream(file, {
      start: offset,
      end: offset + sizeBytes - 1,
      highWaterMark: 256 * 1024,
    });
    let left = sizeBytes;
    source.on('data', (chunk) => {
      left -= chunk.length;
      this.#wait(this.#request.idleMs);
      this.#request.onSent?.(chunk.length);
    });
    source.on('error', (error) => this.#stop(error));
    source.on('end', () => {
      // Else the registry would wait for the rest until a time-out.
      if (left > 0) this.#stop(new SlipwayError('layer_missing', `${file} became shorter while it was sent`));
    });
    this.#outgoing.once('close', () => source.destroy());
    this.#outgoing.once('finish', () => this.#wait(this.#request.answerMs));
    source.pipe(this.#outgoing);
  }

  #sent(bytes: number): void {
    if (bytes > 0) this.#request.onSent?.(bytes);
    if (this.#message === undefined) this.#wait(this.#request.answerMs);
  }

  #wait(ms: number): void {
    this.#pause();
    if (this.stopped === undefined)
      this.#idle = setTimeout(() => this.#timedOut(`it was silent for ${ms / 1000} s`), ms);
  }

  #pause(): void {
    clearTimeout(this.#idle);
  }

  #timedOut(why: string): void {
    this.#stop(connectionFault(new Error(why), this.#request.asked, false));
  }

  #stop(reason: unknown): void {
    this.stopped ??= { reason };
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#message?.destroy(error);
    this.#outgoing.destroy(error);
  }
}

/** A whole body, or undefined when it is larger than `maxBytes`. */
export async function readAll(chunks: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return undefined;
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

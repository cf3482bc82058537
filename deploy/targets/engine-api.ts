/**
 * The Docker Engine's HTTP API (https://docs.docker.com/engine/api/): one request per connection over its socket, documents
 * as JSON, streams as they are. What the calls mean is for targets/docker.ts. The packages that speak it bring SSH and gRPC along,
 * which took 25 MB of a deployer's memory.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as requestOverTls } from 'node:https';
import type { Socket } from 'node:net';
import { type Duplex, pipeline, type Readable } from 'node:stream';

export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number; readonly tls?: TlsFiles };

/** PEM: who may sign the engine's certificate, and what we show it. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface EngineRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Without the query. Ids and references hold only characters that a path may have. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it comes, instead of a body. */
  readonly upload?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** The engine answered, and not with a success. */
export class EngineRefusal extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** The engine's words for a refusal are short. */
const REFUSAL_BYTES = 64 * 1024;
/** A machine that is off does not answer at all; one in the same country does within a tenth of this. */
const CONNECT_MS = 5_000;
/** A silent connection, as that of the events, is asked after this; ten times without an answer, once a second, end it. */
const KEEP_ALIVE_MS = 5_000;

export class EngineApi {
  readonly #address: EngineAddress;

  constructor(address: EngineAddress) {
    this.#address = address;
  }

  /** The document of the answer; undefined when there is none. */
  async json<T>(asked: EngineRequest): Promise<T> {
    const text = (await this.bytes(asked)).toString('utf8');
    return (text.trim() === '' ? undefined : JSON.parse(text)) as T;
  }

  async bytes(asked: EngineRequest): Promise<Buffer> {
    return readAll(await this.stream(asked));
  }

  /** The answer's body as it comes. Throws {@link EngineRefusal}, or what the connection says. */
  async stream(asked: EngineRequest): Promise<IncomingMessage> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = this.#request(asked);
      sent.on('response', resolve);
      sent.on('error', reject);
    });
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    throw await refusal(answer);
  }

  /** The connection itself, both ways ("hijacking"). The signal ends only the asking. Throws as `stream` does. */
  async connection({ signal, ...asked }: EngineRequest): Promise<Duplex> {
    signal?.throwIfAborted();
    const sent = this.#request({ ...asked, headers: { connection: 'Upgrade', upgrade: 'tcp' } });
    const giveUp = (): void => void sent.destroy(signal?.reason as Error);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      return await new Promise<Duplex>((resolve, reject) => {
        sent.on('upgrade', (_answer, socket, head) => {
          if (head.length > 0) socket.unshift(head);
          resolve(socket);
        });
        sent.on('response', (answer) => void refusal(answer).then(reject, reject));
        sent.on('error', reject);
      });
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  #request(asked: EngineRequest): ClientRequest {
    const { method = 'GET', path, query = {}, body, upload, headers, signal } = asked;
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) search.set(name, String(value));
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const { tls, ...address } = { tls: undefined, ...this.#address };
    const sent = (tls === undefined ? request : requestOverTls)({
      ...address,
      ...tls,
      method,
      path: search.size === 0 ? path : `${path}?${search}`,
      agent: false,
      headers: {
        ...headers,
        ...(upload !== undefined
          ? { 'content-type': 'application/x-tar' }
          : payload === undefined
            ? { 'content-length': '0' }
            : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
      },
      ...(signal === undefined ? {} : { signal }),
    });
    sent.on('socket', (socket) => watchConnection(socket, tls === undefined ? 'connect' : 'secureConnect'));
    if (upload === undefined) sent.end(payload);
    // Its trouble ends the request, and is what the request fails with.
    else pipeline(upload, sent, () => undefined);
    return sent;
  }
}

async function refusal(answer: IncomingMessage): Promise<EngineRefusal> {
  const words = (await readAll(answer, REFUSAL_BYTES)).toString('utf8');
  return new EngineRefusal(answer.statusCode ?? 0, wordsOf(words));
}

/** Without this the kernel tries to connect for two minutes, and waits for ever on what is connected. */
function watchConnection(socket: Socket, connected: 'connect' | 'secureConnect'): void {
  const late = setTimeout(
    () => socket.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)),
    CONNECT_MS,
  );
  const done = (): void => clearTimeout(late);
  socket.once(connected, done).once('close', done);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

async function readAll(answer: IncomingMessage, maxBytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `{"message": "…"}` */
function wordsOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // A proxy's page, or nothing.
  }
  return text.trim().slice(0, 500);
}

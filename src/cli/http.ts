/** One HTTP request. Not `fetch`: that ends a followed log after five silent minutes, and takes longer to load. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long the head of the answer may take, in ms. */
  readonly answerMs: number;
  readonly signal?: AbortSignal;
}

type Request = (options: RequestOptions, onAnswer?: (answer: IncomingMessage) => void) => ClientRequest;

/** A probe so often, in ms, finds out that the other side is gone when nothing else would. */
const KEEP_ALIVE_MS = 30_000;

/** What an upgrade came to: the connection, or the answer that refused it. */
export type Upgraded = { readonly connection: Duplex } | { readonly answer: IncomingMessage };

/** A connection both ways. Rejects as `send` does; once it is there the signal is the caller's. */
export async function upgrade(
  base: URL,
  wanted: Omit<HttpRequest, 'method' | 'body'>,
  protocol: string,
): Promise<Upgraded> {
  const request = await requestOf(base);
  const { signal } = wanted;
  const headers = { ...wanted.headers, connection: 'Upgrade', upgrade: protocol };
  const asked = request({ ...optionsOf(base, { ...wanted, method: 'GET', headers }), agent: false });
  const giveUp = (error: Error): void => void asked.destroy(error);
  const onAbort = (): void => giveUp(new Error('interrupted'));
  const timer = setTimeout(
    () => giveUp(new Error(`no answer within ${wanted.answerMs / 1000} s`)),
    wanted.answerMs,
  );
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      asked.on('upgrade', (_answer, connection, head) => {
        connection.setKeepAlive(true, KEEP_ALIVE_MS);
        connection.setNoDelay(true);
        if (head.length > 0) connection.unshift(head);
        resolve({ connection });
      });
      asked.on('response', (answer) => resolve({ answer }));
      asked.on('error', reject);
      asked.end();
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The answer with its body still to come. Rejects with node's own error when there is none, or the signal is aborted. */
export async function send(base: URL, wanted: HttpRequest): Promise<IncomingMessage> {
  const request = await requestOf(base);
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      ...optionsOf(base, wanted),
      ...(wanted.signal === undefined ? {} : { signal: wanted.signal }),
    };
    const asked = request(options, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    const timer = setTimeout(
      () => asked.destroy(new Error(`no answer within ${wanted.answerMs / 1000} s`)),
      wanted.answerMs,
    );
    asked.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    asked.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    asked.end(wanted.body);
  });
}

function optionsOf(
  base: URL,
  { method, path, headers, body }: Omit<HttpRequest, 'answerMs'>,
): RequestOptions {
  return {
    host: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port,
    method,
    path: `${base.pathname.replace(/\/+$/, '')}${path}`,
    headers: {
      ...headers,
      host: base.host,
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    },
  };
}

export async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Only what is spoken is loaded. */
async function requestOf({ protocol }: URL): Promise<Request> {
  return protocol === 'https:' ? (await import('node:https')).request : (await import('node:http')).request;
}

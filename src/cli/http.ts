/** One HTTP request. Not `fetch`: that ends a followed log after five silent minutes, and takes longer to load. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long the head of the answer may take, in ms. */
  readonly answerMs: number;
  readonly signal?: AbortSignal;
}

type Request = (options: RequestOptions, onAnswer: (answer: IncomingMessage) => void) => ClientRequest;

/** A probe so often, in ms, finds out that the other side is gone when nothing else would. */
const KEEP_ALIVE_MS = 30_000;

/** The answer with its body still to come. Rejects with node's own error when there is none, or the signal is aborted. */
export async function send(base: URL, wanted: HttpRequest): Promise<IncomingMessage> {
  const request = await requestOf(base);
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      host: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port,
      method: wanted.method,
      path: `${base.pathname.replace(/\/+$/, '')}${wanted.path}`,
      headers: {
        ...wanted.headers,
        host: base.host,
        ...(wanted.body === undefined ? {} : { 'content-length': Buffer.byteLength(wanted.body) }),
      },
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

export async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Only what is spoken is loaded. */
async function requestOf({ protocol }: URL): Promise<Request> {
  return protocol === 'https:' ? (await import('node:https')).request : (await import('node:http')).request;
}

/** One look at a port: does something answer, and does it speak HTTP? What that means for a rollout is for checks.ts. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { isErrno } from '../src/errors.js';
import type { Address } from './names.js';

export interface Answer {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As much of it as was asked for. */
  readonly body: string;
}

export type Probe =
  | Answer
  /** It took the connection and said something that is not HTTP. */
  | { readonly kind: 'other-protocol' }
  /** It took the connection and closed it without a word, or in the middle of what was asked for. */
  | { readonly kind: 'closed' }
  /** It took the connection and did not say all in time. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'unreachable'; readonly why: string };

export interface ProbeOptions {
  /** The Host header, as the app will see it from the edge. */
  readonly host: string;
  readonly path?: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How much of the body is wanted; by default nothing. */
  readonly bodyBytes?: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** GET, without following redirects. Never rejects; an aborted probe is `unreachable`. */
export function probe(
  address: Address,
  { host, path = '/', headers = {}, bodyBytes = 0, timeoutMs, signal }: ProbeOptions,
): Promise<Probe> {
  return new Promise((resolve) => {
    let connected = false;
    const sent = { host, 'user-agent': 'slipway-check', accept: '*/*', ...headers };
    const call = request({ ...address, path, method: 'GET', headers: sent, agent: false });
    const finish = (result: Probe): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      call.destroy();
      resolve(result);
    };
    const onAbort = (): void => finish({ kind: 'unreachable', why: 'the check was stopped' });
    const timer = setTimeout(
      () => finish(connected ? { kind: 'silent' } : { kind: 'unreachable', why: 'the connection timed out' }),
      timeoutMs,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    call.on('socket', (socket) =>
      socket.once('connect', () => {
        connected = true;
      }),
    );
    call.on('response', (response) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      const answered = (): void => {
        const body = Buffer.concat(chunks).subarray(0, bodyBytes).toString('utf8');
        finish({ kind: 'answered', status: response.statusCode ?? 0, headers: response.headers, body });
      };
      if (bodyBytes === 0) return answered();
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        sizeBytes += chunk.length;
        if (sizeBytes >= bodyBytes) answered();
      });
      response.once('end', answered);
      response.once('error', () => finish({ kind: 'closed' }));
    });
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('HPE_')) return finish({ kind: 'other-protocol' });
      if (connected && !isErrno(error, 'ECONNREFUSED')) return finish({ kind: 'closed' });
      return finish({
        kind: 'unreachable',
        why: error.code === 'ECONNREFUSED' ? 'nothing listens there' : error.message,
      });
    });
    call.end();
    if (signal.aborted) onAbort();
  });
}

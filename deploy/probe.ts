/** One look at a port: does something answer, and does it speak HTTP? What that means for a rollout is for checks.ts. */
import { request } from 'node:http';
import { isErrno } from '../src/errors.js';
import type { Address } from './names.js';

export type Probe =
  | { readonly kind: 'answered'; readonly status: number }
  /** It took the connection and said something that is not HTTP. */
  | { readonly kind: 'other-protocol' }
  /** It took the connection and closed it without a word. */
  | { readonly kind: 'closed' }
  /** It took the connection and said nothing in time. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'unreachable'; readonly why: string };

export interface ProbeOptions {
  /** The Host header, as the app will see it from the edge. */
  readonly host: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** GET /, without following redirects. Never rejects; an aborted probe is `unreachable`. */
export function probe(address: Address, { host, timeoutMs, signal }: ProbeOptions): Promise<Probe> {
  return new Promise((resolve) => {
    let connected = false;
    const headers = { host, 'user-agent': 'slipway-check', accept: '*/*' };
    const call = request({ ...address, path: '/', method: 'GET', headers, agent: false });
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
    call.on('response', (response) => finish({ kind: 'answered', status: response.statusCode ?? 0 }));
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

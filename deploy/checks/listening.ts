/** A look by a connection: a port that takes it. */
import { connect } from 'node:net';
import { DEFAULT_TIMEOUT, type ListeningCheck } from '../../src/model/check.js';
import type { Address } from '../names.js';
import { addressOf, type Checked } from './checked.js';
import type { Seen } from './in-a-row.js';

/** The engine's proxy of a published port takes any connection, and closes it at once when nobody listens behind it. */
const STAYS_OPEN_MS = 300;

export async function lookByConnection(
  checked: Checked,
  { port = checked.found.port, timeout = DEFAULT_TIMEOUT }: ListeningCheck,
  timeoutMs: number,
): Promise<Seen> {
  const address = await addressOf(checked, port);
  if (address === undefined) return { isGood: false, what: 'the container has no address yet' };
  // Not less where our own end cuts a look short: that would take the proxy for the app.
  const staysOpenMs = checked.target.publishes ? Math.min(STAYS_OPEN_MS, (timeout * 1000) / 2) : 0;
  return connection(address, { port, timeoutMs, staysOpenMs, signal: checked.signal });
}

interface ConnectionOptions {
  /** The container's. */
  readonly port: number;
  readonly timeoutMs: number;
  /** It must not be closed by the other side for so long, unless that says something first. */
  readonly staysOpenMs: number;
  readonly signal: AbortSignal;
}

function connection(
  address: Address,
  { port, timeoutMs, staysOpenMs, signal }: ConnectionOptions,
): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const timers: NodeJS.Timeout[] = [];
    const finish = (seen: Seen): void => {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(seen);
    };
    const good = (): void => finish({ isGood: true, what: `port ${port} takes connections` });
    const bad = (why: string, isLate = false): void =>
      finish({ isGood: false, what: `nothing listens on port ${port} (${why})`, isLate });
    const onAbort = (): void => bad('the check was stopped');
    timers.push(setTimeout(() => bad('the connection timed out', true), timeoutMs));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      if (staysOpenMs === 0) good();
      else timers.push(setTimeout(good, staysOpenMs));
    });
    socket.once('data', good);
    socket.once('end', () => bad('it closes connections at once'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      bad(error.code === 'ECONNREFUSED' ? 'nothing listens there' : error.message),
    );
    if (signal.aborted) onAbort();
  });
}

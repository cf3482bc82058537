/** A look by a connection: a port that takes it. */
import { connect } from 'node:net';
import type { ListeningCheck } from '../../src/model/check.js';
import type { Address } from '../names.js';
import { addressOf, type Checked } from './checked.js';
import type { Seen } from './in-a-row.js';

/** The engine's proxy of a published port takes any connection, and closes it at once when nobody listens behind it. */
const STAYS_OPEN_MS = 300;

export async function lookByConnection(
  checked: Checked,
  { port = checked.found.port }: ListeningCheck,
  timeoutMs: number,
): Promise<Seen> {
  const address = await addressOf(checked, port);
  if (address === undefined) return { isGood: false, what: 'the container has no address yet' };
  const staysOpenMs = checked.target.publishes ? Math.min(STAYS_OPEN_MS, timeoutMs / 2) : 0;
  const fault = await connectionFault(address, { timeoutMs, staysOpenMs, signal: checked.signal });
  return fault === undefined
    ? { isGood: true, what: `port ${port} takes connections` }
    : { isGood: false, what: `nothing listens on port ${port} (${fault})` };
}

interface ConnectionOptions {
  readonly timeoutMs: number;
  /** It must not be closed by the other side for so long, unless that says something first. */
  readonly staysOpenMs: number;
  readonly signal: AbortSignal;
}

/** Undefined when there is none. */
function connectionFault(
  address: Address,
  { timeoutMs, staysOpenMs, signal }: ConnectionOptions,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const timers: NodeJS.Timeout[] = [];
    const finish = (fault?: string): void => {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(fault);
    };
    const onAbort = (): void => finish('the check was stopped');
    timers.push(setTimeout(() => finish('the connection timed out'), timeoutMs));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      if (staysOpenMs === 0) finish();
      else timers.push(setTimeout(() => finish(), staysOpenMs));
    });
    socket.once('data', () => finish());
    socket.once('end', () => finish('it closes connections at once'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      finish(error.code === 'ECONNREFUSED' ? 'nothing listens there' : error.message),
    );
    if (signal.aborted) onAbort();
  });
}

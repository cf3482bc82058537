/** A command elsewhere as if it ran here: its output, our input, the size of the terminal, ^C, and its exit code as ours. */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { AttachedMessage } from '../api/one-off-views.js';
import { ERROR_CODES, type ErrorCode, SlipwayError } from '../errors.js';
import { FRAME, frame, messageFrame, readFrames, readMessage } from '../frames.js';
import type { OutputStreams } from './output.js';
import { EXIT, type Input } from './usage.js';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Here {
  readonly stdin: Input;
  readonly streams: OutputStreams;
  readonly signal: AbortSignal;
  /** Whether the command has a terminal. */
  readonly hasTerminal: boolean;
  readonly onStarted: (started: NonNullable<AttachedMessage['started']>) => void;
  readonly onExit?: (exit: NonNullable<AttachedMessage['exit']>) => void;
  /** What ends with a lost connection, and what to do then; by default a command. */
  readonly lost?: { readonly what: string; readonly hint: string };
}

const COMMAND = { what: 'command', hint: 'what is to outlive a connection: slipway run:detached' } as const;

type Screen = NodeJS.WritableStream & Partial<TerminalSize> & { readonly isTTY?: boolean };

/** Also of what is none, for a command that is to have one all the same. */
export function terminalSize(out: Screen): TerminalSize {
  return { columns: out.columns || 80, rows: out.rows || 24 };
}

/** Resolves with the exit code. The other side says for how long: it gives a sign of life every 15 s. */
export async function beAttached(
  connection: Duplex,
  wish: object,
  { stdin, streams, signal, hasTerminal, onStarted, onExit, lost: ends = COMMAND }: Here,
): Promise<number> {
  const screen: Screen = streams.out;
  const isRaw = hasTerminal && stdin.isTTY === true && stdin.setRawMode !== undefined;
  const hangUp = (): void => void connection.destroy();
  const onResize = (): void => void connection.write(messageFrame({ resize: terminalSize(screen) }));
  signal.addEventListener('abort', hangUp, { once: true });
  connection.on('error', hangUp);
  const input = new AbortController();
  try {
    if (signal.aborted) return EXIT.interrupted;
    connection.write(messageFrame(wish));
    if (isRaw) stdin.setRawMode?.(true);
    if (hasTerminal) screen.on('resize', onResize);
    void passInput(stdin, connection, input.signal);
    for await (const { kind, data } of readFrames(connection as AsyncIterable<Buffer>)) {
      if (kind === FRAME.output) await write(streams.out, data);
      else if (kind === FRAME.errors) await write(streams.err, data);
      else if (kind === FRAME.message) {
        const { started, exit, error } = readMessage(data) as AttachedMessage;
        if (started !== undefined) onStarted(started);
        if (error !== undefined) throw failure(error);
        if (exit === undefined) continue;
        onExit?.(exit);
        return exit.code;
      }
    }
    if (signal.aborted) return EXIT.interrupted;
    throw lost(ends);
  } catch (thrown) {
    if (signal.aborted) return EXIT.interrupted;
    throw thrown instanceof SlipwayError ? thrown : lost(ends, thrown);
  } finally {
    input.abort();
    signal.removeEventListener('abort', hangUp);
    screen.off('resize', onResize);
    if (isRaw) stdin.setRawMode?.(false);
    connection.destroy();
    // Open, it would keep this process.
    stdin.destroy();
  }
}

/** To its end, which is passed on as well. */
async function passInput(stdin: Input, connection: Duplex, over: AbortSignal): Promise<void> {
  const send = async (data: Uint8Array): Promise<void> => {
    if (connection.destroyed || connection.write(frame(FRAME.input, data))) return;
    await once(connection, 'drain', { signal: over }).catch(() => undefined);
  };
  try {
    for await (const data of stdin as AsyncIterable<Uint8Array>) {
      // Whatever has more to say is not listened to.
      if (connection.destroyed) return;
      if (data.length > 0) await send(Buffer.from(data));
    }
    if (!over.aborted) await send(new Uint8Array());
  } catch {
    // It was closed under us, or cannot be read.
  }
}

async function write(stream: NodeJS.WritableStream, data: Buffer): Promise<void> {
  if (!stream.write(data)) await once(stream, 'drain');
}

function failure({ code, message, where, hint }: NonNullable<AttachedMessage['error']>): SlipwayError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'unavailable';
  const details = { ...(where === undefined ? {} : { where }), ...(hint === undefined ? {} : { hint }) };
  return new SlipwayError(known, message, details);
}

function lost({ what, hint }: NonNullable<Here['lost']>, cause?: unknown): SlipwayError {
  return new SlipwayError(
    'unavailable',
    `the connection to the ${what} was lost, and the ${what} ends with it`,
    { hint, temporary: true, cause },
  );
}

/**
 * The conversation with whoever is attached to a command: its first message says what to run; then input and sizes of the terminal go
 * one way, output and at last the exit code the other (src/frames.ts). It ends with the command or with the connection, and what was
 * opened is always released.
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { type AttachedMessage, TerminalSize } from '../src/api/one-off-views.js';
import { SlipwayError, toSlipwayError } from '../src/errors.js';
import { FRAME, type Frame, frame, messageFrame, readFrames, readMessage } from '../src/frames.js';
import type { Logger } from '../src/log.js';
import type { TerminalSize as Size } from './targets/attach.js';

/** For the first message. */
const WISH_MS = 30_000;
/** A sign of life so often: a connection that is gone is noticed, and no proxy takes a silent one for dead. */
const PING_MS = 15_000;
/** ^C and ^D: what is left of hanging up, for a shell that the engine would not end. */
const HANG_UP: Buffer = Buffer.from([3, 4]);

export interface Attached {
  readonly started: NonNullable<AttachedMessage['started']>;
  readonly stream: Duplex;
  readonly hasTerminal: boolean;
  resize(size: Size): Promise<void>;
  /** Asked when the stream has ended. */
  exit(): Promise<NonNullable<AttachedMessage['exit']>>;
  release(): Promise<void>;
}

/** `open` is told by the signal that nobody waits any more. Resolves when everything is released; never rejects. */
export async function converse(
  client: Duplex,
  log: Logger,
  open: (wish: unknown, signal: AbortSignal) => Promise<Attached>,
): Promise<void> {
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  const tell = (message: AttachedMessage): Promise<void> => send(client, messageFrame(message), gone.signal);
  const ping = setInterval(() => {
    if (!client.writableNeedDrain && !client.writableEnded) client.write(messageFrame({}));
  }, PING_MS);
  let attached: Attached | undefined;
  try {
    const frames = readFrames(client.iterator({ destroyOnReturn: false }));
    const wish = await firstMessage(frames, client);
    // Reads on at once: who goes away while the image is pulled is noticed.
    const incoming = new Incoming(frames, gone);
    attached = await open(wish, gone.signal);
    gone.signal.throwIfAborted();
    incoming.passTo(attached);
    await tell({ started: attached.started });
    await passOutput(attached, client, gone.signal);
    await tell({ exit: await attached.exit() });
  } catch (thrown) {
    const { code, message, where, hint } = toSlipwayError(thrown);
    const details = { ...(where === undefined ? {} : { where }), ...(hint === undefined ? {} : { hint }) };
    const error =
      code === 'internal'
        ? {
            code: 'unavailable',
            message: 'the deployer failed',
            hint: 'the operator finds the reason in its log',
          }
        : { code, message, ...details };
    if (gone.signal.aborted) return;
    if (code === 'internal') log.error({ err: thrown }, 'an attached command failed');
    await tell({ error });
  } finally {
    clearInterval(ping);
    client.end();
    attached?.stream.destroy();
    await attached?.release();
    // Whoever reads nothing of the end is not waited for.
    setTimeout(() => client.destroy(), WISH_MS).unref();
  }
}

async function firstMessage(frames: AsyncGenerator<Frame>, client: Duplex): Promise<unknown> {
  const late = setTimeout(() => client.destroy(), WISH_MS);
  try {
    const { value } = await frames.next();
    if (value?.kind === FRAME.message) return readMessage(value.data);
    throw new SlipwayError('bad_request', 'the first message must say what to run');
  } finally {
    clearTimeout(late);
  }
}

/** What comes from the client, in its order. Its end, or what is no frame, is taken for its going. */
class Incoming {
  #attached: (attached: Attached) => void = () => undefined;
  readonly #ready = new Promise<Attached>((resolve) => {
    this.#attached = resolve;
  });

  constructor(frames: AsyncGenerator<Frame>, gone: AbortController) {
    void this.#read(frames, gone.signal)
      .catch(() => undefined)
      .finally(() => gone.abort());
  }

  passTo(attached: Attached): void {
    this.#attached(attached);
  }

  async #read(frames: AsyncGenerator<Frame>, gone: AbortSignal): Promise<void> {
    let attached: Attached | undefined;
    for (;;) {
      const next = await frames.next();
      if (next.done === true) return;
      const { kind, data } = next.value;
      attached ??= await Promise.race([this.#ready, whenAborted(gone)]);
      const { stream } = attached;
      if (kind === FRAME.message) {
        const size = TerminalSize.safeParse(readMessage(data).resize);
        // A command that is over has no size any more.
        if (size.success) await attached.resize(size.data).catch(() => undefined);
      } else if (kind === FRAME.input && !stream.destroyed && !stream.writableEnded) {
        if (data.length === 0) stream.end();
        else await send(stream, data, gone);
      }
    }
  }
}

async function passOutput(
  { stream, hasTerminal }: Attached,
  client: Duplex,
  gone: AbortSignal,
): Promise<void> {
  const hangUp = (): void => {
    if (hasTerminal && stream.writable) stream.end(HANG_UP);
    else stream.destroy();
    setTimeout(() => stream.destroy(), 1000).unref();
  };
  gone.addEventListener('abort', hangUp, { once: true });
  try {
    if (hasTerminal) {
      for await (const data of stream as AsyncIterable<Buffer>)
        await send(client, frame(FRAME.output, data), gone);
    } else {
      for await (const { kind, data } of readFrames(stream as AsyncIterable<Buffer>))
        if (data.length > 0)
          await send(client, frame(kind === FRAME.errors ? FRAME.errors : FRAME.output, data), gone);
    }
  } catch (cause) {
    gone.throwIfAborted();
    if (cause instanceof SlipwayError) throw cause;
    throw new SlipwayError('engine_unavailable', 'the connection to the host was lost', {
      hint: 'see what runs: slipway run:list',
      temporary: true,
      cause,
    });
  } finally {
    gone.removeEventListener('abort', hangUp);
  }
  gone.throwIfAborted();
}

/** Waits for a reader that is slower than we are. */
async function send(stream: Duplex, data: Buffer, gone: AbortSignal): Promise<void> {
  if (stream.destroyed || stream.writableEnded || stream.write(data)) return;
  const closed = new AbortController();
  const onClose = (): void => closed.abort();
  stream.once('close', onClose);
  await once(stream, 'drain', { signal: AbortSignal.any([gone, closed.signal]) }).catch(() => undefined);
  stream.off('close', onClose);
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

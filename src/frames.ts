/**
 * What goes both ways over the connection of an attached command: frames of the Docker Engine's own format ("Stream format" of its
 * API): a byte for the kind, three zeros, the length as big-endian uint32. To it we add a kind for messages, which are JSON.
 */
import { SlipwayError } from './errors.js';

/** The name of the protocol in `Upgrade:`. */
export const ATTACH_PROTOCOL = 'slipway-attach';

export const FRAME = {
  /** To the command; an empty one is the end of its input. */
  input: 0,
  output: 1,
  errors: 2,
  message: 3,
} as const;

export interface Frame {
  readonly kind: number;
  readonly data: Buffer;
}

const HEADER_BYTES = 8;
/** A command line may be long; a message is read as a whole. */
const MESSAGE_BYTES = 512 * 1024;

export function frame(kind: number, data: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(HEADER_BYTES + data.length);
  whole.writeUInt32BE(kind * 2 ** 24, 0);
  whole.writeUInt32BE(data.length, 4);
  whole.set(data, HEADER_BYTES);
  return whole;
}

export function messageFrame(message: object): Buffer {
  return frame(FRAME.message, Buffer.from(JSON.stringify(message)));
}

/** Messages come whole, everything else in the parts in which it arrives. Throws `bad_request` for what is no frame. */
export async function* readFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let kind = 0;
  let left = 0;
  for await (const chunk of source) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (left === 0) {
        if (rest.length < HEADER_BYTES) break;
        kind = rest[0] ?? 0;
        left = rest.readUInt32BE(4);
        if (kind > FRAME.message || rest.readUIntBE(1, 3) !== 0) throw noFrame('an unknown kind');
        if (kind === FRAME.message && left > MESSAGE_BYTES)
          throw noFrame(`a message of more than ${MESSAGE_BYTES} bytes`);
        rest = rest.subarray(HEADER_BYTES);
        if (left === 0) yield { kind, data: rest.subarray(0, 0) };
        continue;
      }
      if (rest.length === 0 || (kind === FRAME.message && rest.length < left)) break;
      const data = rest.subarray(0, left);
      rest = rest.subarray(data.length);
      left -= data.length;
      yield { kind, data };
    }
  }
}

/** The JSON of a message. Throws `bad_request`. */
export function readMessage(data: Buffer): Record<string, unknown> {
  try {
    const message: unknown = JSON.parse(data.toString('utf8'));
    if (typeof message === 'object' && message !== null) return message as Record<string, unknown>;
  } catch {
    // As below.
  }
  throw noFrame('a message that is not JSON');
}

function noFrame(what: string): SlipwayError {
  return new SlipwayError('bad_request', `the connection carried ${what}`, {
    hint: 'command line and platform may be of different versions',
  });
}

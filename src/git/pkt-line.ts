/** The pkt-line framing of git's protocols (gitprotocol-common(5), "pkt-line Format"), as bytes in and bytes out. */

/** Four digits of length and 65,516 bytes of payload. */
export const MAX_PAYLOAD_BYTES = 65_516;
export const FLUSH: Buffer = Buffer.from('0000');

/** One packet. A payload above 65,516 bytes is a mistake of the caller. */
export function packet(payload: string | Uint8Array): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw new RangeError(`a packet holds ${MAX_PAYLOAD_BYTES} bytes, not ${bytes.length}`);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
}

/** Takes packets out of a stream of bytes that comes in any pieces. */
export class PacketParser {
  #rest: Buffer = Buffer.alloc(0);

  /** Returns the packets that are complete with `chunk`, a flush as `null`. Throws when the bytes are no pkt-line. */
  push(chunk: Uint8Array): (Buffer | null)[] {
    const packets: (Buffer | null)[] = [];
    let bytes: Buffer = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 4) {
      const digits = bytes.toString('latin1', 0, 4);
      const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
      // 0001 to 0003 have meanings only in protocol version 2, which is not spoken here.
      if (length < 0 || (length > 0 && length < 4) || length > MAX_PAYLOAD_BYTES + 4) {
        throw new Error(`not a pkt-line: ${JSON.stringify(digits)}`);
      }
      if (length === 0) {
        packets.push(null);
        bytes = bytes.subarray(4);
      } else {
        if (bytes.length < length) break;
        packets.push(bytes.subarray(4, length));
        bytes = bytes.subarray(length);
      }
    }
    this.#rest = bytes;
    return packets;
  }

  /** Bytes of a packet that is not complete yet. */
  get pendingBytes(): number {
    return this.#rest.length;
  }
}

/** The output of a container without a terminal: frames of stdout and stderr (Engine API, "Stream format"). Pure. */

const HEADER_BYTES = 8;

/** The lines of both streams in the order in which they were written. What is not in frames is taken as it is. */
export function splitOutput(data: Buffer | string): string[] {
  const lines = joinFrames(Buffer.from(data)).toString('utf8').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function joinFrames(data: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + HEADER_BYTES <= data.length; ) {
    // [stream type, 0, 0, 0, size as big-endian uint32]
    if ((data[at] ?? 0) > 2 || data.readUIntBE(at + 1, 3) !== 0) return data;
    const size = data.readUInt32BE(at + 4);
    parts.push(data.subarray(at + HEADER_BYTES, at + HEADER_BYTES + size));
    at += HEADER_BYTES + size;
  }
  return parts.length === 0 ? data : Buffer.concat(parts);
}

/** What the frames of a stream carry, as it comes. Ends with the stream, also when that breaks off. */
export async function* payloads(frames: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let left = 0;
  try {
    for await (const chunk of frames) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (left > 0 ? rest.length > 0 : rest.length >= HEADER_BYTES) {
        if (left === 0) {
          left = rest.readUInt32BE(4);
          rest = rest.subarray(HEADER_BYTES);
          continue;
        }
        const part = rest.subarray(0, left);
        rest = rest.subarray(part.length);
        left -= part.length;
        yield part;
      }
    }
  } catch {
    // The engine, or the connection to it, has gone.
  }
}

/** What a small program of ours asks over a unix socket: lines framed as pkt-lines (gitprotocol-common(5)), up to a flush. */
import type { Socket } from 'node:net';
import { PacketParser } from './pkt-line.js';

export interface RequestLimits {
  readonly bytes: number;
  /** Whoever says nothing for so long is cut off. */
  readonly timeoutMs: number;
}

/**
 * `onLines` gets the request, once. What cannot be one, and what `onLines` throws, goes to `onFault`, and the connection is cut; so is
 * that of a caller who goes before he has said all.
 */
export function readRequest(
  socket: Socket,
  limits: RequestLimits,
  onLines: (lines: readonly string[]) => void,
  onFault: (error: unknown) => void,
): void {
  socket.setTimeout(limits.timeoutMs, () => socket.destroy());
  const parser = new PacketParser();
  const lines: string[] = [];
  let bytes = 0;
  const onEnd = (): void => void socket.destroy();
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    try {
      if (bytes > limits.bytes) throw new Error('the request is too large');
      // A caller sends nothing behind its request before it is asked to.
      for (const frame of parser.push(chunk)) {
        if (frame !== null) {
          lines.push(frame.toString('utf8'));
          continue;
        }
        socket.off('data', onData).off('end', onEnd);
        socket.setTimeout(0);
        onLines(lines);
        return;
      }
    } catch (error) {
      onFault(error);
      socket.destroy();
    }
  };
  socket.on('data', onData).on('end', onEnd);
}

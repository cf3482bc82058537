/** A follower of server-sent events over a real connection. */
import { type IncomingMessage, request } from 'node:http';
import { onTestFinished } from 'vitest';
import { serverSentEvents } from '../../../client/event-stream.js';

export interface Follower {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** All bytes of the log so far; the last character may be there in part. */
  bytes(): Buffer;
  text(): string;
  /** Bytes so far, as raw as they came. */
  raw(): string;
  /** Resolves with the data of the `end` event, or undefined when the connection ended without one. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  readonly ended: Promise<any>;
  /** Goes away without a word. */
  leave(): void;
  /** Stops reading; the server's buffers fill up. */
  pause(): void;
}

export async function follow(url: string, headers: Record<string, string>): Promise<Follower> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request(url, { headers, agent: false }, resolve);
    asked.on('error', reject);
    asked.end();
    onTestFinished(() => void asked.destroy());
  });
  answer.on('error', () => undefined);
  const log: Buffer[] = [];
  const raw: Buffer[] = [];
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const part of answer) {
      raw.push(part as Buffer);
      yield part as Buffer;
    }
  }
  const ended = (async () => {
    try {
      for await (const { name, data } of serverSentEvents(counted())) {
        if (name === 'end') return JSON.parse(data) as unknown;
        log.push(Buffer.from(data, 'base64'));
      }
    } catch {
      // The connection was cut.
    }
    return undefined;
  })();
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    bytes: () => Buffer.concat(log),
    text: () => Buffer.concat(log).toString('utf8'),
    raw: () => Buffer.concat(raw).toString('utf8'),
    ended,
    leave: () => void answer.destroy(),
    pause: () => void answer.socket.pause(),
  };
}

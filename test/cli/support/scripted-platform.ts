/** A platform whose answers a test writes, for what a real one does only when it breaks. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export type Script = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface ScriptedPlatform {
  readonly url: string;
  /** Paths with their queries, in the order in which they were asked for. */
  readonly asked: string[];
  stop(): Promise<void>;
}

/** `count` says how many requests came before. */
export async function scriptedPlatform(script: Script, port = 0): Promise<ScriptedPlatform> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    script(request, response, asked.length - 1);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  onTestFinished(stop);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, stop };
}

/** One `log` event with these bytes, whose id is not what the client goes by. */
export function logEvent(text: string): string {
  return `id: 0\nevent: log\ndata: ${Buffer.from(text).toString('base64')}\n\n`;
}

export function endEvent(build: object): string {
  return `event: end\ndata: ${JSON.stringify(build)}\n\n`;
}

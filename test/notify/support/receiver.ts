/** A real HTTP server that remembers what it was sent, and answers as a test says. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Call {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it
  readonly body: any;
}

/** A status, or headers with one; undefined never answers. */
export type Reply = number | { readonly status: number; readonly location: string } | undefined;

export class Receiver {
  readonly calls: Call[] = [];
  /** One for each call; the last one goes on. */
  replies: Reply[] = [200];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/in`;
  }

  static async start(): Promise<Receiver> {
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const { url = '', headers } = request;
      started.calls.push({ path: url, headers, text, body: JSON.parse(text) });
      const reply = started.replies.length > 1 ? started.replies.shift() : started.replies[0];
      if (reply === undefined) return;
      if (typeof reply === 'number') response.writeHead(reply).end('because');
      else response.writeHead(reply.status, { location: reply.location }).end();
    }).listen(0, '127.0.0.1');
    const started = new Receiver(server);
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    return started;
  }
}

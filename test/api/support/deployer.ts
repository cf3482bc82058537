/** The deployer's side of its unix socket, told by a test what to answer. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

export type DeployerScript = (request: IncomingMessage, response: ServerResponse) => void;

/** What it says on an upgraded connection, once that is there. */
export type ConnectionScript = (connection: Duplex) => void;

export class ScriptedDeployer {
  readonly #socketPath: string;
  readonly #server: Server;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  script: DeployerScript = (_request, response) =>
    json(response, 200, { processes: [], silent: [], problems: [] });

  converse: ConnectionScript = (connection) => void connection.end();
  readonly #connections = new Set<Duplex>();

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      this.script(request, response);
    });
    this.#server.on('upgrade', (request: IncomingMessage, connection: Duplex) => {
      this.asked.push(request.url ?? '');
      this.#connections.add(connection);
      connection.on('error', () => undefined);
      connection.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: slipway-attach\r\n\r\n',
      );
      this.converse(connection);
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#socketPath);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

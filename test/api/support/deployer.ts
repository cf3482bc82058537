/** The deployer's side of its unix socket, told by a test what to answer. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export type DeployerScript = (request: IncomingMessage, response: ServerResponse) => void;

export class ScriptedDeployer {
  readonly #socketPath: string;
  readonly #server: Server;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  script: DeployerScript = (_request, response) =>
    json(response, 200, { processes: [], silent: [], problems: [] });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      this.script(request, response);
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#socketPath);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A git server over HTTP that wants an Authorization header, or sends callers elsewhere: git's dumb protocol, from files. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { plainGit } from './remote-repository.js';

export class GitServer {
  /** The Authorization header of each request; undefined where it had none. */
  readonly seen: (string | undefined)[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `host:port`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}/x.git`;
  }

  /** Serves the repository `work` as `/x.git` to whoever sends `authorization`. */
  static async start(
    work: string,
    { authorization, redirect }: { authorization?: string; redirect?: string } = {},
  ): Promise<GitServer> {
    plainGit(['update-server-info'], work);
    const server = createServer((request, response) => {
      const { authorization: given } = request.headers;
      started.seen.push(given);
      const [path = ''] = (request.url ?? '').split('?');
      if (redirect !== undefined) response.writeHead(302, { location: `${redirect}${request.url}` }).end();
      else if (authorization !== undefined && given !== authorization) response.writeHead(401).end();
      else
        readFile(join(work, '.git', path.replace(/^\/x\.git/, ''))).then(
          (data) => response.end(data),
          () => response.writeHead(404).end(),
        );
    }).listen(0, '127.0.0.1');
    const started = new GitServer(server);
    await once(server, 'listening');
    return started;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

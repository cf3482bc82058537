/**
 * HAProxy, the edge that the apps' traffic goes through. The deployer owns its configuration; here is only the file that it
 * starts with on a new home, and the process.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Config } from '../../src/config.js';
import { SlipwayError } from '../../src/errors.js';
import { type Service, type ServiceContext, startProgram } from './service.js';

const ANSWER_TIMEOUT_MS = 3000;

export async function startEdge(context: ServiceContext, edge: Config['edge']): Promise<Service> {
  rmSync(edge.masterSocket, { force: true });
  if (!existsSync(edge.configFile)) {
    mkdirSync(dirname(edge.configFile), { recursive: true, mode: 0o700 });
    writeFileSync(edge.configFile, firstConfig(edge.bind), { mode: 0o600 });
  }
  return startProgram(context, {
    name: 'edge',
    address: edge.masterSocket,
    // Master-worker mode (HAProxy management guide, 3.1): the master keeps the socket while workers are replaced.
    argv: ['haproxy', '-W', '-db', '-S', `${edge.masterSocket},mode,600,level,admin`, '-f', edge.configFile],
    graceMs: 5000,
    ready: async () => /\bworker\b/.test(await ask(edge.masterSocket, 'show proc')),
  });
}

/** Answers 404 to everything until the deployer has written its own. */
function firstConfig(bind: string): string {
  return `# Replaced by the deployer at its start.
global
  # No maxconn: HAProxy derives it from the file limit, and refuses to start above that.
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend apps
  bind ${bind}
  http-request return status 404 content-type text/plain string "no app has this name\\n"
`;
}

/** Throws `edge_unavailable` when no HAProxy master answers at SLIPWAY_EDGE_SOCKET. */
export async function checkEdge(socket: string): Promise<void> {
  try {
    if ((await ask(socket, 'show proc')).includes('master')) return;
    throw new Error('it is not the socket of a HAProxy master');
  } catch (cause) {
    throw new SlipwayError(
      'edge_unavailable',
      `HAProxy does not answer at ${socket}: ${(cause as Error).message}`,
      {
        where: 'SLIPWAY_EDGE_SOCKET',
        hint: 'start HAProxy with `-W -S <socket>`, or unset the variable to have one started',
        cause,
      },
    );
  }
}

/** One command on HAProxy's command line socket; it closes the connection after the answer (management guide, 9.3). */
function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const connection = connect(socket);
    connection.setTimeout(ANSWER_TIMEOUT_MS, () => connection.destroy(new Error('no answer in time')));
    connection.setEncoding('utf8');
    connection.on('connect', () => connection.end(`${command}\n`));
    connection.on('data', (data: string) => {
      answer += data;
    });
    connection.on('error', reject);
    connection.on('close', () => resolve(answer));
  });
}

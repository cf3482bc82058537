/**
 * The deployer's unix socket: what runs and what it writes, for the web process, which cannot reach a target itself. The
 * other side is src/api/deployer-client.ts.
 */
import { chmod, rm } from 'node:fs/promises';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { toSlipwayError } from '../src/errors.js';
import type { Logger } from '../src/log.js';
import { acceptUpgrades } from '../src/upgrades.js';
import type { Hosts } from './hosts.js';
import { runningRoutes } from './running.js';

export interface ServeOptions {
  readonly socketPath: string;
  readonly hosts: Hosts;
  /** What else is answered. */
  readonly more?: (server: FastifyInstance) => void;
  readonly log: Logger;
}

/** Listens; the answer stops it. */
export async function serveRuntime({
  socketPath,
  hosts,
  more,
  log,
}: ServeOptions): Promise<() => Promise<void>> {
  const server = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  });
  server.setErrorHandler((thrown, _request, reply) => {
    const error = toSlipwayError(thrown);
    if (error.code === 'internal') log.error({ err: thrown }, 'answering the web process failed');
    const { code, message, hint } = error;
    return reply
      .code(error.httpStatus)
      .send(code === 'internal' ? { code, message: 'the deployer failed' } : { code, message, hint });
  });

  acceptUpgrades(server);
  server.get('/healthz', () => ({ status: 'ok' }));
  runningRoutes(server, hosts);
  more?.(server);

  // Left by a deployer that was killed.
  await rm(socketPath, { force: true });
  await server.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
  return () => server.close();
}

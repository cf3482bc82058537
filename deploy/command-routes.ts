/** What the web process asks about one-off commands and the inside of containers. The other side is src/api/deployer-client.ts. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SlipwayError } from '../src/errors.js';
import { checkAppName } from '../src/model/app.js';
import { takeConnection } from '../src/upgrades.js';
import { enterAttached } from './enter.js';
import { inspectContainer, topOf, usageOf } from './inside.js';
import {
  findOneOff,
  listOneOffs,
  type OneOffParts,
  runAttached,
  runDetached,
  stopOneOff,
} from './one-offs.js';
import { logStream } from './targets/log-stream.js';

interface Of {
  Params: { app: string; name: string };
}

/** A command line and its variables. */
const BODY_BYTES = 1024 * 1024;

export function commandRoutes(server: FastifyInstance, parts: OneOffParts): void {
  const { hosts } = parts;
  const underWay = new Set<Promise<void>>();
  const serve = (conversation: Promise<void>): void => {
    underWay.add(conversation);
    void conversation.finally(() => underWay.delete(conversation));
  };
  // Their connections are closed by then; what they ran is to end before the process does.
  server.addHook('onClose', async () => void (await Promise.all(underWay)));

  server.get<Of & { Querystring: { who: string } }>(
    '/apps/:app/run',
    { exposeHeadRoute: false },
    (request, reply) => {
      const app = checkAppName(request.params.app);
      serve(runAttached(parts, app, request.query.who, takeConnection(request, reply)));
    },
  );
  server.get<Of>('/apps/:app/enter', { exposeHeadRoute: false }, (request, reply) => {
    const app = checkAppName(request.params.app);
    serve(enterAttached(parts, app, takeConnection(request, reply)));
  });

  server.post<Of & { Body: { who: string; wish: unknown } }>(
    '/apps/:app/runs',
    { bodyLimit: BODY_BYTES },
    async (request) => runDetached(parts, nameOf(request), request.body.who, request.body.wish),
  );
  server.get<Of>('/apps/:app/runs', async (request) => listOneOffs(parts, nameOf(request)));
  server.post<Of>('/apps/:app/runs/:name/stop', async (request) =>
    stopOneOff(parts, nameOf(request), request.params.name),
  );
  server.get<Of & { Querystring: { lines: string; follow: string } }>(
    '/apps/:app/runs/:name/logs',
    async (request, reply): Promise<FastifyReply> => {
      const { host, id, name, follower } = await findOneOff(parts, nameOf(request), request.params.name);
      if (follower !== undefined)
        throw new SlipwayError('conflict', `${name} is attached: what it writes is kept nowhere`, {
          hint: 'see: slipway run:detached --help',
        });
      const { target } = await hosts.get(host);
      const lines = Number(request.query.lines);
      const follow = request.query.follow === '1';
      const sent = reply
        .type('text/plain; charset=utf-8')
        .send(await logStream(target.engine, id, { lines, follow }));
      // A silent command is being followed all the same; node would keep the head for the first byte.
      reply.raw.flushHeaders();
      return sent;
    },
  );

  server.get<Of>('/apps/:app/ps/:name', async (request) =>
    inspectContainer(hosts, nameOf(request), request.params.name),
  );
  server.get<Of>('/apps/:app/ps/:name/top', async (request) =>
    topOf(hosts, nameOf(request), request.params.name),
  );
  server.get<Of>('/apps/:app/usage', async (request) => usageOf(hosts, nameOf(request)));
}

function nameOf(request: FastifyRequest<Of>): string {
  return checkAppName(request.params.app);
}

/** What the web process asks about hosts over the deployer's unix socket. The other side is src/api/deployer-client.ts. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { HostWish, PreparationEvent } from '../../src/api/host-views.js';
import { toSlipwayError } from '../../src/errors.js';
import { HostChanges } from './change.js';
import { reportOf, statusOfHost } from './look.js';
import type { LedgerHosts, OpeningParts } from './open.js';
import { prepareHost } from './prepare.js';

/** TLS files and labels. */
const BODY_BYTES = 1024 * 1024;

export function hostRoutes(server: FastifyInstance, hosts: LedgerHosts, parts: OpeningParts): void {
  const changes = new HostChanges(parts, hosts);
  const { credentials } = parts;

  server.get('/hosts', async () => Promise.all((await hosts.list()).map(statusOfHost)));
  server.get('/host-key', async () => ({ publicKey: await credentials.publicKey() }));

  server.post<{ Body: HostWish & { who: string } }>('/hosts', { bodyLimit: BODY_BYTES }, async (request) => {
    const { who, ...wish } = request.body;
    return changes.add(wish, who);
  });
  server.post<{ Params: { name: string } }>('/hosts/:name/check', async (request) =>
    reportOf(await hosts.get(request.params.name), credentials),
  );
  server.post<{ Params: { name: string }; Body: { who: string } }>('/hosts/:name/remove', async (request) =>
    changes.remove(request.params.name, request.body.who),
  );

  // Minutes: what is said is sent at once, one JSON value per line.
  server.post<{ Body: { address: string; fingerprint?: string } }>('/host-preparations', (request, reply) => {
    const { address, fingerprint } = request.body;
    const events = new PassThrough();
    const tell = (event: PreparationEvent): void => void events.write(`${JSON.stringify(event)}\n`);
    const gone = new AbortController();
    void once(events, 'close').then(() => gone.abort());
    const onLine = (line: string): void => tell({ line });
    void prepareHost(address, credentials, { fingerprint, signal: gone.signal, onLine })
      .then(
        () => tell({ done: true }),
        (thrown: unknown) => {
          const { code, message, hint } = toSlipwayError(thrown);
          if (!gone.signal.aborted)
            tell({ error: { code, message, ...(hint === undefined ? {} : { hint }) } });
        },
      )
      .finally(() => events.end());
    const sent = reply.type('application/x-ndjson').send(events);
    reply.raw.flushHeaders();
    return sent;
  });
}

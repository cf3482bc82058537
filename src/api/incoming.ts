/** Where forges send their messages: no token, but a signature over the body as it came. */
import type { FastifyInstance } from 'fastify';
import type { Headers } from '../webhooks/forge.js';
import type { IncomingWebhooks } from '../webhooks/incoming.js';

/** GitHub's have at most 25 MB, with 2,048 commits; those of a push by people a few kilobytes. */
const BODY_BYTES = 5 * 1024 * 1024;

interface HookRoute {
  Params: { app: string; id: string };
}

export function incomingRoutes(server: FastifyInstance, incoming: IncomingWebhooks): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  server.post<HookRoute>(
    '/hooks/:app/:id',
    {
      bodyLimit: BODY_BYTES,
      // Of a message to nobody nothing is read.
      onRequest: async ({ params }) => void (await incoming.find(params.app, params.id)),
    },
    async (request, reply) => {
      const { app, id } = request.params;
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const receipt = await incoming.receive(app, id, request.headers as Headers, body);
      return reply.code(receipt.build === undefined ? 200 : 202).send(receipt);
    },
  );
}

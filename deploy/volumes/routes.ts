/** What the web process asks about what is in volumes. The other side is src/api/deployer-client.ts. */
import type { FastifyInstance } from 'fastify';
import { checkAppName } from '../../src/model/app.js';
import { checkVolumeName } from '../../src/model/volume.js';
import { takeConnection } from '../../src/upgrades.js';
import { listBackups } from './backups.js';
import { type CopyParts, copyVolume } from './copies.js';

interface Of {
  Params: { app: string; name: string };
}

export function volumeRoutes(server: FastifyInstance, parts: CopyParts): void {
  const underWay = new Set<Promise<void>>();
  // Their connections are closed by then; what they stopped is to run again before the process ends.
  server.addHook('onClose', async () => void (await Promise.all(underWay)));

  server.get<Of & { Querystring: { who: string } }>(
    '/apps/:app/volumes/:name/copy',
    { exposeHeadRoute: false },
    (request, reply) => {
      const asked = {
        app: checkAppName(request.params.app),
        volume: checkVolumeName(request.params.name),
        who: request.query.who,
      };
      const conversation = copyVolume(parts, asked, takeConnection(request, reply));
      underWay.add(conversation);
      void conversation.finally(() => underWay.delete(conversation));
    },
  );
  server.get<Of>('/apps/:app/volumes/:name/backups', async (request) => {
    const { app, name } = request.params;
    return { backups: await listBackups(parts, checkAppName(app), checkVolumeName(name)) };
  });
}

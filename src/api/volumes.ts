/** Volumes: making and removing them, mounting, and copying what is in them. The deployer copies; this says who may. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Deployment } from '../model/deployment.js';
import { checkVolumeName, describeMount } from '../model/volume.js';
import { newestStanding } from '../next-release.js';
import type { Turns } from '../turns.js';
import { checkUpgrade, takeConnection } from '../upgrades.js';
import {
  createVolume,
  mountsNow,
  removeVolume,
  requestExchange,
  requestMount,
  requestUnmount,
} from '../volume-changes.js';
import { join } from './one-offs.js';
import { type AppParams, parseBody } from './request.js';
import { type ApiTools, identityOf, requireApp } from './tools.js';
import { buildView } from './views.js';
import type { VolumeView } from './volume-views.js';

interface Named {
  Params: AppParams & { readonly name: string };
}

const NewVolume = z.strictObject({ name: z.string(), host: z.string().optional() });
const Mounts = z.strictObject({ mounts: z.array(z.string().max(300)).max(50) });

/** `turns`: what changes an app happens one after the other. */
export function volumeRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  const view = async (app: string): Promise<{ volumes: VolumeView[] }> => {
    const state = await tools.ledger.read(app);
    const mounts = mountsNow(state, await newestStanding(tools.store, app, state));
    const volumes = Object.entries(state.volumes.volumes).map(([name, { at, by, ...volume }]) => ({
      name,
      ...volume,
      mounts: mounts
        .filter((mount) => mount.volume === name)
        .map(({ type, ...mount }) => describeMount(type, mount)),
      createdAt: at,
      createdBy: by,
    }));
    return { volumes: volumes.sort((a, b) => (a.name < b.name ? -1 : 1)) };
  };
  const answer = async (
    app: string,
    deployment: Deployment | undefined,
    reply: FastifyReply,
  ): Promise<object> => {
    if (deployment !== undefined) return reply.code(202).send({ build: buildView(deployment) });
    return { stored: true, ...(await view(app)) };
  };

  api.get<{ Params: AppParams }>('/apps/:app/volumes', async (request) =>
    view(await requireApp(tools, request, request.params.app)),
  );
  api.post<{ Params: AppParams }>('/apps/:app/volumes', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { name, host } = parseBody(NewVolume, request.body);
    await turns.take(app, () => createVolume(tools, app, name, host, identityOf(request).name));
    return reply.code(201).send(await view(app));
  });
  api.delete<Named>('/apps/:app/volumes/:name', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    const name = checkVolumeName(request.params.name);
    await turns.take(app, () => removeVolume(tools, app, name, identityOf(request).name));
    return { name, removed: true };
  });

  for (const [verb, change] of [
    ['mount', requestMount],
    ['unmount', requestUnmount],
  ] as const)
    api.post<Named>(`/apps/:app/volumes/:name/${verb}`, async (request, reply) => {
      const app = await requireApp(tools, request, request.params.app);
      const name = checkVolumeName(request.params.name);
      const { mounts } = parseBody(Mounts, request.body);
      const who = identityOf(request).name;
      return answer(app, await turns.take(app, () => change(tools, app, name, mounts, who)), reply);
    });
  api.post<Named>('/apps/:app/volumes/:name/exchange', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const name = checkVolumeName(request.params.name);
    const who = identityOf(request).name;
    return answer(app, await turns.take(app, () => requestExchange(tools, app, name, who)), reply);
  });

  api.get<Named>('/apps/:app/volumes/:name/backups', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return tools.deployer.backups(app, checkVolumeName(request.params.name));
  });
  api.get<Named>('/apps/:app/volumes/:name/copy', { exposeHeadRoute: false }, async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const name = checkVolumeName(request.params.name);
    checkUpgrade(request);
    const connection = await tools.deployer.attach(app, `volumes/${name}/copy`, identityOf(request).name);
    join(takeConnection(request, reply), connection);
  });
}

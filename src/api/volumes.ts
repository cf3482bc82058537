/** Volumes: making and removing them, mounting, and copying what is in them. The deployer copies; this says who may. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ATTACH_PROTOCOL } from '../frames.js';
import type { Deployment } from '../model/deployment.js';
import { checkVolumeName, describeMount, type OtherContent } from '../model/volume.js';
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
import { maybe, part, text, texts, time } from './described.js';
import { join } from './one-offs.js';
import { Media, type Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { Build, type BuildView, buildView } from './views.js';
import { Backups, type VolumeView } from './volume-views.js';

const NewVolume = z.strictObject({ name: z.string(), host: z.string().optional() });
const Mounts = z.strictObject({ mounts: z.array(z.string().max(300)).max(50) });

const NamedVolume = z.string().transform(checkVolumeName).meta({ description: 'The name of a volume' });

const View = part<VolumeView>({
  name: text,
  host: text,
  content: text,
  other: maybe(
    part<OtherContent>({ content: text, is: z.enum(['restored', 'replaced']), at: time, by: text }),
  ),
  mounts: texts,
  createdAt: time,
  createdBy: text,
});
const VolumesNow = z.object({ volumes: z.array(View) });
/** A change that brings a build, or one that is kept for the next release. */
const Changed = {
  200: z.object({ stored: z.literal(true), volumes: z.array(View) }),
  202: z.object({ build: Build }),
};

/** `turns`: what changes an app happens one after the other. */
export function volumeRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
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
  ): Promise<{ build: BuildView } | { stored: true; volumes: VolumeView[] }> => {
    reply.code(deployment === undefined ? 200 : 202);
    if (deployment !== undefined) return { build: buildView(deployment) };
    return { stored: true, ...(await view(app)) };
  };

  routes.add({
    method: 'GET',
    path: '/apps/:app/volumes',
    summary: 'The volumes of an app, and where they are mounted',
    tag: 'Volumes',
    access: 'view',
    answers: { 200: VolumesNow },
    handle: async ({ params: { app } }) => view(app),
  });

  routes.add({
    method: 'POST',
    path: '/apps/:app/volumes',
    summary: 'Make a volume',
    tag: 'Volumes',
    access: 'deploy',
    body: NewVolume,
    answers: { 201: VolumesNow },
    handle: async ({ who, params: { app }, body: { name, host } }) => {
      await turns.take(app, () => createVolume(tools, app, name, host, who.name));
      return view(app);
    },
  });

  routes.add({
    method: 'DELETE',
    path: '/apps/:app/volumes/:name',
    summary: 'Remove a volume with all that is in it',
    tag: 'Volumes',
    access: 'deploy',
    params: { name: NamedVolume },
    answers: { 200: z.object({ name: z.string(), removed: z.literal(true) }) },
    handle: async ({ who, params: { app, name } }) => {
      await turns.take(app, () => removeVolume(tools, app, name, who.name));
      return { name, removed: true as const };
    },
  });

  for (const [verb, summary, change] of [
    ['mount', 'Mount a volume in process types', requestMount],
    ['unmount', 'Unmount a volume', requestUnmount],
  ] as const)
    routes.add({
      method: 'POST',
      path: `/apps/:app/volumes/:name/${verb}`,
      summary,
      tag: 'Volumes',
      access: 'deploy',
      keyed: true,
      params: { name: NamedVolume },
      body: Mounts,
      answers: Changed,
      handle: async ({ who, params: { app, name }, body: { mounts }, reply }) =>
        answer(app, await turns.take(app, () => change(tools, app, name, mounts, who.name)), reply),
    });

  routes.add({
    method: 'POST',
    path: '/apps/:app/volumes/:name/exchange',
    summary: 'Use what a volume held before, or what was restored',
    tag: 'Volumes',
    access: 'deploy',
    keyed: true,
    params: { name: NamedVolume },
    answers: Changed,
    handle: async ({ who, params: { app, name }, reply }) =>
      answer(app, await turns.take(app, () => requestExchange(tools, app, name, who.name)), reply),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/volumes/:name/backups',
    summary: 'The backups of a volume in the registry',
    tag: 'Volumes',
    access: 'view',
    params: { name: NamedVolume },
    answers: { 200: Backups },
    handle: async ({ params: { app, name } }) => tools.deployer.backups(app, name),
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/volumes/:name/copy',
    summary: 'Back up or restore a volume over a connection',
    description: `The request asks for an upgrade to \`${ATTACH_PROTOCOL}\`.`,
    tag: 'Volumes',
    access: 'deploy',
    params: { name: NamedVolume },
    answers: { 101: new Media(ATTACH_PROTOCOL, 'A connection both ways') },
    head: false,
    handle: async ({ who, params: { app, name }, request, reply }) => {
      checkUpgrade(request);
      const connection = await tools.deployer.attach(app, `volumes/${name}/copy`, who.name);
      join(takeConnection(request, reply), connection);
      return reply;
    },
  });
}

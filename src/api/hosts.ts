/**
 * Hosts, for admins, and where an app is placed. Names, addresses, labels and cordons are in the platform's ledger; what opens a host is
 * passed on to the deployer and kept nowhere here.
 */
import { z } from 'zod';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { requestPlacement } from '../formation-changes.js';
import type { AppState } from '../ledger/app-documents.js';
import { checkHostName, checkLabel, LOCAL_HOST, type Placement, placedOn } from '../model/host.js';
import type { Turns } from '../turns.js';
import { maybe, part, text, texts } from './described.js';
import {
  Added,
  Host,
  HostNow,
  type HostStatus,
  type HostView,
  HostWithApps,
  Removed,
  Report,
} from './host-views.js';
import { flag } from './request.js';
import { Media, type Routes } from './route.js';
import type { ApiTools } from './tools.js';
import { Build, buildView } from './views.js';

const PEM_LENGTH = 64 * 1024;

const pem = z.string().min(1).max(PEM_LENGTH);
const fingerprint = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be as ssh-keygen prints it: SHA256: and 43 characters');
const NewHost = z.strictObject({
  name: z.string(),
  address: z.string().max(300),
  labels: z.record(z.string(), z.string()).default({}),
  fingerprint: fingerprint.exactOptional(),
  tls: z.strictObject({ ca: pem, cert: pem, key: pem }).exactOptional(),
  check: z.boolean().default(true),
});
const HostChange = z.strictObject({
  labels: z.record(z.string(), z.string().nullable()).exactOptional(),
  /** Null takes the cordon away. */
  cordoned: z
    .strictObject({ reason: z.string().max(200).exactOptional() })
    .nullable()
    .exactOptional(),
});
const Preparation = z.strictObject({
  address: z.string().max(300),
  fingerprint: fingerprint.exactOptional(),
});
const NewPlacement = z.strictObject({
  /** Null is the default: the local host. */
  placement: z
    .union(
      [
        z.strictObject({ hosts: z.array(z.string()).min(1).max(100) }),
        z.strictObject({ label: z.strictObject({ name: z.string(), value: z.string() }) }),
      ],
      'must be {"hosts": [name, …]} or {"label": {"name": …, "value": …}}',
    )
    .nullable(),
});

interface PlacementView {
  /** Null: on the local host, as nothing was said. */
  readonly placement: Placement | null;
  /** Where the next release would run. */
  readonly hosts: readonly string[];
  /** Why it could run nowhere. */
  readonly problem?: string;
  /** Where the live release runs. */
  readonly live?: readonly string[];
}

const PlacementAnswer: z.ZodType<PlacementView> = part<PlacementView>({
  placement: z
    .union([
      z.object({ hosts: z.array(z.string()) }),
      z.object({ label: z.object({ name: z.string(), value: z.string() }) }),
    ])
    .nullable(),
  hosts: texts,
  problem: maybe(text),
  live: maybe(texts),
}).meta({ id: 'Placement' });

/** `turns`: what changes an app happens one after the other. */
export function hostRoutes(routes: Routes, tools: ApiTools, turns: Turns): void {
  const { deployer } = tools;
  const book = tools.platform.hosts;

  routes.add({
    method: 'GET',
    path: '/hosts',
    summary: 'The hosts, and how each is now',
    tag: 'Hosts',
    access: 'platform',
    answers: { 200: z.object({ hosts: z.array(HostNow) }) },
    handle: async () => ({ hosts: await viewsOf(tools) }),
  });

  routes.add({
    method: 'POST',
    path: '/hosts',
    summary: 'Add a host',
    tag: 'Hosts',
    access: 'platform',
    body: NewHost,
    answers: { 201: Added },
    handle: async ({ who, body }) => {
      const { name, address, labels } = body;
      await book.checkNew({ name, address, labels });
      return deployer.addHost(body, who.name);
    },
  });

  routes.add({
    method: 'GET',
    path: '/hosts/:name',
    summary: 'A host, how it is now, and the apps on it',
    tag: 'Hosts',
    access: 'platform',
    answers: { 200: HostWithApps },
    handle: async ({ params }) => {
      const record = await book.get(params.name);
      const view = (await viewsOf(tools)).find((host) => host.name === record.name) ?? record;
      return { ...view, apps: await appsOn(tools, record.name) };
    },
  });

  routes.add({
    method: 'PATCH',
    path: '/hosts/:name',
    summary: 'Label a host, cordon it, or take the cordon away',
    tag: 'Hosts',
    access: 'platform',
    body: HostChange,
    answers: { 200: Host },
    handle: async ({ who, params, body: { labels, cordoned } }) => {
      let { name, ...host } = await book.get(params.name);
      if (labels !== undefined) host = await book.relabel(name, labels, who.name);
      if (cordoned === null) host = await book.uncordon(name, who.name);
      else if (cordoned !== undefined) host = await book.cordon(name, cordoned.reason, who.name);
      return { ...host, name };
    },
  });

  routes.add({
    method: 'POST',
    path: '/hosts/:name/check',
    summary: 'Check a host',
    tag: 'Hosts',
    access: 'platform',
    answers: { 200: Report },
    handle: async ({ params }) => deployer.checkHost((await book.get(params.name)).name),
  });

  routes.add({
    method: 'DELETE',
    path: '/hosts/:name',
    summary: 'Remove a host',
    tag: 'Hosts',
    access: 'platform',
    query: z.object({ force: flag.meta({ description: '1 also removes a host that apps run on' }) }),
    answers: { 200: Removed },
    handle: async ({ who, params, query: { force } }) => {
      const { name } = await book.get(params.name);
      if (name !== LOCAL_HOST && !force) {
        const hint =
          'place them elsewhere first (slipway placement:set), or remove it all the same with --force';
        const running = await appsOn(tools, name);
        if (running.length > 0)
          throw new SlipwayError('conflict', `${name} runs the live release of ${running.join(', ')}`, {
            hint,
          });
        const placed = await appsPlacedOn(tools, name);
        if (placed.length > 0)
          throw new SlipwayError('conflict', `the placement of ${placed.join(', ')} names ${name}`, { hint });
        const left = await volumesOn(tools, name);
        if (left.length > 0)
          throw new SlipwayError('conflict', `${name} has the volume ${left.join(', ')}`, {
            hint: 'back it up and remove it (slipway volumes:backup, volumes:remove), or remove the host all the same with --force',
          });
      }
      return deployer.removeHost(name, who.name);
    },
  });

  routes.add({
    method: 'GET',
    path: '/host-key',
    summary: 'The public key that hosts let in',
    tag: 'Hosts',
    access: 'platform',
    answers: { 200: z.object({ publicKey: z.string() }) },
    handle: async () => deployer.hostKey(),
  });

  routes.add({
    method: 'POST',
    path: '/host-preparations',
    summary: 'Install what a host needs',
    tag: 'Hosts',
    access: 'platform',
    body: Preparation,
    answers: {
      200: new Media('application/x-ndjson', 'Lines as it goes on; the last is `done` or an error'),
    },
    handle: async ({ body, reply }) => {
      const output = await deployer.prepareHost(body);
      const sent = reply.type('application/x-ndjson').header('x-accel-buffering', 'no').send(output);
      reply.raw.flushHeaders();
      return sent;
    },
  });

  routes.add({
    method: 'GET',
    path: '/apps/:app/placement',
    summary: 'Where an app runs, and where its next release would',
    tag: 'Hosts',
    access: 'view',
    answers: { 200: PlacementAnswer },
    handle: async ({ params: { app } }) => placementView(tools, await tools.ledger.read(app)),
  });

  routes.add({
    method: 'PUT',
    path: '/apps/:app/placement',
    summary: 'Place an app on hosts by name or label',
    tag: 'Hosts',
    access: 'platform',
    body: NewPlacement,
    answers: { 200: PlacementAnswer, 202: z.object({ build: Build }) },
    handle: async ({ who, params: { app }, body, reply }) => {
      const placement = checkPlacement(body.placement ?? undefined);
      const deployment = await turns.take(app, () => requestPlacement(tools, app, placement, who.name));
      if (deployment !== undefined) {
        reply.code(202);
        return { build: buildView(deployment) };
      }
      return placementView(tools, await tools.ledger.read(app));
    },
  });
}

/** The records with how each is now. Without a deployer they are there all the same. */
async function viewsOf({ platform, deployer }: ApiTools): Promise<HostView[]> {
  const [records, statuses] = await Promise.all([
    platform.hosts.list(),
    deployer.hosts().catch((thrown: unknown) => toSlipwayError(thrown).message),
  ]);
  return records.map((record) => {
    const status: HostStatus | undefined =
      typeof statuses === 'string'
        ? { name: record.name, address: record.address, problem: statuses }
        : statuses.find(({ name }) => name === record.name);
    return { ...record, ...status };
  });
}

/** Whose live release is placed on the host. */
function appsOn(tools: ApiTools, host: string): Promise<string[]> {
  return appsThat(tools, ({ releases, live }) => {
    const release = releases.find(({ number }) => number === live);
    return release !== undefined && (release.hosts ?? [LOCAL_HOST]).includes(host);
  });
}

/** Without the host, these could make no release any more, not even a rollback. */
function appsPlacedOn(tools: ApiTools, host: string): Promise<string[]> {
  return appsThat(
    tools,
    ({ placement }) => placement !== undefined && 'hosts' in placement && placement.hosts.includes(host),
  );
}

async function appsThat({ ledger }: ApiTools, are: (state: AppState) => boolean): Promise<string[]> {
  const apps = await ledger.listApps();
  const states = await Promise.all(apps.map((app) => ledger.read(app)));
  return apps.filter((_, index) => are(states[index] as AppState));
}

function checkPlacement(placement: Placement | undefined): Placement | undefined {
  if (placement === undefined) return undefined;
  if ('label' in placement) {
    checkLabel(placement.label.name, placement.label.value);
    return placement;
  }
  return { hosts: [...new Set(placement.hosts.map(checkHostName))].sort() };
}

/** `data of shop` */
async function volumesOn({ ledger }: ApiTools, host: string): Promise<string[]> {
  const found: string[] = [];
  for (const app of await ledger.listApps()) {
    const { volumes } = (await ledger.read(app)).volumes;
    for (const [name, volume] of Object.entries(volumes))
      if (volume.host === host) found.push(`${name} of ${app}`);
  }
  return found;
}

async function placementView(
  { platform }: ApiTools,
  { placement, releases, live }: AppState,
): Promise<PlacementView> {
  const runs = releases.find(({ number }) => number === live);
  const view = {
    placement: placement ?? null,
    ...(runs === undefined ? {} : { live: runs.hosts ?? [LOCAL_HOST] }),
  };
  try {
    return { ...view, hosts: placedOn(placement, await platform.hosts.list()) };
  } catch (thrown) {
    const error = toSlipwayError(thrown);
    if (error.code !== 'no_host') throw thrown;
    return { ...view, hosts: [], problem: error.message };
  }
}

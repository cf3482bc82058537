/**
 * Hosts, for admins, and where an app is placed. Names, addresses, labels and cordons are in the platform's ledger; what opens a host is
 * passed on to the deployer and kept nowhere here.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { requestPlacement } from '../formation-changes.js';
import type { AppState } from '../ledger/app-documents.js';
import { checkHostName, checkLabel, LOCAL_HOST, type Placement, placedOn } from '../model/host.js';
import type { Turns } from '../turns.js';
import type { HostStatus, HostView } from './host-views.js';
import { type AppParams, parseBody, type Query, wholeNumber } from './request.js';
import { type ApiTools, requireAdmin, requireApp } from './tools.js';
import { buildView } from './views.js';

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

interface HostParams {
  readonly name: string;
}

/** `turns`: what changes an app happens one after the other. */
export function hostRoutes(api: FastifyInstance, tools: ApiTools, turns: Turns): void {
  const { deployer } = tools;
  const book = tools.platform.hosts;

  api.get('/hosts', async (request) => {
    requireAdmin(request);
    return { hosts: await viewsOf(tools) };
  });

  api.post('/hosts', async (request, reply) => {
    const { name: who } = requireAdmin(request);
    const wish = parseBody(NewHost, request.body);
    const { name, address, labels } = wish;
    await book.checkNew({ name, address, labels });
    return reply.code(201).send(await deployer.addHost(wish, who));
  });

  api.get<{ Params: HostParams }>('/hosts/:name', async (request) => {
    requireAdmin(request);
    const { name } = await book.get(request.params.name);
    const view = (await viewsOf(tools)).find((host) => host.name === name);
    return { ...view, apps: await appsOn(tools, name) };
  });

  api.patch<{ Params: HostParams }>('/hosts/:name', async (request) => {
    const { name: who } = requireAdmin(request);
    const { labels, cordoned } = parseBody(HostChange, request.body);
    let { name, ...host } = await book.get(request.params.name);
    if (labels !== undefined) host = await book.relabel(name, labels, who);
    if (cordoned === null) host = await book.uncordon(name, who);
    else if (cordoned !== undefined) host = await book.cordon(name, cordoned.reason, who);
    return { ...host, name };
  });

  api.post<{ Params: HostParams }>('/hosts/:name/check', async (request) => {
    requireAdmin(request);
    const { name } = await book.get(request.params.name);
    return deployer.checkHost(name);
  });

  api.delete<{ Params: HostParams; Querystring: { force?: Query } }>('/hosts/:name', async (request) => {
    const { name: who } = requireAdmin(request);
    const { name } = await book.get(request.params.name);
    const force = wholeNumber(request.query.force, 'force', { min: 0, max: 1, absent: 0 }) === 1;
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
    return deployer.removeHost(name, who);
  });

  api.get('/host-key', async (request) => {
    requireAdmin(request);
    return deployer.hostKey();
  });

  api.post('/host-preparations', async (request, reply) => {
    requireAdmin(request);
    const output = await deployer.prepareHost(parseBody(Preparation, request.body));
    const sent = reply.type('application/x-ndjson').header('x-accel-buffering', 'no').send(output);
    reply.raw.flushHeaders();
    return sent;
  });

  api.get<{ Params: AppParams }>('/apps/:app/placement', async (request) => {
    const app = await requireApp(tools, request, request.params.app);
    return placementView(tools, await tools.ledger.read(app));
  });

  api.put<{ Params: AppParams }>('/apps/:app/placement', async (request, reply) => {
    const app = await requireApp(tools, request, request.params.app);
    const { name: who } = requireAdmin(request);
    const placement = checkPlacement(parseBody(NewPlacement, request.body).placement ?? undefined);
    const deployment = await turns.take(app, () => requestPlacement(tools, app, placement, who));
    if (deployment !== undefined) return reply.code(202).send({ build: buildView(deployment) });
    return placementView(tools, await tools.ledger.read(app));
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

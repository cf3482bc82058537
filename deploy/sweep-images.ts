/**
 * Removes from the hosts the images of releases that were let go (src/model/retention.ts), and of destroyed apps. Only images that the
 * platform's own ledgers name, by digest; one that a container uses the engine itself refuses to remove. A host that is silent
 * is swept when it is back.
 *
 * Of an app with a rollout under way nothing is removed, and in this process none begins meanwhile: it would miss the image that it has
 * just found on the host.
 */
import type { FastifyInstance } from 'fastify';
import type { HostSweep, HostsSweep } from '../src/api/deployer-client.js';
import { SlipwayError, toSlipwayError } from '../src/errors.js';
import { checkAppName } from '../src/model/app.js';
import { imageRepository } from '../src/model/image-repository.js';
import type { ReleaseImage } from '../src/model/release.js';
import { dispensableReleases, imageKey, neededImages, withoutReleases } from '../src/model/retention.js';
import { whileItAnswers } from './answering.js';
import type { Host } from './hosts.js';
import type { DeployerParts } from './parts.js';
import { isSwarm } from './swarm/target.js';
import type { DockerTarget } from './targets/docker.js';
import type { HeldImage } from './targets/held-images.js';

export interface SweepParts extends Pick<DeployerParts, 'ledger' | 'store' | 'hosts' | 'turns' | 'log'> {
  /** Good releases that stay, where the app has no number of its own. */
  readonly keepReleases: number;
}

export interface ImageSweepOptions {
  /** Nothing is removed; what the next sweep of the registry would let go counts. */
  readonly dryRun: boolean;
  /** Of one app only. */
  readonly app?: string;
  readonly signal: AbortSignal;
}

export function sweepRoutes(server: FastifyInstance, parts: SweepParts): void {
  server.post<{ Querystring: { 'dry-run'?: string; app?: string } }>(
    '/image-sweeps',
    async (request): Promise<HostsSweep> => {
      const { 'dry-run': dryRun, app } = request.query;
      return sweepImages(parts, {
        dryRun: dryRun !== '0',
        ...(app === undefined ? {} : { app: checkAppName(app) }),
        signal: AbortSignal.timeout(SWEEP_MS),
      });
    },
  );
}

const SWEEP_MS = 10 * 60_000;

/** All hosts side by side. */
export async function sweepImages(parts: SweepParts, options: ImageSweepOptions): Promise<HostsSweep> {
  const marked = await markImages(parts, options);
  const hosts = (await parts.hosts.list()).map(async (host): Promise<HostSweep> => {
    try {
      return await whileItAnswers(host.target, options.signal, (signal) =>
        sweepHost(parts, host, marked, { ...options, signal }),
      );
    } catch (thrown) {
      options.signal.throwIfAborted();
      const { code, message } = toSlipwayError(thrown);
      if (code === 'internal') throw thrown;
      return { host: host.name, images: 0, bytes: 0, apps: [], silent: message };
    }
  });
  return { hosts: await Promise.all(hosts) };
}

/** Image to app, of what may go. */
type Marked = ReadonlyMap<string, string>;

async function markImages(
  { ledger, keepReleases }: SweepParts,
  { dryRun, app: only }: ImageSweepOptions,
): Promise<Marked> {
  const apps = await ledger.listApps();
  const states = await Promise.all(
    apps.map(async (app) => {
      const state = await ledger.read(app);
      return dryRun ? withoutReleases(state, dispensableReleases(state, keepReleases)) : state;
    }),
  );
  const needed = neededImages(states);
  const marked = new Map<string, string>();
  // What is destroyed is kept for a while in case it was a mistake, and is pulled again then.
  for (const { settings, releases } of [...(await ledger.listDestroyed()), ...states])
    for (const { image } of releases)
      if (isOwn(settings.name, image) && !needed.has(imageKey(image)))
        if (only === undefined || only === settings.name) marked.set(imageKey(image), settings.name);
  return marked;
}

function isOwn(app: string, image: ReleaseImage): boolean {
  return image.repository === imageRepository(app);
}

async function sweepHost(
  parts: SweepParts,
  { name, target }: Host,
  marked: Marked,
  { dryRun, signal }: ImageSweepOptions,
): Promise<HostSweep> {
  // Only each node could remove its images, and the manager is all that we reach.
  if (isSwarm(target)) return { host: name, images: 0, bytes: 0, apps: [] };
  const byApp = new Map<string, { images: number; bytes: number }>();
  const held = await target.heldImages({ signal, isWanted: (image) => marked.has(imageKey(image)) });
  for (const one of held) {
    signal.throwIfAborted();
    const app = marked.get(imageKey(one.image)) ?? '';
    if (one.containers > 0 || !(dryRun || (await remove(parts, app, target, one, signal)))) continue;
    const sum = byApp.get(app) ?? { images: 0, bytes: 0 };
    byApp.set(app, { images: sum.images + 1, bytes: sum.bytes + one.ownBytes });
  }
  const apps = [...byApp].map(([app, sum]) => ({ app, ...sum })).sort((a, b) => (a.app < b.app ? -1 : 1));
  return {
    host: name,
    images: apps.reduce((sum, { images }) => sum + images, 0),
    bytes: apps.reduce((sum, { bytes }) => sum + bytes, 0),
    apps,
  };
}

/** In the app's turn, decided anew. */
function remove(
  { ledger, store, turns }: SweepParts,
  app: string,
  target: DockerTarget,
  { image }: HeldImage,
  signal: AbortSignal,
): Promise<boolean> {
  return turns.take(app, async () => {
    if ((await store.open(app)).some(({ release }) => release !== undefined)) return false;
    const state = await ledger.read(app).catch((thrown: unknown) => {
      if (thrown instanceof SlipwayError && thrown.code === 'not_found') return undefined;
      throw thrown;
    });
    if (state !== undefined && neededImages([state]).has(imageKey(image))) return false;
    return target.removeImage(image, { signal });
  });
}

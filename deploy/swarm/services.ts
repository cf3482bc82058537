/**
 * The services of one release in a Swarm: made where they are missing, put back where somebody changed them, removed where they do not
 * fit. Everything here may be done twice, and by two deployers at once.
 */

import { WEB_TYPE } from '../../src/model/process.js';
import type { ReleaseProcess, ReleaseWithOutcome } from '../../src/model/release.js';
import type { DeployerParts } from '../parts.js';
import { placeInstances } from '../placement.js';
import { isOf } from '../plan.js';
import { portOf } from '../targets/documents.js';
import { freePort } from '../targets/network.js';
import {
  type Node,
  type Placed,
  placedBy,
  type Seen,
  type Service,
  type ServiceSpec,
  type ServiceWish,
  serviceSpec,
} from './documents.js';
import { serviceHealthcheck } from './healthcheck.js';
import { type SecretReference, secretName, secretReference, surroundingsOf } from './secrets.js';
import type { SwarmTarget } from './target.js';

const NANOSECONDS_PER_MS = 1e6;

export type ServiceParts = Pick<DeployerParts, 'ledger' | 'config'>;

/** True when something had to be done. The manager must have the image. */
export async function putServices(
  { ledger, config }: ServiceParts,
  target: SwarmTarget,
  app: string,
  release: ReleaseWithOutcome,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { signal };
  const seen = await target.see(app, options);
  const { keep, misfits, missing } = planServices(target.host, release, seen);
  for (const { ID } of misfits) await target.remove(ID, options);
  const image = await target.imageConfig(release.image);
  const { env, files } = surroundingsOf(ledger.revealConfig(app, release.config));
  const secrets =
    missing.length === 0 ? [] : await putSecrets(target, app, release.deploymentId, files, signal);
  const network = await target.ensureNetwork(app, options);
  const wishOf = (run: Run, published: number | undefined): ServiceWish => {
    const { command, resources, checks } = processOf(release, run.process);
    const usual = hasCheck(image)
      ? { intervalMs: (image.Healthcheck?.Interval ?? 0) / NANOSECONDS_PER_MS }
      : undefined;
    const healthcheck = serviceHealthcheck(run.process, checks, config.limits.healthTimeoutMs) ?? usual;
    return {
      ...run,
      platform: target.platform,
      app,
      release: release.number,
      deployment: release.deploymentId,
      image: target.reference(release.image),
      port: portOf(image, env),
      env,
      secrets,
      network,
      graceMs: config.limits.stopGraceMs,
      ...(published === undefined ? {} : { published }),
      ...(command === undefined ? {} : { command }),
      ...(resources === undefined ? {} : { resources }),
      ...(healthcheck === undefined ? {} : { healthcheck }),
    };
  };
  let changed = misfits.length > 0;
  for (const { service, placed } of keep) {
    const spec = putBack(service, serviceSpec(wishOf(placed, placed.published)));
    if (spec !== undefined) changed = (await target.update(service, spec, options)) || changed;
  }
  if (missing.length === 0) return changed;
  const used = await target.publishedPorts(options);
  for (const run of missing) {
    const published = run.process === WEB_TYPE ? freePort(used) : undefined;
    if (published !== undefined) used.add(published);
    await target.create(serviceSpec(wishOf(run, published)), options);
  }
  return true;
}

async function putSecrets(
  target: SwarmTarget,
  app: string,
  deployment: string,
  files: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<SecretReference[]> {
  const putting = [...files].map(async ([variable, value]) => {
    const name = secretName(target.platform, deployment, variable);
    const id = await target.ensureSecret({ name, app, deployment, value }, { signal });
    return secretReference(id, name, variable);
  });
  return Promise.all(putting);
}

/** The release's services that are there, whether they fit or not. */
export function servicesOf(release: ReleaseWithOutcome, { services }: Seen): Service[] {
  return services.filter((service) => {
    const placed = placedBy(service);
    return placed !== undefined && isOf(placed, release);
  });
}

/** `web.1` to `web.3`. */
export interface Run {
  readonly process: string;
  readonly first: number;
  readonly count: number;
}

export interface ServicePlan {
  readonly keep: readonly { readonly service: Service; readonly placed: Placed }[];
  readonly misfits: readonly Service[];
  readonly missing: readonly Run[];
}

/**
 * One service for each process type. One whose port is published has one instance on each node at most, which is also what keeps
 * them apart: for more instances than nodes, there are several.
 */
export function planServices(host: string, release: ReleaseWithOutcome, seen: Seen): ServicePlan {
  const wanted = new Map<string, Set<number>>();
  for (const one of placeInstances(release)) {
    if (one.host !== host) continue;
    wanted.set(one.process, (wanted.get(one.process) ?? new Set()).add(one.number));
  }
  const keep: { service: Service; placed: Placed }[] = [];
  const misfits: Service[] = [];
  for (const service of servicesOf(release, seen)) {
    const placed = placedBy(service);
    const open = placed === undefined ? undefined : wanted.get(placed.process);
    const numbers =
      placed === undefined ? [] : Array.from({ length: placed.count }, (_, index) => placed.first + index);
    if (placed === undefined || open === undefined || !numbers.every((number) => open.has(number))) {
      misfits.push(service);
      continue;
    }
    for (const number of numbers) open.delete(number);
    keep.push({ service, placed });
  }
  const nodes = Math.max(1, seen.nodes.filter(canRun).length);
  const missing = [...wanted].flatMap(([process, numbers]) =>
    runsOf([...numbers], process === WEB_TYPE ? nodes : Number.POSITIVE_INFINITY).map((run) => ({
      process,
      ...run,
    })),
  );
  return { keep, misfits, missing };
}

/** Numbers that follow each other, at most so many in one. */
function runsOf(numbers: readonly number[], longest: number): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === number && last.count < longest) last.count += 1;
    else runs.push({ first: number, count: 1 });
  }
  return runs;
}

export function canRun({ Status, Spec }: Node): boolean {
  return Status.State === 'ready' && (Spec.Availability ?? 'active') === 'active';
}

/** What the service should be again; undefined when it is. */
export function putBack({ Spec: now }: Service, wanted: ServiceSpec): ServiceSpec | undefined {
  const container = { ...now.TaskTemplate.ContainerSpec };
  const should = wanted.TaskTemplate.ContainerSpec;
  const isRight =
    now.Mode?.Replicated?.Replicas === wanted.Mode?.Replicated?.Replicas &&
    container.Image === should?.Image &&
    sameList(container.Args, should?.Args) &&
    sameList(container.Env, should?.Env);
  if (isRight) return undefined;
  const changed = { ...container, ...should };
  if (should?.Args === undefined) delete (changed as { Args?: unknown }).Args;
  return {
    ...now,
    ...(wanted.Mode === undefined ? {} : { Mode: wanted.Mode }),
    TaskTemplate: {
      ...now.TaskTemplate,
      ContainerSpec: changed as ServiceSpec['TaskTemplate']['ContainerSpec'] & object,
    },
  };
}

function sameList(a: readonly string[] | null | undefined, b: readonly string[] | null | undefined): boolean {
  return JSON.stringify(a ?? []) === JSON.stringify(b ?? []);
}

function processOf({ processes }: ReleaseWithOutcome, type: string): Partial<ReleaseProcess> {
  return processes.find((process) => process.type === type) ?? {};
}

function hasCheck({ Healthcheck }: { Healthcheck?: { Test?: string[] | undefined } | undefined }): boolean {
  const [kind] = Healthcheck?.Test ?? [];
  return kind === 'CMD' || kind === 'CMD-SHELL';
}

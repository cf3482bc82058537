/**
 * A release that is what runs already (an empty commit, a rollback to the same image, a config var set to what it was) goes
 * live without new containers: those of the live release are its own from then on. See decision 18.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AppState } from '../src/ledger/app-documents.js';
import type { Ledger } from '../src/ledger/ledger.js';
import { WEB_TYPE } from '../src/model/process.js';
import type { Release } from '../src/model/release.js';
import { withTargetOf } from './answering.js';
import { passStill } from './checks.js';
import { withApp } from './edge/state.js';
import { lookAround } from './everywhere.js';
import { checksOf } from './instances.js';
import { hostOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf } from './placement.js';
import { plan } from './plan.js';
import { probe } from './probe.js';
import type { Container } from './targets/container.js';

export interface Adoption {
  /** The deployments whose containers go on. */
  readonly containersOf: readonly string[];
  /** What else of the app is about. */
  readonly old: readonly Container[];
}

/** A container that does not answer by then is better replaced. */
const ANSWER_MS = 1000;

/**
 * Undefined unless all that the release wants runs, does its work and gets the requests: otherwise, new containers make good
 * what is wrong with the ones that are there.
 */
export async function findAdoption(
  parts: DeployerParts,
  app: string,
  release: Release,
  { releases, live: number }: Pick<AppState, 'releases' | 'live'>,
  signal: AbortSignal,
): Promise<Adoption | undefined> {
  const { fast, ledger, hosts, edge, config, retirements } = parts;
  const live = releases.find((one) => one.number === number);
  // A restart is asked for to have new ones.
  if (release.kind === 'restart') return undefined;
  if (!fast.adopt || live === undefined || !runsTheSame(ledger, app, live, release)) return undefined;
  const { containers } = await lookAround(hosts, app, { signal, needed: hostsOf(live) });
  const { keep, stopped, missing, discard, retire } = plan(containers, live);
  if (stopped.length + missing.length > 0 || keep.length === 0) return undefined;
  if (keep.some(({ id, state }) => state !== 'running' || retirements.has(id))) return undefined;
  const host = hostOf(app, config.appDomain);
  const routed = await edge.state();
  if (withApp(routed, { app, host, servers: serversOfContainers(keep) }) !== routed) return undefined;
  const well = await Promise.all(
    keep.map((container) => doesItsWork(parts, release, container, host, signal)),
  );
  if (well.includes(false)) return undefined;
  return {
    containersOf: [...new Set(keep.map(({ deployment }) => deployment))],
    old: [...discard, ...retire],
  };
}

type Running = Pick<Release, 'image' | 'config' | 'processes' | 'hosts'>;

/** The same image in the same surroundings. Config vars are compared in clear: each encryption looks different. */
function runsTheSame(
  ledger: Pick<Ledger, 'revealConfig'>,
  app: string,
  one: Running,
  other: Running,
): boolean {
  const config = (of: Pick<Release, 'config'>): Record<string, string> => ledger.revealConfig(app, of.config);
  return (
    isDeepStrictEqual(one.image, other.image) &&
    isDeepStrictEqual(one.processes, other.processes) &&
    isDeepStrictEqual(hostsOf(one), hostsOf(other)) &&
    isDeepStrictEqual(config(one), config(other))
  );
}

/** It passed its checks when it was started; this is one look at whether it still would. */
async function doesItsWork(
  { hosts }: Pick<DeployerParts, 'hosts'>,
  release: Release,
  container: Container,
  host: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { id, instance, address } = container;
  const checks = checksOf(release, container);
  return withTargetOf(hosts, container, signal, async (target, end) => {
    const { state, healthcheck, health } = await target.inspect(id, { signal: end });
    if (state !== 'running') return false;
    if (checks.length > 0)
      return passStill(target, container, { checks, host, timeoutMs: ANSWER_MS, signal: end });
    if (healthcheck !== undefined) {
      if (health?.status !== 'starting') return health?.status === 'healthy';
      // The engine itself checks first after a whole interval.
      const { exitCode } = await target.execute(id, healthcheck.argv, { signal: end, timeoutMs: ANSWER_MS });
      return exitCode === 0;
    }
    if (instance.process !== WEB_TYPE) return true;
    if (address === undefined) return false;
    const seen = await probe(address, { host, timeoutMs: ANSWER_MS, signal: end });
    end.throwIfAborted();
    if (seen.kind === 'answered') return seen.status < 500;
    // A published port is taken by the engine's proxy, whoever listens behind it.
    return seen.kind === 'other-protocol' || (seen.kind === 'closed' && !target.publishes);
  });
}

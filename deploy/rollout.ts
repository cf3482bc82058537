/**
 * One rollout: from a release to running containers that get the app's requests (steps 7 and 8 of a push's way). Every step may
 * be repeated, so that a deployer that takes over after a `kill -9` begins anew and ends the same.
 *
 *   check branch and registry → pull → release phase → start → check → switch → live in the ledger → branch → ended live → retire the old
 *
 * Each step up to the switch is taken on all hosts side by side, and the next one begins when all have done it: so requests go
 * to the old release everywhere or to the new one. What fails before "live in the ledger", on whichever host, is reverted on
 * all of them; what fails after it is only logged. A deployer that lost its
 * lease or its claim stops without touching anything more: whoever has it now does the rest.
 */
import { describeError, SlipwayError, toSlipwayError } from '../src/errors.js';
import { checkFastForward } from '../src/git/fast-forward.js';
import type { AppState } from '../src/ledger/app-documents.js';
import { BuildLog } from '../src/logs/log-writer.js';
import { seconds } from '../src/logs/seconds.js';
import type { Deployment, FinalState } from '../src/model/deployment.js';
import { LOCAL_HOST } from '../src/model/host.js';
import { lastGoodBefore, type ReleaseWithOutcome } from '../src/model/release.js';
import type { Claim } from '../src/records/deployments.js';
import { stopWhenCancelled } from '../src/records/stop-when-cancelled.js';
import { type Adoption, findAdoption } from './adopt.js';
import { branchOf, moveBranch } from './branch.js';
import { type EdgeServer, serversOf, withApp } from './edge/state.js';
import { isSilence, lookAround, onEachHost, onHost } from './everywhere.js';
import { HostReport } from './host-report.js';
import type { Host } from './hosts.js';
import { checkInstances, keepInstances, startInstances } from './instances.js';
import { hostOf, urlOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf, type PlacedInstance } from './placement.js';
import { plan } from './plan.js';
import { redactor } from './redact.js';
import { hasReleasePhase, runReleasePhase } from './release-phase.js';
import { reportSuccess } from './report.js';
import { revert, tellLastWords } from './revert.js';
import { startServices } from './swarm/converge.js';
import { isSwarm } from './swarm/target.js';
import type { Container } from './targets/container.js';
import type { DockerTarget } from './targets/docker.js';

/** Ends the deployment in one final state, unless the lease or the claim is lost. A failure is a result, not an exception. */
export async function rollOut(
  parts: DeployerParts,
  deployment: Deployment,
  claim: Claim,
  lease: AbortSignal,
): Promise<void> {
  const { store, config, log: processLog } = parts;
  const { app, id } = deployment;
  const log = await BuildLog.open(store.logPath(app, id), config.limits);
  const stop = new AbortController();
  const until = AbortSignal.any([lease, stop.signal]);
  const watching = stopWhenCancelled(parts, deployment, claim, { stop, until, lost });
  try {
    await new Rollout(parts, deployment, claim, log, lease, stop.signal).run();
  } finally {
    stop.abort();
    await watching;
    await log
      .close()
      .catch((error: unknown) => processLog.warn({ err: error, app, id }, 'the end of a log was lost'));
  }
}

class Rollout {
  readonly #parts: DeployerParts;
  readonly #deployment: Deployment;
  readonly #claim: Claim;
  readonly #log: BuildLog;
  readonly #lease: AbortSignal;
  readonly #signal: AbortSignal;
  /** The ledger when the rollout began. */
  #before: AppState | undefined;
  readonly #onHosts = new HostReport();
  /** Hosts that were needed and did not answer. */
  readonly #silent = new Map<string, SlipwayError>();
  /** Where requests went before the switch. */
  #routedBefore: readonly EdgeServer[] = [];
  /** The phases that are over, on their way into the journal while the next one is under way. */
  #noted: Promise<unknown> = Promise.resolve();
  /** What goes into the log passes through this. */
  #redact: (text: string) => string = (text) => text;

  constructor(
    parts: DeployerParts,
    deployment: Deployment,
    claim: Claim,
    log: BuildLog,
    lease: AbortSignal,
    cancelled: AbortSignal,
  ) {
    this.#parts = parts;
    this.#deployment = deployment;
    this.#claim = claim;
    this.#log = log;
    this.#lease = lease;
    this.#signal = AbortSignal.any([lease, cancelled]);
  }

  async run(): Promise<void> {
    const { app } = this.#deployment;
    let old: readonly Container[];
    try {
      old = await this.#goLive();
    } catch (thrown) {
      return this.#failed(this.#signal.aborted ? this.#signal.reason : thrown);
    }
    await this.#finish();
    this.#parts.retirements.begin(this.#parts, app, old);
  }

  /** Resolves with the containers that are not needed any more, when the ledger says that the release is live. */
  async #goLive(): Promise<readonly Container[]> {
    const { app } = this.#deployment;
    const state = await this.#parts.ledger.read(app);
    const release = findRelease(this.#deployment, state);
    this.#before = state;
    this.#redact = redactor(this.#parts.ledger.revealConfig(app, release.config));
    if (release.outcome?.state === 'live') return (await this.#plan(release)).retire;
    await this.#log.headline(`Releasing v${release.number} of ${app}`);
    refuseOvertaken(release, state);
    const { push } = this.#deployment;
    if (push !== undefined) await checkFastForward(this.#parts.repositories, app, push);
    await this.#pull(release);
    await this.#releasePhase(release, state);
    const running = await this.#adopt(release, state);
    if (running !== undefined) {
      await this.#record(release, running.containersOf);
      return running.old;
    }
    const { containers, old } = await this.#start(release);
    await this.#check(release, containers);
    await this.#switch(release, containers);
    await this.#record(release);
    return old;
  }

  async #pull(release: ReleaseWithOutcome): Promise<void> {
    await this.#phase('pull', async () => {
      const [found, pulled] = await Promise.allSettled([
        this.#checkRegistry(release),
        this.#everywhere(release, async ({ name, target }, signal) => {
          const isNew = await target.pull(release.image, { signal });
          this.#onHosts.note(name, isNew ? 'pulled' : 'has the image');
          return isNew ? [name] : [];
        }),
      ]);
      if (found.status === 'rejected') throw found.reason;
      if (pulled.status === 'rejected') throw pulled.reason;
      const { repository, digest } = release.image;
      const names = pulled.value.flat();
      if (names.length === 0) return `the image is${where(hostsOf(release), ' on the host')} already`;
      return `pulled ${this.#parts.config.registry.host}/${repository}@${digest}${where(names, '')}`;
    });
  }

  /** Also what the hosts have already must be in the registry, or the next host or rollback would be out of luck. */
  async #checkRegistry(release: ReleaseWithOutcome): Promise<void> {
    const { registry, config } = this.#parts;
    const { image, number } = release;
    const place = { registry: config.registry.host, repository: image.repository };
    try {
      if ((await registry.headManifest(place, image.digest, this.#signal)) !== undefined) return;
    } catch (error) {
      this.#signal.throwIfAborted();
      const { code, message } = toSlipwayError(error);
      if (code !== 'registry_unavailable') throw error;
      const found = await this.#everywhere(release, ({ target }) => target.has(image));
      if (found.includes(false)) throw error;
      await this.#log.body(
        `${message}; going on with the image that is${where(hostsOf(release), ' on the host')}`,
      );
      return;
    }
    throw new SlipwayError('release_unusable', `the image of v${number} is not in the registry any more`, {
      where: `${place.registry}/${image.repository}@${image.digest}`,
      hint: 'push the commit again to build it anew',
    });
  }

  async #releasePhase(release: ReleaseWithOutcome, { releases }: AppState): Promise<void> {
    if (!hasReleasePhase({ release, releases })) return;
    await this.#stillOurs();
    const phase = {
      app: this.#deployment.app,
      release,
      releases,
      target: await this.#engineFor(release),
      log: this.#log,
      redact: this.#redact,
      signal: this.#signal,
    };
    await this.#phase('release phase', () => runReleasePhase(this.#parts, phase));
  }

  /** One that runs a single container: of the release's hosts the first, or our own where that is a Swarm. */
  async #engineFor(release: ReleaseWithOutcome): Promise<DockerTarget> {
    const { hosts } = this.#parts;
    const [name = release.hosts?.[0] ?? LOCAL_HOST] = hostsOf(release);
    for (const each of [name, LOCAL_HOST]) {
      const { target } = await hosts.get(each);
      if (!isSwarm(target)) return target;
    }
    throw new SlipwayError('internal', `${LOCAL_HOST} is a Swarm`);
  }

  /** Undefined when containers have to be started. */
  async #adopt(release: ReleaseWithOutcome, state: AppState): Promise<Adoption | undefined> {
    const found = await findAdoption(this.#parts, this.#deployment.app, release, state, this.#signal);
    if (found === undefined) return undefined;
    return this.#phase('start', async () => [
      found,
      `it runs already: v${state.live} has the same image, config and processes`,
    ]);
  }

  async #start(release: ReleaseWithOutcome): Promise<{ containers: Container[]; old: readonly Container[] }> {
    return this.#phase('start', async () => {
      const { keep, stopped, missing, discard, retire: old } = await this.#plan(release);
      await this.#stillOurs();
      const onSwarms = new Set<string>();
      const instances = [...missing, ...stopped.map(({ host, instance }) => ({ ...instance, host }))];
      const started = await this.#everywhere(release, async (host, signal) => {
        const { target } = host;
        const isHere = (one: { readonly host: string }): boolean => one.host === host.name;
        if (isSwarm(target)) {
          onSwarms.add(host.name);
          const tasks = await startServices(this.#parts, target, this.#deployment.app, release, signal);
          this.#onHosts.note(host.name, `started ${tasks.map(nameTask).join(', ')}`);
          return tasks;
        }
        // One that stopped in a rollout that was cut off did not pass its checks.
        const useless = [...discard, ...stopped].filter(isHere);
        await Promise.all(useless.map(({ id }) => target.remove(id, { signal })));
        const here = instances.filter(isHere);
        if (here.length === 0) return [];
        const { app } = this.#deployment;
        const containers = await startInstances(this.#parts, target, app, release, here, { signal });
        this.#onHosts.note(host.name, `started ${here.map(nameInstance).join(', ')}`);
        return containers;
      });
      const said = instances.length === 0 ? nothingStarted(keep) : `started ${nameInstances(instances)}`;
      return [
        { containers: [...keep.filter(({ host }) => !onSwarms.has(host)), ...started.flat()], old },
        said,
      ];
    });
  }

  async #check(release: ReleaseWithOutcome, containers: readonly Container[]): Promise<void> {
    await this.#phase('check', async () => {
      const seen = await this.#everywhere(release, async (host, signal) => {
        const here = containers.filter((container) => container.host === host.name);
        const how = await checkInstances(this.#parts, host, release, here, signal);
        this.#onHosts.note(host.name, 'healthy');
        return how;
      });
      return [...new Set(seen.flat())].join(', ') || 'there is nothing to check';
    });
    for (const line of this.#onHosts.lines()) await this.#log.body(line);
  }

  /** From here on a wish to cancel comes too late. */
  async #switch(release: ReleaseWithOutcome, containers: readonly Container[]): Promise<void> {
    await this.#phase('switch', async () => {
      const { edge, config } = this.#parts;
      const { app } = this.#deployment;
      const wanted = { app, host: hostOf(app, config.appDomain), servers: serversOfContainers(containers) };
      // The engines need as long to take note as the edge to turn.
      const [turned, kept] = await Promise.allSettled([
        edge.change(
          (state) => {
            this.#routedBefore = serversOf(state, app);
            return withApp(state, wanted);
          },
          () => this.#stillOurs(),
        ),
        this.#everywhere(release, (host, signal) =>
          keepInstances(
            host,
            containers.filter((container) => container.host === host.name),
            signal,
          ),
        ),
      ]);
      if (turned.status === 'rejected') throw turned.reason;
      if (kept.status === 'rejected') throw kept.reason;
      return wanted.servers.length === 0 ? 'nothing of it takes requests' : 'requests go to it';
    });
  }

  /** Side by side on the hosts that the release needs. */
  #everywhere<T>(
    release: ReleaseWithOutcome,
    work: (host: Host, signal: AbortSignal) => Promise<T>,
  ): Promise<T[]> {
    const onFailure = (name: string, error: SlipwayError): void => {
      this.#onHosts.failed(name, error);
      if (isSilence(error)) this.#silent.set(name, error);
    };
    return onEachHost(this.#parts.hosts, hostsOf(release), { signal: this.#signal, onFailure }, work);
  }

  /** The commit point. */
  async #record(release: ReleaseWithOutcome, containersOf?: readonly string[]): Promise<void> {
    const { ledger } = this.#parts;
    const { app } = this.#deployment;
    await this.#noted;
    await this.#stillOurs();
    const outcome = await ledger.recordOutcome(app, release.number, {
      state: 'live',
      at: new Date().toISOString(),
      ...(containersOf === undefined ? {} : { containersOf }),
    });
    if (outcome.state === 'live') return;
    const code = outcome.state === 'failed' ? 'release_unusable' : outcome.state;
    throw new SlipwayError(code, outcome.reason ?? `v${release.number} was ${outcome.state} meanwhile`);
  }

  /** The release is live, whatever goes wrong here. */
  async #finish(): Promise<void> {
    const { store, ledger, config, log } = this.#parts;
    const { app, id } = this.#deployment;
    const now = await ledger.read(app);
    const release = findRelease(this.#deployment, now);
    try {
      if (now.live === release.number)
        await moveBranch(this.#parts, app, branchOf(this.#deployment, now), release.source);
    } catch (error) {
      const { message } = toSlipwayError(error);
      log.error({ err: error, app, id }, 'the deploy branch was not moved');
      await this.#log.problem(`the branch could not be moved: ${message}`);
    }
    const deployment = (await store.get(app, id)) ?? this.#deployment;
    const before = this.#before?.live === release.number ? undefined : this.#before?.live;
    const success = {
      app,
      release,
      url: urlOf(app, config),
      // A deployer that takes over after the commit point finds the release live already.
      previous:
        now.releases.find(({ number }) => number === before) ?? lastGoodBefore(now.releases, release.number),
      deployment,
      now: Date.now(),
    };
    for (const { style, text } of reportSuccess(success)) await this.#log[style](text);
    await this.#end('live');
  }

  async #failed(thrown: unknown): Promise<void> {
    const { ledger, log } = this.#parts;
    const { app, id } = this.#deployment;
    await this.#noted.catch(() => undefined);
    const error = toSlipwayError(thrown);
    const guard = (): Promise<void> => this.#stillOurs();
    try {
      await guard();
      if (error.code === 'internal') log.error({ err: thrown, app, id }, 'a rollout failed inside Slipway');
      const { releases, live } = await ledger.read(app);
      const release = releases.find((one) => one.number === this.#deployment.release);
      // The commit was made and only its answer was lost.
      if (release?.outcome?.state === 'live') return await this.#finish();
      const [reason = error.message, ...more] = describeFailure(error, id).map(this.#redact);
      const state = error.code === 'cancelled' || error.code === 'superseded' ? error.code : 'failed';
      if (release !== undefined) {
        const serving = releases.find((one) => one.number === live);
        const failed = {
          app,
          release,
          live: serving,
          routedBefore: this.#routedBefore,
          silent: this.#silent,
          guard,
        };
        if (error.code === 'unhealthy') await tellLastWords(this.#parts, this.#log, failed, this.#redact);
        this.#onHosts.reverted(await revert(this.#parts, failed));
        for (const line of this.#onHosts.lines()) await this.#log.body(this.#redact(line));
        await guard();
        await ledger.recordOutcome(app, release.number, { state, at: new Date().toISOString(), reason });
      }
      const rest = live === undefined ? `${app} has no live release yet` : `v${live} keeps serving`;
      for (const line of [reason, ...more, rest]) await this.#log.problem(line);
      await this.#end(state, { reason, code: error.code });
    } catch (second) {
      if (await this.#isOurs()) throw second;
      log.warn({ app, id, code: error.code, err: error.message }, 'a rollout is left to another deployer');
    }
  }

  async #end(state: FinalState, why: { reason?: string; code?: string } = {}): Promise<void> {
    const { store, log } = this.#parts;
    const { app, id } = this.#deployment;
    await this.#log
      .flush()
      .catch((error: unknown) => log.warn({ err: error, app, id }, 'lines of a log were lost'));
    await store.end(app, id, { state, ...why, claim: this.#claim.token });
  }

  /** Throws when a host that the release needs does not answer. The reconciler clears the others when they are back. */
  async #plan(release: ReleaseWithOutcome): Promise<ReturnType<typeof plan>> {
    const { hosts } = this.#parts;
    const needed = hostsOf(release);
    const options = { signal: this.#signal, needed };
    const { containers, silent } = await lookAround(hosts, this.#deployment.app, options);
    for (const [name, error] of silent) {
      if (needed.includes(name)) {
        this.#onHosts.failed(name, error);
        throw onHost(name, error);
      }
      await this.#log.body(
        `${name} does not answer: what it runs of ${this.#deployment.app} is stopped when it is back`,
      );
    }
    return plan(containers, release);
  }

  /** Asked before everything that others would see. Throws when the lease or the claim is lost. */
  async #stillOurs(): Promise<void> {
    if (!(await this.#isOurs())) throw lost();
  }

  async #isOurs(): Promise<boolean> {
    return !this.#lease.aborted && (await this.#claim.isCurrent().catch(() => false));
  }

  /** Times the work, and says in the log what came of it. Begins nothing after a cancel. */
  async #phase<T = void>(name: string, work: () => Promise<string | readonly [T, string]>): Promise<T> {
    this.#signal.throwIfAborted();
    const startedAt = performance.now();
    const done = await work();
    const [result, said] = typeof done === 'string' ? [undefined as T, done] : done;
    const ms = Math.round(performance.now() - startedAt);
    await this.#log.body(`${this.#redact(said)} (${name} ${seconds(ms)})`);
    const { app, id } = this.#deployment;
    const event = { type: 'phase', at: Date.now(), claim: this.#claim.token, name, ms } as const;
    this.#noted = this.#noted.then(() => {
      this.#lease.throwIfAborted();
      return this.#parts.store.append(app, id, event);
    });
    // Whoever waits for it is told.
    this.#noted.catch(() => undefined);
    return result;
  }
}

function nameInstance({ process, number }: PlacedInstance): string {
  return `${process}.${number}`;
}

/** With the node that the Swarm has put it on. */
function nameTask({ instance, address }: Container): string {
  return `${nameInstance({ ...instance, host: '' })}${address === undefined ? '' : ` at ${address.host}`}`;
}

/** `web.1, web.2`, or with more than the local engine `web.1 on a, web.2 on local`: without it, the comma would be misread. */
function nameInstances(instances: readonly PlacedInstance[]): string {
  const isLocal = instances.every(({ host }) => host === LOCAL_HOST);
  return instances.map((one) => `${nameInstance(one)}${isLocal ? '' : ` on ${one.host}`}`).join(', ');
}

/** ` on a, b`; `local` instead when there is only the local engine. */
function where(names: readonly string[], local: string): string {
  return names.every((name) => name === LOCAL_HOST) ? local : ` on ${names.join(', ')}`;
}

function findRelease({ app, release }: Deployment, { releases }: AppState): ReleaseWithOutcome {
  const found = releases.find((one) => one.number === release);
  if (found !== undefined) return found;
  throw new SlipwayError('no_release', `${app} has no release v${release ?? '?'} in its ledger`);
}

/** Of a stopped app, or one that is scaled to nothing, nothing is to run. */
function nothingStarted(keep: readonly Container[]): string {
  return keep.length === 0 ? 'nothing is to run' : 'it runs already';
}

function refuseOvertaken({ number, outcome }: ReleaseWithOutcome, { live }: AppState): void {
  if (live !== undefined && live > number) {
    throw new SlipwayError('superseded', `v${live} is live already`);
  }
  if (outcome !== undefined) {
    throw new SlipwayError(
      'release_unusable',
      `v${number} has ended already: ${outcome.reason ?? outcome.state}`,
    );
  }
}

function describeFailure(error: SlipwayError, id: string): string[] {
  if (error.code !== 'internal') return describeError(error);
  return [
    `Slipway failed to roll out ${id}`,
    'push again; if it stays, the operator finds the reason in the log of the deployer',
  ];
}

function lost(): SlipwayError {
  return new SlipwayError('lease_lost', 'another deployer has taken this rollout over', { temporary: true });
}

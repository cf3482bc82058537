/**
 * One rollout: from a release to running containers that get the app's requests (steps 7 and 8 of a push's way). Every step may
 * be repeated, so that a deployer that takes over after a `kill -9` begins anew and ends the same.
 *
 *   check branch and registry → pull → release phase → [strategy: start, check, switch] → live in the ledger → branch → ended live → retire the old
 *
 * How the new containers take the place of the old ones is the strategy's matter (strategies/). Each step is taken on all hosts side by
 * side, and the next one begins when all have done it. What fails before "live in the ledger", on whichever host, is reverted on
 * all of them; what fails after it is only logged. A deployer that lost its
 * lease or its claim stops without touching anything more: whoever has it now does the rest.
 */
import { supersededBy } from '../src/endings.js';
import { describeError, SlipwayError, toSlipwayError } from '../src/errors.js';
import { checkFastForward } from '../src/git/fast-forward.js';
import type { AppState } from '../src/ledger/app-documents.js';
import { BuildLog } from '../src/logs/log-writer.js';
import { seconds } from '../src/logs/seconds.js';
import type { Deployment, FinalState } from '../src/model/deployment.js';
import { LOCAL_HOST } from '../src/model/host.js';
import {
  instanceName,
  lastGoodBefore,
  type Outcome,
  type ReleaseWithOutcome,
  warmRelease,
} from '../src/model/release.js';
import type { Claim } from '../src/records/deployments.js';
import { stopWhenCancelled } from '../src/records/stop-when-cancelled.js';
import { adoptionOf, findAdoption } from './adopt.js';
import { branchOf, moveBranch } from './branch.js';
import { withApp } from './edge/state.js';
import { isSilence, lookAround, onEachHost, onHost } from './everywhere.js';
import { HostReport } from './host-report.js';
import type { Host } from './hosts.js';
import { hostOf, urlOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { hostsOf } from './placement.js';
import { isOf, plan } from './plan.js';
import { redactor } from './redact.js';
import { hasReleasePhase, runReleasePhase } from './release-phase.js';
import { reportSuccess } from './report.js';
import { revert, tellLastWords } from './revert.js';
import { type Change, changeTo } from './strategies/change.js';
import { type Course, Steps } from './strategies/steps.js';
import { carryOut, refuseOnSwarms } from './strategies/strategy.js';
import { isSwarm } from './swarm/target.js';
import type { Container } from './targets/container.js';

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

interface Planned {
  readonly asLive: ReleaseWithOutcome & { readonly outcome: Outcome };
  readonly change: Change;
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
  /** As soon as there is something to replace. */
  #steps: Steps | undefined;
  /** The phases that are over, on their way into the journal while the next one is under way. */
  #noted: Promise<unknown> = Promise.resolve();
  /** How long each phase took so far, in ms. */
  readonly #spent = new Map<string, number>();
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
    if (release.outcome?.state === 'live')
      return this.#withoutWarm(plan(await this.#look(release), release).retire);
    await this.#log.headline(`Releasing v${release.number} of ${app}`);
    refuseOvertaken(release, state);
    const { push } = this.#deployment;
    if (push !== undefined) await checkFastForward(this.#parts.repositories, app, push);
    await refuseOnSwarms(this.#parts, release, state);
    await this.#pull(release);
    await this.#releasePhase(release, state);
    const planned = await this.#change(release, state);
    if (!(await this.#runsAlready(planned))) await this.#replace(planned);
    await this.#record(planned.asLive);
    return this.#withoutWarm(planned.change.old);
  }

  /** What is kept warm the reconciler retires when its time is over. */
  async #withoutWarm(old: readonly Container[]): Promise<readonly Container[]> {
    const { releases, live } = await this.#parts.ledger.read(this.#deployment.app);
    const serving = releases.find(({ number }) => number === live);
    const warm = warmRelease(serving, releases, Date.now());
    return old.filter((container) => !isOf(container, warm));
  }

  async #replace(planned: Planned): Promise<void> {
    const { adopted } = planned.change;
    if (adopted.length > 0)
      await this.#log.body(`going on as they are: ${adopted.map(nameContainer).join(', ')}`);
    const course = this.#course(planned);
    const steps = new Steps(course);
    this.#steps = steps;
    await carryOut(course, steps);
    for (const line of this.#onHosts.lines()) await this.#log.body(line);
  }

  async #pull(release: ReleaseWithOutcome): Promise<void> {
    await this.#phase('pull', async () => {
      const [found, pulled] = await Promise.allSettled([
        this.#checkRegistry(release),
        this.#everywhere(release, async ({ name, target }, signal) => {
          const [isNew] = await Promise.all([
            target.pull(release.image, { signal }),
            // Of the app's first release it has to be made, which takes its time.
            isSwarm(target) ? undefined : target.ensureNetwork(this.#deployment.app),
          ]);
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
      host: await this.#firstHost(release),
      log: this.#log,
      redact: this.#redact,
      signal: this.#signal,
    };
    await this.#phase('release phase', () => runReleasePhase(this.#parts, phase));
  }

  /** Of the release's hosts the one that runs its release phase. */
  async #firstHost(release: ReleaseWithOutcome): Promise<Host> {
    const [name = release.hosts?.[0] ?? LOCAL_HOST] = hostsOf(release);
    return this.#parts.hosts.get(name);
  }

  /** The release as it will be when it is live, and what has to be done for that. Throws when a host that it needs does not answer. */
  async #change(release: ReleaseWithOutcome, state: AppState): Promise<Planned> {
    const { app } = this.#deployment;
    const adopted = await findAdoption(this.#parts, app, release, state, this.#signal);
    const at = new Date().toISOString();
    const asLive = { ...release, outcome: { state: 'live' as const, at, ...adoptionOf(adopted) } };
    const live = state.releases.find(({ number }) => number === state.live);
    return { asLive, change: changeTo(await this.#look(release), asLive, live) };
  }

  #course({ asLive, change }: Planned): Course {
    return {
      parts: this.#parts,
      app: this.#deployment.app,
      release: asLive,
      change,
      signal: this.#signal,
      onHosts: this.#onHosts,
      phase: (name, work) => this.#phase(name, work),
      everywhere: (work) => this.#everywhere(asLive, work),
      stillOurs: () => this.#stillOurs(),
      stillNewest: () => this.#stillNewest(),
      say: (line) => this.#log.body(line),
    };
  }

  /** All that it wants runs and gets the requests. */
  async #runsAlready({ change: { adopted, fresh } }: Planned): Promise<boolean> {
    if (fresh.length > 0 || adopted.length === 0) return false;
    const { edge, config } = this.#parts;
    const { app } = this.#deployment;
    const wanted = { app, host: hostOf(app, config.appDomain), servers: serversOfContainers(adopted) };
    const routed = await edge.state();
    if (withApp(routed, wanted) !== routed) return false;
    const from = this.#before?.live;
    await this.#phase(
      'start',
      async () => `it runs already: v${from} has the same image, config and processes`,
    );
    return true;
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
  async #record({ number, strategy, outcome: wanted }: Planned['asLive']): Promise<void> {
    const { ledger } = this.#parts;
    const { app } = this.#deployment;
    await this.#noted;
    await this.#stillOurs();
    const now = Date.now();
    const bakeMs = strategy?.name === 'blue-green' ? strategy.bakeMs : undefined;
    const before = this.#before?.live;
    const outcome = await ledger.recordOutcome(app, number, {
      ...wanted,
      at: new Date(now).toISOString(),
      ...(bakeMs === undefined || before === undefined
        ? {}
        : { warm: { release: before, until: new Date(now + bakeMs).toISOString() } }),
    });
    if (outcome.state === 'live') return;
    const code = outcome.state === 'failed' ? 'release_unusable' : outcome.state;
    throw new SlipwayError(code, outcome.reason ?? `v${number} was ${outcome.state} meanwhile`);
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
          routedBefore: this.#steps?.routedBefore,
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
  async #look(release: ReleaseWithOutcome): Promise<readonly Container[]> {
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
    return containers;
  }

  /** Asked before everything that others would see. Throws when the lease or the claim is lost. */
  async #stillOurs(): Promise<void> {
    if (!(await this.#isOurs())) throw lost();
  }

  /** Nobody waits for the end of a bake that would be replaced right after it. */
  async #stillNewest(): Promise<void> {
    const { app, release = 0 } = this.#deployment;
    const open = await this.#parts.store.open(app);
    const newer = open.find((one) => one.state === 'ready' && (one.release ?? 0) > release);
    if (newer !== undefined) throw new SlipwayError('superseded', supersededBy(newer).reason);
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
    // A strategy may come to the same phase several times.
    const sum = (this.#spent.get(name) ?? 0) + ms;
    this.#spent.set(name, sum);
    const event = { type: 'phase', at: Date.now(), claim: this.#claim.token, name, ms: sum } as const;
    this.#noted = this.#noted.then(() => {
      this.#lease.throwIfAborted();
      return this.#parts.store.append(app, id, event);
    });
    // Whoever waits for it is told.
    this.#noted.catch(() => undefined);
    return result;
  }
}

function nameContainer({ release, host, instance }: Container): string {
  return `v${release} ${instanceName(instance)}${host === LOCAL_HOST ? '' : ` on ${host}`}`;
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

/**
 * One rollout: from a release to running containers that get the app's requests (steps 7 and 8 of a push's way). Every step may
 * be repeated, so that a deployer that takes over after a `kill -9` begins anew and ends the same.
 *
 *   check branch and registry → pull → release phase → start → check → switch → live in the ledger → branch → ended live → retire the old
 *
 * What fails before "live in the ledger" is reverted; what fails after it is only logged. A deployer that lost its
 * lease or its claim stops without touching anything more: whoever has it now does the rest.
 */
import { describeError, SlipwayError, toSlipwayError } from '../src/errors.js';
import { checkFastForward } from '../src/git/fast-forward.js';
import type { AppState } from '../src/ledger/app-documents.js';
import { BuildLog } from '../src/logs/log-writer.js';
import { seconds } from '../src/logs/seconds.js';
import type { Deployment, FinalState } from '../src/model/deployment.js';
import { lastGoodBefore, type ReleaseWithOutcome } from '../src/model/release.js';
import type { Claim } from '../src/records/deployments.js';
import { stopWhenCancelled } from '../src/records/stop-when-cancelled.js';
import { type Adoption, findAdoption } from './adopt.js';
import { branchOf, moveBranch } from './branch.js';
import { withApp } from './edge/state.js';
import { checkInstances, keepInstances, startInstances } from './instances.js';
import { hostOf, urlOf } from './names.js';
import { type DeployerParts, serversOfContainers } from './parts.js';
import { plan } from './plan.js';
import { redactor } from './redact.js';
import { hasReleasePhase, runReleasePhase } from './release-phase.js';
import { reportSuccess } from './report.js';
import { revert, tellLastWords } from './revert.js';
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

class Rollout {
  readonly #parts: DeployerParts;
  readonly #deployment: Deployment;
  readonly #claim: Claim;
  readonly #log: BuildLog;
  readonly #lease: AbortSignal;
  readonly #signal: AbortSignal;
  /** The ledger when the rollout began. */
  #before: AppState | undefined;
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
    await this.#check(containers);
    await this.#switch(containers);
    await this.#record(release);
    return old;
  }

  async #pull(release: ReleaseWithOutcome): Promise<void> {
    const { target } = this.#parts;
    await this.#phase('pull', async () => {
      const [found, pulled] = await Promise.allSettled([
        this.#checkRegistry(release),
        target.pull(release.image, { signal: this.#signal }),
      ]);
      if (found.status === 'rejected') throw found.reason;
      if (pulled.status === 'rejected') throw pulled.reason;
      return pulled.value ? `pulled ${target.reference(release.image)}` : 'the image is on the host already';
    });
  }

  /** Also what the host has already must be in the registry, or the next host or rollback would be out of luck. */
  async #checkRegistry({ image, number }: ReleaseWithOutcome): Promise<void> {
    const { registry, config, target } = this.#parts;
    const place = { registry: config.registry.host, repository: image.repository };
    try {
      if ((await registry.headManifest(place, image.digest, this.#signal)) !== undefined) return;
    } catch (error) {
      this.#signal.throwIfAborted();
      const { code, message } = toSlipwayError(error);
      if (code !== 'registry_unavailable' || !(await target.has(image))) throw error;
      await this.#log.body(`${message}; going on with the image that is on the host`);
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
      target: this.#parts.target,
      log: this.#log,
      redact: this.#redact,
      signal: this.#signal,
    };
    await this.#phase('release phase', () => runReleasePhase(this.#parts, phase));
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
      const { target } = this.#parts;
      const { app } = this.#deployment;
      const { keep, stopped, missing, discard, retire: old } = await this.#plan(release);
      await this.#stillOurs();
      // One that stopped in a rollout that was cut off did not pass its checks.
      await Promise.all([...discard, ...stopped].map((container) => target.remove(container.id)));
      const instances = [...missing, ...stopped.map((container) => container.instance)];
      const started = await startInstances(this.#parts, app, release, instances, this.#signal);
      const names = instances.map((instance) => `${instance.process}.${instance.number}`).join(', ');
      return [
        { containers: [...keep, ...started], old },
        names === '' ? nothingStarted(keep) : `started ${names}`,
      ];
    });
  }

  async #check(containers: readonly Container[]): Promise<void> {
    await this.#phase('check', async () => {
      const seen = await checkInstances(this.#parts, containers, this.#signal);
      return [...new Set(seen)].join(', ') || 'there is nothing to check';
    });
  }

  /** From here on a wish to cancel comes too late. */
  async #switch(containers: readonly Container[]): Promise<void> {
    await this.#phase('switch', async () => {
      const { edge, target, config } = this.#parts;
      const { app } = this.#deployment;
      // A published port may have been bound only now.
      const now =
        target.engine.remoteHost === undefined
          ? containers
          : await Promise.all(containers.map((container) => target.get(container.id)));
      const wanted = { app, host: hostOf(app, config.appDomain), servers: serversOfContainers(now) };
      // The engine needs as long to take note as the edge to turn.
      const [turned, kept] = await Promise.allSettled([
        edge.change(
          (state) => withApp(state, wanted),
          () => this.#stillOurs(),
        ),
        keepInstances(this.#parts, now, this.#signal),
      ]);
      if (turned.status === 'rejected') throw turned.reason;
      if (kept.status === 'rejected') throw kept.reason;
      return wanted.servers.length === 0 ? 'nothing of it takes requests' : 'requests go to it';
    });
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
    const previous = this.#before?.live === release.number ? undefined : this.#before?.live;
    const success = {
      app,
      release,
      url: urlOf(app, config),
      // A deployer that takes over after the commit point finds the release live already.
      previous: previous ?? lastGoodBefore(now.releases, release.number)?.number,
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
        const failed = { app, release, live: serving, guard };
        if (error.code === 'unhealthy') await tellLastWords(this.#parts, this.#log, failed, this.#redact);
        await revert(this.#parts, failed);
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

  async #plan(release: ReleaseWithOutcome): Promise<ReturnType<typeof plan>> {
    const containers = await this.#parts.target.list(this.#deployment.app);
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

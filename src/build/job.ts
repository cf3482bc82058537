/**
 * The builder's job for one app: take its newest accepted push, build it, push the image, append the release, and hand
 * over to the deployer. Steps 4 to 6 of a push's way (ARCHITECTURE.md).
 */

import { homePaths } from '../config.js';
import { checkRoom } from '../disk-room.js';
import { excerpt } from '../dockerfile/excerpt.js';
import { supersededBy, supersedeOlder } from '../endings.js';
import { describeError, SlipwayError, toSlipwayError } from '../errors.js';
import { checkFastForward } from '../git/fast-forward.js';
import type { OutsideRepositories } from '../git/outside/outside.js';
import { ImageGate } from '../housekeeping/retention/image-gate.js';
import type { AppState } from '../ledger/app-documents.js';
import type { HostBook } from '../ledger/hosts.js';
import type { ReleaseDraft } from '../ledger/ledger.js';
import { BuildLog } from '../logs/log-writer.js';
import { seconds } from '../logs/seconds.js';
import { buildScope } from '../model/app.js';
import type { CommitSource, Deployment, DeploymentEvent } from '../model/deployment.js';
import { imageRepository } from '../model/image-repository.js';
import { checkContainers, formed } from '../model/process.js';
import type { ReleaseProcess } from '../model/release.js';
import { strategyFor } from '../model/strategy.js';
import { appendNewest, placement } from '../next-release.js';
import type { Queues } from '../queue/queues.js';
import type { Claim } from '../records/deployments.js';
import { stopWhenCancelled } from '../records/stop-when-cancelled.js';
import {
  type AppBuildTools,
  type AppFiles,
  appContext,
  appRemoteCache,
  buildApp,
  DOCKERFILE,
} from './app-build.js';
import { shareCacheMounts } from './app-run-settings.js';
import type { BuildResult } from './build-request.js';
import type { CacheExports } from './cache/cache-exports.js';
import type { RemoteCache } from './cache/remote-cache.js';
import { type CommitFacts, commitFacts } from './commit-facts.js';
import { shownRemote } from './context/git-address.js';
import { EarlyUploads } from './early-uploads.js';
import { pushBuiltImage } from './push-image.js';

export interface BuilderTools extends AppBuildTools {
  readonly hostBook: Pick<HostBook, 'list'>;
  /** Where apps are deployed from that are not pushed here. */
  readonly outside: Pick<OutsideRepositories, 'fetch'>;
  readonly queues: Pick<Queues, 'enqueueBuild' | 'enqueueRollout'>;
  /** Without it nothing is shared with other builders. */
  readonly exports?: CacheExports;
  /** Names this process in claims. */
  readonly by: string;
}

/** Builds the app's newest waiting push; nothing when there is none. A failure of the build is its result, not an exception. */
export async function buildNext(tools: BuilderTools, app: string, lease: AbortSignal): Promise<void> {
  const open = (await tools.store.open(app)).filter(
    (each) => each.state === 'accepted' || each.state === 'building',
  );
  const newest = open.filter((each) => each.kind === 'push').at(-1);
  if (newest === undefined) return;
  await supersedeOlder(tools, newest);
  for (const older of open)
    if (older.state === 'building' && older.id < newest.id) await supersedeAbandoned(tools, older, newest);
  const claim = await tools.store.claim(app, newest.id, 'build', tools.by);
  if (claim === undefined) return;
  await new BuildJob(tools, newest, claim).run(lease);
}

/** Its builder died, or this process would not have the app's only job: nobody will go on with it. */
async function supersedeAbandoned(tools: BuilderTools, older: Deployment, newest: Deployment): Promise<void> {
  const claim = await tools.store.claim(older.app, older.id, 'build', tools.by);
  if (claim === undefined) return;
  await tools.store.end(older.app, older.id, { ...supersededBy(newest), claim: claim.token });
}

/** Showing the line is not worth a longer wait. */
const EXCERPT_MS = 5_000;

class BuildJob {
  readonly #tools: BuilderTools;
  readonly #deployment: Deployment;
  readonly #claim: Claim;

  constructor(tools: BuilderTools, deployment: Deployment, claim: Claim) {
    this.#tools = tools;
    this.#deployment = deployment;
    this.#claim = claim;
  }

  async run(lease: AbortSignal): Promise<void> {
    const { store, config } = this.#tools;
    const { app, id } = this.#deployment;
    const log = await BuildLog.open(store.logPath(app, id), config.limits);
    const stop = new AbortController();
    const signal = AbortSignal.any([lease, stop.signal]);
    const watching = stopWhenCancelled(this.#tools, this.#deployment, this.#claim, {
      stop,
      until: signal,
      lost: takenOver,
    });
    const timer = setTimeout(
      () => stop.abort(timeoutError(config.limits.buildTimeoutMs)),
      config.limits.buildTimeoutMs,
    );
    try {
      await this.#build(log, signal);
    } catch (thrown) {
      const error = toSlipwayError(signal.aborted ? signal.reason : thrown);
      if (lease.aborted || error.code === 'lease_lost') {
        // Whoever has it now builds it and writes its log; this process must not touch it any more.
        this.#tools.log.warn({ build: id }, 'the lease was lost; leaving the build to another builder');
      } else {
        await this.#failed(log, error);
      }
    } finally {
      clearTimeout(timer);
      stop.abort();
      await watching;
      await log
        .close()
        .catch((error) => this.#tools.log.warn({ err: error, build: id }, 'the end of a log was lost'));
    }
  }

  async #build(log: BuildLog, signal: AbortSignal): Promise<void> {
    const { store, queues, config, registry } = this.#tools;
    const { app, id, push } = this.#deployment;
    if (push === undefined) throw new SlipwayError('internal', `build ${id} has no commit`);
    if (push.from !== undefined) await this.#fetch(log, push.newOid, push.from, signal);
    // A push that cannot go live is not worth a build.
    await checkFastForward(this.#tools.repositories, app, push);
    await checkRoom({
      path: this.#tools.builderStore.directory,
      neededBytes: config.buildFreeBytes,
      doing: 'build',
      hint: 'free some space or give SLIPWAY_HOME a larger disk (or lower SLIPWAY_BUILD_FREE_BYTES), then push again; see: slipway retention:run --dry-run',
    });
    const state = await this.#tools.ledger.read(app);
    const path = state.source?.path;
    const objects = this.#tools.objects.reader(this.#tools.repositories.path(app));
    const facts = await commitFacts(objects, push.newOid, path);
    // Until the image is pushed nobody cleans away what it is made of.
    await using _using = await this.#tools.builderStore.running.begin();
    await log.headline(`Building ${push.newOid.slice(0, 7)}${path === undefined ? '' : `, ${path}`}`);
    const remote = this.#remoteCache(log, signal);
    await placement(this.#tools.hostBook, state, formed(facts.declared.processes, state.formation));
    const scope = buildScope(state.settings);
    const { noCache } = push.options;
    await using uploads = this.#earlyUploads(signal);
    const onLayer = uploads === undefined ? {} : { onLayer: uploads.start };
    const build = await this.#phase('build', signal, async () => {
      return buildApp(
        this.#tools,
        { app, scope, id, commit: push.newOid, ...under(path), noCache, remote, log, ...onLayer },
        signal,
      );
    });
    const built = build.result;
    // Written while the image is on its way.
    const timed = store.append(app, id, build.event);
    timed.catch(() => undefined);
    const { cached, total } = built.steps;
    await log.body(`${total} ${total === 1 ? 'step' : 'steps'}, ${cached} cached: ${built.image.digest}`);

    await log.headline('Pushing the image');
    // Until a record names the image, nothing of the app is removed from the registry.
    await using _gate = await new ImageGate(homePaths(config.home).run).push(app, signal);
    const { result: pushed, event } = await this.#phase('push', signal, async () =>
      pushBuiltImage(config, registry, built, app, signal, await uploads?.finished()),
    );
    await timed;
    await log.body(`sent ${megabytes(pushed.pushedBytes)}, ${megabytes(pushed.skippedBytes)} were there`);

    const { token } = this.#claim;
    await store.append(app, id, event, {
      type: 'built',
      at: Date.now(),
      claim: token,
      digest: built.image.digest,
      steps: built.steps,
    });
    const tags = [`git-${push.newOid.slice(0, 12)}`, id];
    if (push.options.buildOnly) {
      await log.final(
        `Built ${built.image.digest} (${cached}/${total} steps cached); nothing was released, as build-only asked`,
      );
      await log.flush();
      await store.end(app, id, { state: 'built', claim: token });
      await this.#nameLater(built, tags);
      this.#export(remote, scope);
      return;
    }
    const release = await this.#release(built, facts);
    signal.throwIfAborted();
    await log.flush();
    await store.append(app, id, { type: 'release', at: Date.now(), claim: token, number: release });
    // The reconciler finds it when the queue cannot be reached now.
    await queues.enqueueRollout(app);
    await this.#nameLater(built, [...tags, `v${release}`]);
    this.#export(remote, scope);
  }

  /** A commit from elsewhere. What its branch is not any more is not deployed: a message that is repeated later takes nothing back. */
  async #fetch(log: BuildLog, commit: string, from: CommitSource, signal: AbortSignal): Promise<void> {
    const { outside, repositories } = this.#tools;
    const { app, id } = this.#deployment;
    const shown = shownRemote(from.remote);
    await log.headline(`Fetching ${from.ref} of ${shown}`);
    const found = await outside.fetch(app, from, signal);
    if (found !== commit)
      throw new SlipwayError(
        'superseded',
        `${from.ref} of ${shown} is at ${found.slice(0, 7)} by now, not at ${commit.slice(0, 7)}`,
        { hint: `to deploy what it is now: slipway git:sync ${shown} -a ${app}` },
      );
    await repositories.pin(app, id, commit);
  }

  #earlyUploads(signal: AbortSignal): EarlyUploads | undefined {
    const { registry, config, builderStore: store } = this.#tools;
    if (!store.fast.upload) return undefined;
    const place = { registry: config.registry.host, repository: imageRepository(this.#deployment.app) };
    return new EarlyUploads(place, { registry, store, signal });
  }

  #remoteCache(log: BuildLog, signal: AbortSignal): RemoteCache | undefined {
    // What is not exported after the build is of no use to others.
    if (this.#tools.exports === undefined) return undefined;
    const note = (text: string): void => void log.body(`  ${text}`).catch(() => undefined);
    return appRemoteCache(this.#tools, this.#deployment.app, note, signal);
  }

  #export(remote: RemoteCache | undefined, scope: string): void {
    const { exports, config } = this.#tools;
    const { app } = this.#deployment;
    if (remote !== undefined) exports?.add(app, remote);
    if (config.shareCacheMounts) {
      exports?.add(app, { export: (_, signal) => shareCacheMounts(this.#tools, { app, scope }, signal) });
    }
  }

  /** The deployer is at work already: nobody waits for a name. */
  async #nameLater(built: BuildResult, tags: readonly string[]): Promise<void> {
    const { exports } = this.#tools;
    if (exports === undefined) await this.#name(built, tags);
    else exports.add(this.#deployment.app, { export: () => this.#name(built, tags) });
  }

  /** Tags in the registry, such as `v12`, are for people; nothing depends on them. */
  async #name({ image }: BuildResult, tags: readonly string[]): Promise<void> {
    const { registry, config, log } = this.#tools;
    const place = { registry: config.registry.host, repository: imageRepository(this.#deployment.app) };
    const naming = tags.map((tag) =>
      registry.tag({ ...place, manifest: image.manifest, tag }).catch((error) => {
        log.warn({ err: error, build: this.#deployment.id, tag }, 'an image has no tag in the registry');
      }),
    );
    await Promise.all(naming);
  }

  async #release(built: BuildResult, { declared, message, author }: CommitFacts): Promise<number> {
    const { ledger, hostBook, config } = this.#tools;
    const { app, id, push, who } = this.#deployment;
    if (!(await this.#claim.isCurrent())) throw takenOver();
    const { processes, releasePhase, cron, strategy: declaredStrategy } = declared;
    const source = push?.newOid ?? '';
    const strategyOf = (state: AppState, as: readonly ReleaseProcess[]): Pick<ReleaseDraft, 'strategy'> => {
      const wanted = push?.options.strategy ?? state.strategy ?? declaredStrategy;
      const strategy = strategyFor('deploy', wanted, as);
      return strategy === undefined ? {} : { strategy };
    };
    const draft = async (state: AppState): Promise<ReleaseDraft> => {
      const as = checkContainers(app, formed(processes, state.formation), config.limits.appContainers);
      return {
        kind: 'deploy',
        image: { repository: imageRepository(app), digest: built.image.digest },
        source,
        ...(message === '' ? {} : { message }),
        ...(author === '' ? {} : { author }),
        config: state.config,
        processes: as,
        ...(releasePhase === undefined ? {} : { releasePhase }),
        ...(cron === undefined ? {} : { cron }),
        ...strategyOf(state, as),
        ...(declaredStrategy === undefined ? {} : { declaredStrategy }),
        ...(await placement(hostBook, state, as)),
        deploymentId: id,
        description: `deploy ${source.slice(0, 7)}`,
      };
    };
    return (await appendNewest(ledger, app, draft, who)).number;
  }

  /** With the event that says how long it took, for the caller to record. */
  async #phase<T>(
    name: string,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<{ result: T; event: DeploymentEvent }> {
    const started = performance.now();
    const result = await work();
    signal.throwIfAborted();
    const ms = Math.round(performance.now() - started);
    return { result, event: { type: 'phase', at: Date.now(), claim: this.#claim.token, name, ms } };
  }

  /** Nothing where the Dockerfile is not at fault, or cannot be read. */
  async #excerpt({ where }: SlipwayError): Promise<string[]> {
    const { app, push } = this.#deployment;
    if (where === undefined || push === undefined) return [];
    const path = await this.#tools.ledger.read(app).then(
      ({ source }) => source?.path,
      () => undefined,
    );
    const files = { app, commit: push.newOid, ...under(path) };
    const text = await appContext(this.#tools, files, AbortSignal.timeout(EXCERPT_MS))
      .then((context) => context.read(DOCKERFILE))
      .catch(() => undefined);
    return text === undefined ? [] : excerpt(where, { name: DOCKERFILE, text }, this.#tools.config.limits);
  }

  async #failed(log: BuildLog, error: SlipwayError): Promise<void> {
    const { store } = this.#tools;
    const { app, id } = this.#deployment;
    const isBug = error.code === 'internal';
    if (isBug) this.#tools.log.error({ err: error, build: id, app }, 'a build failed inside Slipway');
    const lines = isBug
      ? [
          `Slipway failed (build ${id})`,
          'push again; if it stays, the operator finds the reason in the log of the builder',
        ]
      : [
          ...describeError(error),
          ...(error.code === 'step_failed' ? ['to try it at hand: slipway build .'] : []),
        ];
    for (const line of await this.#excerpt(error)) await log.body(line);
    for (const line of lines) await log.problem(line);
    await log
      .flush()
      .catch((lost) =>
        this.#tools.log.warn({ err: lost, build: id }, 'the reason could not be written to the log'),
      );
    const end = {
      state: error.code === 'cancelled' || error.code === 'superseded' ? error.code : 'failed',
      reason: lines[0] ?? error.message,
      code: error.code,
      claim: this.#claim.token,
    } as const;
    await store.end(app, id, end).catch((gone) => {
      // Cancelled because its app was destroyed: its records are set aside by now.
      if (toSlipwayError(gone).code !== 'not_found') throw gone;
    });
  }
}

function under(path: string | undefined): Pick<AppFiles, 'path'> {
  return path === undefined ? {} : { path };
}

function takenOver(): SlipwayError {
  return new SlipwayError('lease_lost', "this build is no longer this builder's");
}

function timeoutError(ms: number): SlipwayError {
  return new SlipwayError('build_timeout', `the build took longer than ${seconds(ms)}`, {
    hint: 'make it faster, or have the operator raise SLIPWAY_LIMIT_BUILD_TIMEOUT_MS',
  });
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

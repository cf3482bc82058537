/**
 * Numbers for Prometheus: of deployments from their journals, of the reconciler from the deployer, of requests and followers from this
 * process. Apps are no labels: there may be thousands, and who reads the numbers need not know which there are.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { DriftView } from '../api/deployer-client.js';
import type { DeploymentStore } from '../records/deployments.js';
import { EndedDeployments } from './ended.js';

const SHORT = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const LONG = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const INSTANT = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

export interface MetricSources {
  readonly store: Pick<DeploymentStore, 'listSince' | 'events' | 'open'>;
  /** Throws when no deployer answers. */
  readonly drift: () => Promise<DriftView>;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #sources: MetricSources;
  readonly #ended: EndedDeployments;
  /** One look at a time: two would count a deployment twice. */
  #looking: Promise<void> = Promise.resolve();

  readonly requests: Counter<'method' | 'route' | 'status'>;
  readonly requestSeconds: Histogram;
  readonly followers: Gauge;
  readonly followerLag: Histogram;
  readonly #wait: Histogram<'queue'>;
  readonly #build: Histogram<'state'>;
  readonly #rollout: Histogram<'state'>;
  readonly #phase: Histogram<'phase'>;
  readonly #steps: Counter<'result'>;
  readonly #deployments: Counter<'kind' | 'state'>;
  readonly #open: Gauge<'state'>;
  readonly #drift: Counter<'what'>;
  readonly #passes: Counter<'result'>;
  readonly #deployer: Gauge;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    this.#ended = new EndedDeployments(sources.store);
    const registers = [this.#registry];
    const counter = <Label extends string>(
      name: string,
      help: string,
      labelNames: Label[] = [],
    ): Counter<Label> => new Counter({ name: `slipway_${name}`, help, labelNames, registers });
    const gauge = <Label extends string>(
      name: string,
      help: string,
      labelNames: Label[] = [],
    ): Gauge<Label> => new Gauge({ name: `slipway_${name}`, help, labelNames, registers });
    const histogram = <Label extends string>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: Label[] = [],
    ): Histogram<Label> => new Histogram({ name: `slipway_${name}`, help, buckets, labelNames, registers });

    collectDefaultMetrics({ register: this.#registry });
    this.requests = counter('http_requests_total', 'Requests that were answered', [
      'method',
      'route',
      'status',
    ]);
    this.requestSeconds = histogram(
      'http_request_seconds',
      'From a request to the end of its answer',
      INSTANT,
    );
    this.followers = gauge('followers', 'Who follows the output of a build now');
    this.followerLag = histogram(
      'follower_lag_seconds',
      'How long a part of an output waited for its follower to take it',
      INSTANT,
    );
    this.#wait = histogram('queue_wait_seconds', 'From being due to the worker who took it', SHORT, [
      'queue',
    ]);
    this.#build = histogram(
      'build_seconds',
      'From the builder who took a push to its image, or its end',
      LONG,
      ['state'],
    );
    this.#rollout = histogram('rollout_seconds', 'From the deployer who took a release to its end', LONG, [
      'state',
    ]);
    this.#phase = histogram('phase_seconds', 'The phases of builds and rollouts', LONG, ['phase']);
    this.#steps = counter('build_steps_total', 'Steps of builds', ['result']);
    this.#deployments = counter('deployments_total', 'Deployments that have ended', ['kind', 'state']);
    this.#open = gauge('open_deployments', 'Deployments that have not ended', ['state']);
    this.#drift = counter(
      'reconcile_drift_total',
      'What ran otherwise than the ledger says, and was put right',
      ['what'],
    );
    this.#passes = counter('reconcile_passes_total', 'Passes of the reconciler', ['result']);
    this.#deployer = gauge('deployer_up', '1 while a deployer answers');
  }

  /** As text, with what has changed since the last time. */
  async page(): Promise<{ readonly type: string; readonly text: string }> {
    const look = this.#looking.then(() => this.#look());
    this.#looking = look.catch(() => undefined);
    await look;
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  async #look(): Promise<void> {
    for (const timings of await this.#ended.take()) {
      const { kind, state, phases, steps } = timings;
      this.#deployments.inc({ kind, state });
      observe(this.#wait, { queue: 'builds' }, timings.waitForBuilderMs);
      observe(this.#wait, { queue: 'rollouts' }, timings.waitForDeployerMs);
      observe(
        this.#build,
        { state: timings.waitForDeployerMs === undefined ? state : 'built' },
        timings.buildMs,
      );
      observe(this.#rollout, { state }, timings.rolloutMs);
      for (const { name, ms } of phases) observe(this.#phase, { phase: name }, ms);
      if (steps === undefined) continue;
      this.#steps.inc({ result: 'cached' }, steps.cached);
      this.#steps.inc({ result: 'executed' }, steps.total - steps.cached);
    }
    const open = await this.#sources.store.open();
    for (const state of ['accepted', 'building', 'ready', 'releasing'] as const)
      this.#open.set({ state }, open.filter((each) => each.state === state).length);
    await this.#lookAtDeployer();
  }

  /** Its counts begin anew when it is started again, as Prometheus expects of counters. */
  async #lookAtDeployer(): Promise<void> {
    const drift = await this.#sources.drift().catch(() => undefined);
    this.#deployer.set(drift === undefined ? 0 : 1);
    if (drift === undefined) return;
    const { passes, failures, ...counts } = drift;
    this.#passes.reset();
    this.#passes.inc({ result: 'done' }, passes - failures);
    this.#passes.inc({ result: 'failed' }, failures);
    this.#drift.reset();
    for (const [what, count] of Object.entries(counts)) this.#drift.inc({ what }, count);
  }
}

function observe<Label extends string>(
  histogram: Histogram<Label>,
  labels: Partial<Record<Label, string>>,
  ms: number | undefined,
): void {
  if (ms !== undefined) histogram.observe(labels, ms / 1000);
}

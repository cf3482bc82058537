/**
 * A build: commit and Dockerfile → image. It knows nothing of apps, queues or hosts.
 *
 *   context → Dockerfile → plan → stages in order → image
 */
import type { Limits } from '../config.js';
import { startStage } from '../dockerfile/evaluate.js';
import type { BuildPlan, CopyStep, PlannedStage, Platform } from '../dockerfile/types.js';
import { SlipwayError, toSlipwayError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import { mountedOverlay } from '../layers/overlay.js';
import type { BuildLog } from '../logs/log-writer.js';
import type { RegistryClient } from '../registry/client.js';
import { BaseImages } from './base-images.js';
import { readPlan, visibleSource } from './build-input.js';
import type { BuilderStore } from './builder-store.js';
import type { CopySource } from './copy-source.js';
import { type ContextSource, GitContext } from './git-context.js';
import { assembleImage, type BuiltImage } from './image.js';
import type { ImagePolicy } from './image-policy.js';
import { LayerTimes } from './layer-times.js';
import { makesLayer, Progress } from './progress.js';
import type { Sandbox } from './sandbox/runtime.js';
import { StageBuild, type StageResult, type StageStart, type StageTools } from './stage.js';
import { TreeSource } from './tree-source.js';

export interface BuildRequest {
  /** Full commit id. */
  readonly commit: string;
  readonly source: ContextSource;
  /** Path of the Dockerfile in the repository. */
  readonly dockerfile: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform: Platform;
  readonly noCache: boolean;
  readonly policy: ImagePolicy;
  /** Whose earlier builds explain a miss: the app. */
  readonly scope: string;
}

export interface BuildTools {
  readonly store: BuilderStore;
  readonly sandbox: Sandbox;
  readonly registry: RegistryClient;
  readonly limits: Limits;
  readonly log: BuildLog;
  readonly signal: AbortSignal;
}

export interface BuildResult {
  readonly image: BuiltImage;
  /** Where the layers come from that the build did not need itself. */
  readonly bases: BaseImages;
  readonly steps: { readonly cached: number; readonly total: number };
}

/** Builds the image into the store. Whatever fails is a SlipwayError with the Dockerfile's line where it has one. */
export async function buildImage(request: BuildRequest, tools: BuildTools): Promise<BuildResult> {
  const context = await GitContext.open(request.commit, request.source, tools.limits, tools.signal);
  const plan = await readPlan(request, context, tools.limits);
  const source = await visibleSource(request.dockerfile, context, tools.signal);
  await using run = new BuildRun(request, plan, context, source, tools);
  const { state, layers, baseHistory } = await run.stage(plan.target);
  const image = assembleImage(state.image, layers, baseHistory, tools.limits.layers);
  return { image, bases: run.bases, steps: run.progress.counts };
}

/** The parts of one build that its stages share, and the mounts that it holds. */
class BuildRun {
  readonly bases: BaseImages;
  readonly progress: Progress;
  readonly #request: BuildRequest;
  readonly #plan: BuildPlan;
  readonly #context: GitContext;
  readonly #contextSource: CopySource;
  readonly #tools: BuildTools;
  readonly #results = new Map<number, StageResult>();
  /** Where other stages and images are mounted. */
  readonly #scratches: string[] = [];

  constructor(
    request: BuildRequest,
    plan: BuildPlan,
    context: GitContext,
    contextSource: CopySource,
    tools: BuildTools,
  ) {
    this.#request = request;
    this.#plan = plan;
    this.#context = context;
    this.#contextSource = contextSource;
    this.#tools = tools;
    this.bases = new BaseImages(tools.registry, tools.store, request.platform, request.policy, tools.signal);
    const total = plan.stages.reduce((sum, stage) => sum + stage.instructions.filter(makesLayer).length, 0);
    this.progress = new Progress(tools.log, total);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { layers } = this.#tools.store;
    await Promise.all(this.#scratches.splice(0).map((scratch) => layers.removeScratch(scratch)));
  }

  /** Each stage once; those that it needs first. */
  async stage(stage: PlannedStage): Promise<StageResult> {
    const known = this.#results.get(stage.index);
    if (known !== undefined) return known;
    for (const index of stage.dependsOn) await this.stage(this.#stageAt(index));
    const start = await this.#start(stage);
    const result = await new StageBuild(stage, start, this.#stageTools()).run(start);
    this.#results.set(stage.index, result);
    return result;
  }

  async #start(stage: PlannedStage): Promise<StageStart> {
    const { base, from } = stage;
    await this.progress.stage(from.text);
    if (base.kind === 'stage') {
      const parent = await this.stage(this.#stageAt(base.index));
      return { ...parent, state: startStage(this.#plan, stage, { kind: 'stage', state: parent.state }) };
    }
    if (base.kind === 'scratch') {
      return { state: startStage(this.#plan, stage, { kind: 'scratch' }), layers: [], baseHistory: 0 };
    }
    const image = await this.#image(base.reference, `${this.#request.dockerfile}:${from.lines.start}`);
    const document = image.document;
    return {
      state: startStage(this.#plan, stage, { kind: 'image', document }),
      layers: image.layers,
      baseHistory: document.history?.length ?? 0,
    };
  }

  /** `where` is the line that names it; an instruction inside a stage adds its own. */
  async #image(reference: string, where?: string): ReturnType<BaseImages['resolve']> {
    try {
      const image = await this.bases.resolve(reference);
      await this.progress.note(`${reference} is ${image.digest}`);
      return image;
    } catch (thrown) {
      const error = toSlipwayError(thrown);
      if (error.code === 'internal') throw thrown;
      const stages = this.#plan.stageNames.filter((name) => name !== undefined);
      const mistyped = where === undefined && /^[a-z][a-z0-9_.-]*$/i.test(reference);
      const hint = mistyped
        ? `there is no stage "${reference}" either; the stages with a name are: ${stages.join(', ') || 'none'}`
        : (error.hint ??
          'check its name and tag, or push it to the registry that this platform reads from (SLIPWAY_MIRRORS)');
      throw new SlipwayError(
        error.code === 'image_not_found' ? 'base_image_missing' : error.code,
        error.message,
        {
          ...(where === undefined ? {} : { where }),
          hint,
          temporary: error.temporary,
          cause: error,
        },
      );
    }
  }

  #stageTools(): StageTools {
    const { store, sandbox, limits, signal } = this.#tools;
    const { platform, dockerfile, scope, noCache } = this.#request;
    return {
      store,
      sandbox,
      limits,
      signal,
      dockerfile,
      scope,
      noCache,
      bases: this.bases,
      context: this.#context,
      contextSource: this.#contextSource,
      sourceOf: (from) => this.#sourceOf(from),
      progress: this.progress,
      platform: [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/'),
    };
  }

  readonly #sources = new Map<string, Promise<CopySource>>();

  /** A stage's or an image's tree, mounted once for the whole build. */
  #sourceOf(from: NonNullable<CopyStep['from']>): Promise<CopySource> {
    const name = from.kind === 'stage' ? `stage ${from.index}` : from.reference;
    const known = this.#sources.get(name) ?? this.#mountSource(from);
    this.#sources.set(name, known);
    return known;
  }

  async #mountSource(from: NonNullable<CopyStep['from']>): Promise<CopySource> {
    const { store, signal } = this.#tools;
    const stageName = from.kind === 'stage' ? this.#plan.stageNames[from.index] : undefined;
    const described =
      from.kind === 'stage' ? `the stage "${stageName ?? from.index}"` : `the image ${from.reference}`;
    const layers: readonly Layer[] =
      from.kind === 'stage'
        ? (await this.stage(this.#stageAt(from.index))).layers
        : (await this.#image(from.reference)).layers;
    await this.bases.fetch(layers);
    const lowers = await store.layers.layout(layers, signal);
    const scratch = await store.layers.newScratch();
    this.#scratches.push(scratch);
    const overlay = await mountedOverlay({ scratch, lowers });
    return new TreeSource(overlay.path, described, new LayerTimes(layers, lowers), signal);
  }

  #stageAt(index: number): PlannedStage {
    const found = this.#plan.stages.find((stage) => stage.index === index);
    if (found === undefined) throw new SlipwayError('internal', `the plan lacks stage ${index}`);
    return found;
  }
}

/**
 * A build: context and Dockerfile → image. It knows nothing of apps, queues or hosts.
 *
 *   context → Dockerfile → plan → stages side by side → image
 */

import type { BuildPlan, Origin, PlannedStage, Platform } from '../dockerfile/build-plan.js';
import { type StageStartsFrom, startStage, withTriggers } from '../dockerfile/evaluate.js';
import { originsOf, stageOf } from '../dockerfile/plan.js';
import type { GitSource } from '../dockerfile/step.js';
import type { StageInstruction } from '../dockerfile/syntax.js';
import { SlipwayError } from '../errors.js';
import { shownUrl } from './add/download.js';
import { baseImageError } from './base-image-error.js';
import { type BaseImage, BaseImages } from './base-images.js';
import { type BuildInput, inputName, readInput, visibleContext } from './build-input.js';
import type { BuildRequest, BuildResult, BuildTools } from './build-request.js';
import { contextBase, withBaseHistory } from './context/context-base.js';
import type { CopySource } from './copy/copy-source.js';
import { assembleImage } from './image.js';
import { lintFailure, lintInput } from './lint.js';
import { type LayeredOrigin, Origins } from './origins.js';
import { Progress, stageName } from './progress.js';
import { Slots } from './slots.js';
import { StageBuild, type StageResult, type StageStart, type StageTools } from './stage.js';
import { numberSteps } from './step-numbers.js';
import { stepsAtOnce } from './steps-at-once.js';

/** Builds the image into the store. Whatever fails is a SlipwayError with the Dockerfile's line where it has one. */
export async function buildImage(request: BuildRequest, tools: BuildTools): Promise<BuildResult> {
  await using _running = await tools.store.running.begin();
  const input = await readInput(request, tools.limits);
  const { plan } = input;
  const stop = new AbortController();
  const signal = AbortSignal.any([tools.signal, stop.signal]);
  const source = await request.context.source(input.ignore, input.ignoreFile, signal);
  const known = await tools.recall?.(inputName(input, source));
  if (known !== undefined) return known;
  await using run = new BuildRun(request, plan, source, { ...tools, signal }, stop);
  await run.lint(input);
  const { state, layers, baseHistory } = await run.target();
  const times = plan.epoch === undefined ? {} : { epoch: plan.epoch };
  const image = assembleImage(state.image, layers, baseHistory, tools.limits.layers, times);
  const { bases, progress, stepKeys, asksOutside } = run;
  return { image, bases, steps: progress.counts, stepKeys, asksOutside };
}

interface Beginning {
  /** With the triggers of what it starts from. */
  readonly whole: PlannedStage;
  readonly start: StageStart;
}

/** The parts of one build that its stages share. */
class BuildRun {
  readonly bases: BaseImages;
  readonly progress: Progress;
  readonly stepKeys: string[] = [];
  asksOutside = false;
  readonly #request: BuildRequest;
  readonly #plan: BuildPlan;
  readonly #origins: Origins;
  readonly #tools: BuildTools;
  /** Ends all stages; `tools.signal` follows it. */
  readonly #stop: AbortController;
  readonly #slots: Slots;
  readonly #atOnce: number;
  readonly #results = new Map<number, Promise<StageResult>>();
  readonly #late = new Map<number, PlannedStage>();
  readonly #told = new Set<string>();
  readonly #contexts = new Map<string, Promise<CopySource>>();

  constructor(
    request: BuildRequest,
    plan: BuildPlan,
    context: CopySource,
    tools: BuildTools,
    stop: AbortController,
  ) {
    const { store, registry, listen, remote, signal, limits } = tools;
    this.#request = request;
    this.#plan = plan;
    this.#tools = tools;
    this.#stop = stop;
    this.#atOnce = tools.stepsAtOnce ?? (store.fast.stages ? stepsAtOnce(limits) : 1);
    this.#slots = new Slots(this.#atOnce);
    this.bases = new BaseImages(registry, store, request.policy, signal);
    this.#origins = new Origins({
      store,
      bases: this.bases,
      ...(remote === undefined ? {} : { remote }),
      signal,
      context,
      layered: (from) => this.#layered(from),
      named: (name) => this.#named(name),
    });
    this.progress = new Progress(listen);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#origins[Symbol.asyncDispose]();
  }

  /** Asks for all base images at once, then says what the Dockerfile could do better. */
  async lint(input: BuildInput): Promise<void> {
    const { warnings, failsBuild } = lintInput(input, await this.#baseImages(), this.#tools.limits);
    for (const warning of warnings) await this.#tools.listen({ type: 'warning', ...warning });
    if (failsBuild) throw lintFailure(warnings, this.#plan.dockerfile);
    const unused = this.#plan.unusedBuildArgs;
    if (unused.length > 0) await this.progress.note(`no ARG takes the build args ${unused.join(', ')}`);
  }

  async #baseImages(): Promise<ReadonlyMap<number, BaseImage>> {
    const found = this.#plan.stages.flatMap(({ index, base, platform, from }) =>
      base.kind === 'image'
        ? [
            {
              index,
              image: this.#image(base.reference, platform, `${this.#plan.dockerfile}:${from.lines.start}`),
            },
          ]
        : [],
    );
    const images = await Promise.all(found.map(({ image }) => image));
    return new Map(found.map(({ index }, at) => [index, images[at] as BaseImage]));
  }

  /**
   * Builds the target and what it needs, stages that take nothing from each other at the same time. The first failure stops
   * the others; it is thrown when all have ended.
   */
  async target(): Promise<StageResult> {
    const numbers = await numberSteps(this.#plan, async ({ base, platform, from }) => {
      if (base.kind !== 'image') throw new SlipwayError('internal', 'the stage is not from an image');
      const where = `${this.#request.dockerfile}:${from.lines.start}`;
      return (await this.#image(base.reference, platform, where)).document;
    });
    this.progress.expect(numbers, { mixed: this.#atOnce > 1 && !numbers.areInOneLine });
    if (this.#atOnce === 1) for (const stage of numbers.stages) await this.stage(stage);
    else {
      await Promise.all(
        numbers.stages.map((stage) => this.stage(stage).catch((error) => this.#stop.abort(error))),
      );
      this.#stop.signal.throwIfAborted();
    }
    return this.stage(this.#plan.target);
  }

  /** Each stage once. Its steps wait for what they need of other stages. */
  stage(stage: PlannedStage): Promise<StageResult> {
    const known = this.#results.get(stage.index) ?? this.#build(stage);
    this.#results.set(stage.index, known);
    return known;
  }

  async #build(stage: PlannedStage): Promise<StageResult> {
    const { whole, start } = await this.#start(stage);
    if (this.#isOfImage(stage)) for (const layer of start.layers) this.#tools.onLayer?.(layer, this.bases);
    return new StageBuild(whole, start, this.#stageTools(whole)).run(start);
  }

  /** The target, and the stages that it stands on: their layers are the image's. */
  #isOfImage(stage: PlannedStage): boolean {
    for (let at = this.#plan.target; ; at = this.#stageAt(at.base.index)) {
      if (at.index === stage.index) return true;
      if (at.base.kind !== 'stage') return false;
    }
  }

  async #start(stage: PlannedStage): Promise<Beginning> {
    const { base, from, platform } = stage;
    if (base.kind === 'stage') {
      const parent = await this.stage(this.#stageAt(base.index));
      await this.progress.stage(stage);
      return this.#begin(stage, { kind: 'stage', state: parent.state }, parent);
    }
    await this.progress.stage(stage);
    if (base.kind === 'scratch') {
      return this.#begin(stage, { kind: 'scratch' }, { layers: [], baseHistory: 0 });
    }
    const where = `${this.#request.dockerfile}:${from.lines.start}`;
    if (base.kind === 'context') {
      const layers = await contextBase(await this.#named(base.name), where, this.#tools);
      const { whole, start } = await this.#begin(stage, { kind: 'scratch' }, { layers, baseHistory: 0 });
      return { whole, start: { ...start, state: withBaseHistory(start.state, base.name, layers) } };
    }
    const image = await this.#image(base.reference, platform, where);
    await this.#tellOnce(base.reference, image.digest, stage);
    const { document } = image;
    return this.#begin(
      stage,
      { kind: 'image', document },
      { layers: image.layers, baseHistory: document.history?.length ?? 0 },
    );
  }

  /** What the base's ONBUILD asks for comes before the stage's own instructions. */
  async #begin(
    stage: PlannedStage,
    from: StageStartsFrom,
    { layers, baseHistory }: Omit<StageStart, 'state'>,
  ): Promise<Beginning> {
    const whole = withTriggers(this.#plan, stage, from);
    return { whole, start: { state: startStage(this.#plan, whole, from), layers, baseHistory } };
  }

  /** `where` is the line that names it; an instruction inside a stage adds its own. */
  async #image(reference: string, platform: Platform, where?: string): ReturnType<BaseImages['resolve']> {
    try {
      return await this.bases.resolve(reference, platform);
    } catch (thrown) {
      throw baseImageError(thrown, this.#plan.stageNames, reference, where);
    }
  }

  async #tellOnce(reference: string, digest: string, stage?: PlannedStage): Promise<void> {
    const text = `${reference} is ${digest}`;
    if (this.#told.has(text)) return;
    this.#told.add(text);
    await this.progress.note(text, stage);
  }

  #stageTools(stage: PlannedStage): StageTools {
    const { store, sandbox, limits, remote, onLayer, signal } = this.#tools;
    const { context, dockerfile, scope, noCache, noCacheStages = [], run, thin = false } = this.#request;
    return {
      store,
      sandbox,
      limits,
      signal,
      dockerfile,
      scope,
      thin,
      noCache: noCache || noCacheStages.some((name) => name.toLowerCase() === stageName(stage)),
      bases: this.bases,
      ...(remote === undefined ? {} : { remote }),
      ...(onLayer !== undefined && this.#isOfImage(stage)
        ? { onLayer: (layer) => onLayer(layer, this.bases) }
        : {}),
      context,
      origins: this.#origins,
      settings: run,
      ...(this.#plan.epoch === undefined ? {} : { epoch: this.#plan.epoch }),
      downloadAllow: this.#tools.downloadAllow ?? [],
      openGit: this.#tools.openGit ?? refuseGit,
      progress: this.progress,
      inTurn: async (instruction, step) => {
        await this.#needed(stage, instruction);
        return this.#slots.take(step);
      },
      onKey: ({ key, asksOutside = false }) => {
        this.stepKeys.push(key);
        this.asksOutside ||= asksOutside;
      },
    };
  }

  /** The stages that the instruction takes bytes from. Waits for nothing while it holds a slot. */
  async #needed({ index }: PlannedStage, instruction: StageInstruction): Promise<void> {
    const where = `${this.#plan.dockerfile}:${instruction.lines.start}`;
    for (const origin of originsOf(instruction, index, this.#plan, where))
      if (origin.kind === 'stage') await this.stage(this.#stageAt(origin.index));
  }

  async #layered(from: Extract<Origin, { kind: 'stage' | 'image' }>): Promise<LayeredOrigin> {
    if (from.kind === 'image') {
      const { layers, digest } = await this.#image(from.reference, this.#request.platform);
      await this.#tellOnce(from.reference, digest);
      return { described: `the image ${from.reference}`, layers };
    }
    const { layers } = await this.stage(this.#stageAt(from.index));
    return { described: `the stage "${this.#plan.stageNames[from.index] ?? from.index}"`, layers };
  }

  /** Listed once, so that all steps see the same. */
  #named(name: string): Promise<CopySource> {
    const given = this.#request.contexts?.get(name);
    if (given?.kind !== 'directory') throw new SlipwayError('internal', `there is no context ${name}`);
    const known =
      this.#contexts.get(name) ?? given.open().then((context) => visibleContext(context, this.#tools.signal));
    this.#contexts.set(name, known);
    return known;
  }

  #stageAt(index: number): PlannedStage {
    const planned = this.#plan.stages.find((stage) => stage.index === index) ?? this.#late.get(index);
    if (planned !== undefined) return planned;
    // Only a trigger needs it.
    const late = stageOf(this.#plan, index);
    this.#late.set(index, late);
    return late;
  }
}

function refuseGit({ remote }: GitSource): Promise<never> {
  return Promise.reject(
    new SlipwayError('dockerfile_unsupported', `ADD of a repository is not set up here: ${shownUrl(remote)}`),
  );
}

/**
 * Walks one stage, instruction by instruction. Each step answers two questions: what is its key, and how is it run; a
 * key that is known gives the layer without running anything.
 */
import { formatPlatform } from '../dockerfile/build-args.js';
import type { PlannedStage } from '../dockerfile/build-plan.js';
import { evaluate } from '../dockerfile/evaluate.js';
import type { StageState, Step } from '../dockerfile/step.js';
import type { StageInstruction } from '../dockerfile/syntax.js';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { translated } from '../layers/failures.js';
import type { Layer } from '../layers/layer.js';
import { oneLine } from '../one-line.js';
import { type CachedStep, layersOf, mayUse } from './cache/cached.js';
import { MissReasons } from './cache/miss-reasons.js';
import type { RemoteCache } from './cache/remote-cache.js';
import { type Progress, stageName } from './progress.js';
import { StageTree } from './stage-tree.js';
import { copyExecution } from './steps/copy.js';
import type { Execution, StepPlace, StepTools } from './steps/execution.js';
import { runExecution } from './steps/run.js';
import { workdirExecution } from './steps/workdir.js';

/** Of an instruction in an error. */
const INSTRUCTION_CHARS = 80;

export interface StageTools extends StepTools {
  readonly progress: Progress;
  /** Does the instruction's step when what it takes bytes from is built and enough other steps have ended. */
  readonly inTurn: <T>(instruction: StageInstruction, step: () => Promise<T>) => Promise<T>;
  /** Told of each step once its key is known. */
  readonly onKey: (execution: Pick<Execution, 'key' | 'asksOutside'>) => void;
  /** What other builders have built. */
  readonly remote?: RemoteCache;
  /** Told of each layer of the stage. */
  readonly onLayer?: (layer: Layer) => void;
}

export interface StageResult {
  readonly state: StageState;
  readonly layers: readonly Layer[];
  /** History entries at the start that are the base's own. */
  readonly baseHistory: number;
}

/** What a stage starts from. */
export interface StageStart {
  readonly state: StageState;
  readonly layers: readonly Layer[];
  readonly baseHistory: number;
}

/** Each layer has its entry in the image's history: a thin layer and the one under it say the same. */
function withHistoryOf(layers: number, state: StageState): StageState {
  const last = state.image.history?.at(-1);
  if (layers < 2 || last === undefined) return state;
  return { ...state, image: { ...state.image, history: [...(state.image.history ?? []), last] } };
}

export class StageBuild {
  readonly #stage: PlannedStage;
  readonly #tools: StageTools;
  readonly #tree: StageTree;
  readonly #baseLayers: number;
  readonly #reasons: MissReasons;

  constructor(stage: PlannedStage, start: StageStart, tools: StageTools) {
    this.#stage = stage;
    this.#tools = tools;
    this.#baseLayers = start.layers.length;
    const { store, scope, context } = tools;
    this.#reasons = new MissReasons(store.steps, { scope, stage: stageName(stage) }, context);
    this.#tree = new StageTree(start.layers, tools.store, tools.bases);
  }

  /** Throws what a step throws, with the line of its instruction as the place. */
  async run(start: StageStart): Promise<StageResult> {
    try {
      const result = await this.#run(start);
      await this.#reasons.save(false);
      return result;
    } catch (error) {
      await this.#reasons.save(true).catch(() => undefined);
      throw error;
    }
  }

  async #run(start: StageStart): Promise<StageResult> {
    let state = start.state;
    for (const [index, instruction] of this.#stage.instructions.entries()) {
      this.#tools.signal.throwIfAborted();
      try {
        const { state: next, step } = evaluate(state, instruction);
        if (step !== undefined) {
          const before = this.#tree.layers.length;
          await this.#tools.inTurn(instruction, () =>
            translated(this.#tools.store.directory, 'the layer', () => this.#step(step, instruction, index)),
          );
          state = withHistoryOf(this.#tree.layers.length - before, next);
        } else state = next;
      } catch (error) {
        throw this.#located(error, instruction);
      }
    }
    return { state, layers: this.#tree.layers, baseHistory: start.baseHistory };
  }

  async #step(step: Step, instruction: StageInstruction, index: number): Promise<void> {
    const { store, noCache, scope, dockerfile, signal } = this.#tools;
    // It may have waited for its turn.
    signal.throwIfAborted();
    const progress = await this.#tools.progress.step(this.#stage, instruction);
    try {
      const execution = await this.#execution(step, instruction, {
        where: `${dockerfile}:${instruction.lines.start}`,
        tree: this.#tree,
        isFirst: this.#tree.layers.length === this.#baseLayers,
        isSeen: this.#stage.instructions.slice(index + 1).some(({ kind }) => kind === 'RUN'),
        platform: formatPlatform(this.#stage.platform),
        progress,
      });
      this.#tools.onKey(execution);
      const cached = noCache ? undefined : await this.#cached(execution.key);
      if (cached !== undefined) {
        await progress.cached(cached.step.ms, cached.from);
        this.#tree.add(layersOf(cached.step));
      } else {
        await progress.missed(noCache ? 'no-cache was asked for' : await this.#reasons.why(index, execution));
        const started = performance.now();
        const { entries, ...made } = await execution.run();
        const step = {
          ...made,
          ...(made.under === undefined ? {} : { scope }),
          ms: Math.round(performance.now() - started),
        };
        await store.steps.put(execution.key, step);
        this.#tools.remote?.recordStep(execution.key, step, { executed: true });
        await progress.done(step.ms);
        this.#tree.add(layersOf(step), entries);
      }
      this.#reasons.built(index, execution);
      this.#tools.onLayer?.(this.#tree.layers.at(-1) as Layer);
    } catch (error) {
      await (signal.aborted ? progress.stopped() : progress.failed());
      throw error;
    }
  }

  /** The step's result from this machine, else from what other builders share; its blob is fetched when it is needed. */
  async #cached(key: string): Promise<{ step: CachedStep; from?: 'registry' } | undefined> {
    const { store, bases, remote } = this.#tools;
    const here = await store.steps.get(key);
    if (here !== undefined && mayUse(here, this.#tools) && (await this.#areHere(layersOf(here)))) {
      remote?.recordStep(key, here);
      return { step: here };
    }
    const there = await remote?.lookup(key);
    if (there === undefined || !mayUse(there.step, this.#tools)) return undefined;
    for (const layer of layersOf(there.step)) bases.know(layer, there.place);
    return { step: there.step, from: 'registry' };
  }

  async #areHere(layers: readonly Layer[]): Promise<boolean> {
    const { blobs } = this.#tools.store;
    return (await Promise.all(layers.map(({ digest }) => blobs.use(digest)))).every(Boolean);
  }

  async #execution(step: Step, instruction: StageInstruction, place: StepPlace): Promise<Execution> {
    switch (step.kind) {
      case 'run':
        return runExecution(step, instruction, place, this.#tools);
      case 'copy':
        return copyExecution(step, instruction, place, this.#tools);
      case 'workdir':
        return workdirExecution(step, place, this.#tools);
    }
  }

  #located(thrown: unknown, instruction: StageInstruction): unknown {
    if (this.#tools.signal.aborted) return this.#tools.signal.reason;
    const error = toSlipwayError(thrown);
    const file = this.#tools.dockerfile;
    if (error.code === 'internal' || error.where?.startsWith(`${file}:`)) return error;
    const isNamed = error.where === undefined || error.message.includes(error.where);
    const message = isNamed ? error.message : `${error.where}: ${error.message}`;
    return new SlipwayError(error.code, `${oneLine(instruction.text, INSTRUCTION_CHARS)}: ${message}`, {
      where: `${file}:${instruction.lines.start}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      temporary: error.temporary,
      cause: error,
    });
  }
}

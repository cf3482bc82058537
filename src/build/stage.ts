/**
 * Walks one stage, instruction by instruction. Each step answers two questions: what is its key, and how is it run; a
 * key that is known gives the layer without running anything.
 */
import type { Limits } from '../config.js';
import { evaluate } from '../dockerfile/evaluate.js';
import type {
  CopyStep,
  PlannedStage,
  RunStep,
  StageInstruction,
  StageState,
  Step,
  WorkdirStep,
} from '../dockerfile/types.js';
import { SlipwayError, toSlipwayError } from '../errors.js';
import { translated } from '../layers/failures.js';
import type { Layer } from '../layers/layer.js';
import type { BaseImages } from './base-images.js';
import type { BuilderStore } from './builder-store.js';
import type { CopySource } from './copy-source.js';
import { entriesOf, refuseArchives, selectSources, writeCopyLayer, writeLayer } from './copy-step.js';
import type { TreeEntry } from './destination.js';
import { firstDifference, type KeyPart, keyPart } from './explain.js';
import type { GitContext } from './git-context.js';
import { copyKey, runKey, workdirKey } from './keys.js';
import type { Progress } from './progress.js';
import { runStep } from './run-step.js';
import type { Sandbox } from './sandbox/runtime.js';
import { resolveChown, resolveUser } from './sandbox/user.js';
import { StageTree } from './stage-tree.js';
import { planWorkdir } from './workdir-step.js';

export interface StageTools {
  readonly store: BuilderStore;
  readonly sandbox: Sandbox;
  readonly limits: Limits;
  readonly bases: BaseImages;
  readonly context: GitContext;
  readonly contextSource: CopySource;
  /** The result of another stage or of an image, as something to copy from. */
  readonly sourceOf: (from: NonNullable<CopyStep['from']>) => Promise<CopySource>;
  readonly progress: Progress;
  /** Its path, as errors name it. */
  readonly dockerfile: string;
  /** Whose cache history explains a miss: the app. */
  readonly scope: string;
  readonly platform: string;
  readonly noCache: boolean;
  readonly signal: AbortSignal;
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

/** A step's key, what it is made of, and how it is run when the key is not known. */
interface Execution {
  readonly key: string;
  readonly parts: readonly KeyPart[];
  /** The path of the context or stage behind a part's name, to name the file in it that changed. */
  readonly pathOf?: ReadonlyMap<string, string>;
  /** With the layer's entries, unless it is laid out. */
  run(): Promise<{ layer: Layer; entries?: ReadonlyMap<string, TreeEntry> }>;
}

export class StageBuild {
  readonly #stage: PlannedStage;
  readonly #tools: StageTools;
  readonly #tree: StageTree;
  readonly #baseLayers: number;

  constructor(stage: PlannedStage, start: StageStart, tools: StageTools) {
    this.#stage = stage;
    this.#tools = tools;
    this.#baseLayers = start.layers.length;
    this.#tree = new StageTree(start.layers, tools.store, tools.bases, tools.signal);
  }

  /** Throws what a step throws, with the line of its instruction as the place. */
  async run(start: StageStart): Promise<StageResult> {
    let state = start.state;
    for (const [index, instruction] of this.#stage.instructions.entries()) {
      this.#tools.signal.throwIfAborted();
      try {
        const { state: next, step } = evaluate(state, instruction);
        if (step !== undefined) {
          await translated(this.#tools.store.directory, 'the layer', () =>
            this.#step(step, instruction, index),
          );
        }
        state = next;
      } catch (error) {
        throw this.#located(error, instruction);
      }
    }
    return { state, layers: this.#tree.layers, baseHistory: start.baseHistory };
  }

  async #step(step: Step, instruction: StageInstruction, index: number): Promise<void> {
    const { store, progress, scope, noCache, context } = this.#tools;
    await progress.step(instruction.text);
    const execution = await this.#execution(step, instruction);
    const slot = `${this.#stage.name ?? this.#stage.index}-${index}`;
    const cached = noCache ? undefined : await store.steps.get(execution.key);
    if (cached !== undefined && (await store.blobs.has(cached.layer.digest))) {
      await store.blobs.touch(cached.layer.digest);
      await progress.cached();
      this.#tree.add(cached.layer);
    } else {
      await progress.missed(
        noCache ? 'no-cache was asked for' : await this.#whyMissed(execution, scope, slot),
      );
      const started = performance.now();
      const { layer, entries } = await execution.run();
      const ms = Math.round(performance.now() - started);
      await store.steps.put(execution.key, { layer, ms });
      await progress.done(ms);
      this.#tree.add(layer, entries);
    }
    await store.steps.remember(scope, slot, { commit: context.commit, parts: execution.parts });
  }

  /** The first step of a stage stands on its base; the others on what the steps above made. */
  #below(): KeyPart {
    const isFirst = this.#tree.layers.length === this.#baseLayers;
    return keyPart(isFirst ? 'the base image' : 'the result of the steps above', this.#tree.identity);
  }

  #execution(step: Step, instruction: StageInstruction): Promise<Execution> {
    switch (step.kind) {
      case 'run':
        return this.#run(step, instruction);
      case 'copy':
        return this.#copy(step, instruction);
      case 'workdir':
        return this.#workdir(step);
    }
  }

  async #run(step: RunStep, instruction: StageInstruction): Promise<Execution> {
    const { platform, progress } = this.#tools;
    const { argv, env, cwd, user, network, files } = step;
    const parent = this.#tree.identity;
    return {
      key: runKey({
        parent,
        platform,
        argv,
        env,
        cwd,
        user,
        network,
        files,
      }),
      parts: [
        keyPart('the instruction', [instruction.text, argv, files, network]),
        ...env.map((pair) => keyPart(`ARG or ENV ${pair.split('=', 1)[0]}`, pair)),
        keyPart('the user or working directory', [user, cwd]),
        this.#below(),
      ],
      run: async () => {
        await this.#tree.layOut();
        const layer = await runStep(step, this.#tree.layers, {
          ...this.#tools,
          output: (chunk) => progress.output(chunk),
        });
        await progress.endOutput();
        return { layer };
      },
    };
  }

  async #copy(step: CopyStep, instruction: StageInstruction): Promise<Execution> {
    const { store, signal, contextSource, sourceOf } = this.#tools;
    const source = step.from === undefined ? contextSource : await sourceOf(step.from);
    const selected = await selectSources(step, source);
    if (step.add) await refuseArchives(selected, `${this.#tools.dockerfile}:${instruction.lines.start}`);
    const parent = this.#tree.identity;
    const { destination, chown, chmod } = step;
    const selections = selected.map(({ selection }) => ({
      name: selection.name,
      content: selection.content,
    }));
    const named = selected.map(
      ({ argument, selection }) =>
        [selected.length === 1 ? `"${argument}"` : `"${selection.path}"`, selection] as const,
    );
    return {
      key: copyKey({ parent, destination, selections, chown, chmod, instruction: step.add ? 'ADD' : 'COPY' }),
      parts: [
        keyPart('the instruction', [instruction.text, destination, chown, chmod]),
        ...named.map(([name, selection]) => keyPart(name, selection.content)),
        this.#below(),
      ],
      ...(step.from === undefined
        ? { pathOf: new Map(named.map(([name, selection]) => [name, selection.path])) }
        : {}),
      run: async () => {
        const onto = await this.#tree.destination();
        const owner =
          chown === undefined ? undefined : await resolveChown((path) => this.#tree.readFile(path), chown);
        return writeCopyLayer(step, selected, onto, owner, store, signal);
      },
    };
  }

  async #workdir(step: WorkdirStep): Promise<Execution> {
    const parent = this.#tree.identity;
    const { path, user } = step;
    return {
      key: workdirKey({ parent, path, user }),
      parts: [keyPart('the instruction', [path, user]), this.#below()],
      run: async () => {
        const onto = await this.#tree.destination();
        const { uid, gid } = await resolveUser((path) => this.#tree.readFile(path), user);
        const planned = await planWorkdir(path, { uid, gid }, onto);
        const layer = await writeLayer(planned, this.#tools.store, this.#tools.signal);
        return { layer, entries: entriesOf(planned) };
      },
    };
  }

  async #whyMissed(execution: Execution, scope: string, slot: string): Promise<string> {
    const previous = await this.#tools.store.steps.previous(scope, slot);
    if (previous === undefined) return 'it has not been built before';
    const difference = firstDifference(previous, execution.parts);
    if (difference === undefined) return 'its result is no longer in the cache';
    const name = difference.replace(/ changed$/, '');
    const path = execution.pathOf?.get(name);
    const file =
      path === undefined ? undefined : await this.#tools.context.firstChange(previous.commit, path);
    return file === undefined || `"${file}"` === name ? difference : `${difference}: ${file}`;
  }

  #located(thrown: unknown, instruction: StageInstruction): unknown {
    if (this.#tools.signal.aborted) return this.#tools.signal.reason;
    const error = toSlipwayError(thrown);
    const file = this.#tools.dockerfile;
    if (error.code === 'internal' || error.where?.startsWith(`${file}:`)) return error;
    const isNamed = error.where === undefined || error.message.includes(error.where);
    const message = isNamed ? error.message : `${error.where}: ${error.message}`;
    return new SlipwayError(error.code, `${shortInstruction(instruction)}: ${message}`, {
      where: `${file}:${instruction.lines.start}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      temporary: error.temporary,
      cause: error,
    });
  }
}

function shortInstruction(instruction: StageInstruction): string {
  const text = instruction.text.replace(/\s+/g, ' ').trim();
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

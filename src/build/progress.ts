/**
 * How a build tells what it does: events, which the log of a push (log-events.ts) and the terminal of `slipway build`
 * show each in its own way.
 */
import type { PlannedStage } from '../dockerfile/build-plan.js';
import type { StageInstruction } from '../dockerfile/syntax.js';
import type { StepNumbers } from './step-numbers.js';

export type BuildEvent =
  /** A stage begins; `title` is its FROM. */
  | { readonly type: 'stage'; readonly stage: string; readonly title: string }
  /** Something worth knowing; with a step, of that step; with a stage, of what that stage starts from. */
  | { readonly type: 'note'; readonly text: string; readonly step?: number; readonly stage?: string }
  /** A rule of `docker build --check` that the Dockerfile breaks. */
  | {
      readonly type: 'warning';
      readonly rule: string;
      readonly text: string;
      readonly line: number;
      readonly url: string;
    }
  /**
   * A step begins: `step` of `total`, counted from 1 in the order of the Dockerfile. `mixed`: steps of other stages may run
   * at the same time, and their events come between this one's.
   */
  | {
      readonly type: 'step';
      readonly step: number;
      readonly total: number;
      readonly stage: string;
      readonly text: string;
      readonly line: number;
      readonly mixed?: true;
    }
  /** `savedMs` is what it cost when it ran; `from` says where the result is, when it is not on this machine. */
  | {
      readonly type: 'cached';
      readonly step: number;
      readonly savedMs?: number;
      readonly from?: 'registry';
    }
  | { readonly type: 'missed'; readonly step: number; readonly reason: string }
  /** What the step's command writes, cut anywhere. */
  | { readonly type: 'output'; readonly step: number; readonly chunk: Uint8Array }
  | { readonly type: 'done'; readonly step: number; readonly ms: number }
  | { readonly type: 'failed'; readonly step: number; readonly ms: number }
  /** It was ended because another one failed, or the build was cancelled. */
  | { readonly type: 'stopped'; readonly step: number; readonly ms: number };

/** A build waits for the promise: whoever shows slowly slows the build down. */
export type BuildListener = (event: BuildEvent) => void | Promise<void>;

export class Progress {
  readonly #listen: BuildListener;
  /** The number of a stage's next step, by the stage's index. */
  readonly #next = new Map<number, number>();
  #total = 0;
  #mixed = false;
  #started = 0;
  #cached = 0;

  constructor(listen: BuildListener) {
    this.#listen = listen;
  }

  get counts(): { cached: number; total: number } {
    return { cached: this.#cached, total: this.#started };
  }

  /** Before the first step. */
  expect({ first, total }: Pick<StepNumbers, 'first' | 'total'>, { mixed }: { mixed: boolean }): void {
    for (const [stage, number] of first) this.#next.set(stage, number);
    this.#total = total;
    this.#mixed = mixed;
  }

  async stage(stage: PlannedStage): Promise<void> {
    await this.#listen({ type: 'stage', stage: stageName(stage), title: stage.from.text });
  }

  async note(text: string, stage?: PlannedStage): Promise<void> {
    await this.#listen({ type: 'note', text, ...(stage === undefined ? {} : { stage: stageName(stage) }) });
  }

  async step(stage: PlannedStage, instruction: StageInstruction): Promise<StepProgress> {
    const step = this.#next.get(stage.index) ?? ++this.#total;
    this.#next.set(stage.index, step + 1);
    this.#started++;
    await this.#listen({
      type: 'step',
      step,
      total: Math.max(this.#total, step),
      stage: stageName(stage),
      text: instruction.text,
      line: instruction.lines.start,
      ...(this.#mixed ? { mixed: true } : {}),
    });
    return new StepProgress(this.#listen, step, () => this.#cached++);
  }
}

/** One step's events. */
export class StepProgress {
  readonly #listen: BuildListener;
  readonly #step: number;
  readonly #onCached: () => void;
  readonly #started = performance.now();

  constructor(listen: BuildListener, step: number, onCached: () => void) {
    this.#listen = listen;
    this.#step = step;
    this.#onCached = onCached;
  }

  async cached(savedMs?: number, from?: 'registry'): Promise<void> {
    this.#onCached();
    await this.#listen({
      type: 'cached',
      step: this.#step,
      ...(savedMs === undefined ? {} : { savedMs }),
      ...(from === undefined ? {} : { from }),
    });
  }

  async missed(reason: string): Promise<void> {
    await this.#listen({ type: 'missed', step: this.#step, reason });
  }

  async output(chunk: Uint8Array): Promise<void> {
    await this.#listen({ type: 'output', step: this.#step, chunk });
  }

  async note(text: string): Promise<void> {
    await this.#listen({ type: 'note', step: this.#step, text });
  }

  async done(ms: number): Promise<void> {
    await this.#listen({ type: 'done', step: this.#step, ms });
  }

  async failed(): Promise<void> {
    const ms = Math.round(performance.now() - this.#started);
    await this.#listen({ type: 'failed', step: this.#step, ms });
  }

  async stopped(): Promise<void> {
    const ms = Math.round(performance.now() - this.#started);
    await this.#listen({ type: 'stopped', step: this.#step, ms });
  }
}

/** As `--target` and logs name it. */
export function stageName(stage: PlannedStage): string {
  return stage.name ?? String(stage.index);
}

/** As `[deps 2/6]` shows it: a stage without a name is called as buildx calls it. */
export function stageTitle(stage: string): string {
  return /^\d+$/.test(stage) ? `stage-${stage}` : stage;
}

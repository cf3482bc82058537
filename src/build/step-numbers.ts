/**
 * The numbers of a build's steps, found before any is run: what an instruction does to an image's config, and whether it
 * makes a layer, follows from the Dockerfile and the bases alone. So the numbers go from top to bottom, whatever runs first.
 */
import type { BuildPlan, PlannedStage } from '../dockerfile/build-plan.js';
import { evaluate, type StageStartsFrom, startStage, withTriggers } from '../dockerfile/evaluate.js';
import type { ImageDocument } from '../dockerfile/image-document.js';
import { stageOf } from '../dockerfile/plan.js';
import type { StageState } from '../dockerfile/step.js';
import type { StageInstruction } from '../dockerfile/syntax.js';

export interface StepNumbers {
  /** What the target needs, also what only a base's ONBUILD asks for, in the order of the Dockerfile. */
  readonly stages: readonly PlannedStage[];
  /** The number of a stage's first step, by the stage's index. */
  readonly first: ReadonlyMap<number, number>;
  readonly total: number;
  /** Each stage with steps is built on the one before: two of their steps cannot run at once. */
  readonly areInOneLine: boolean;
}

interface Counted {
  readonly stage: PlannedStage;
  readonly steps: number;
  /** At its end; absent when it does not get there. */
  readonly state?: StageState;
}

export async function numberSteps(
  plan: BuildPlan,
  documentOf: (stage: PlannedStage) => Promise<ImageDocument>,
): Promise<StepNumbers> {
  const counts = new Map<number, Promise<Counted>>();
  const count = (index: number): Promise<Counted> => {
    const known = counts.get(index) ?? countSteps(plan, index, { documentOf, count });
    counts.set(index, known);
    return known;
  };
  for (const { index } of plan.stages) await count(index);
  const found = (await Promise.all(counts.values())).sort((a, b) => a.stage.index - b.stage.index);
  const first = new Map<number, number>();
  let total = 0;
  for (const { stage, steps } of found) {
    first.set(stage.index, total + 1);
    total += steps;
  }
  return { stages: found.map(({ stage }) => stage), first, total, areInOneLine: areInOneLine(found) };
}

interface Counting {
  readonly documentOf: (stage: PlannedStage) => Promise<ImageDocument>;
  readonly count: (index: number) => Promise<Counted>;
}

async function countSteps(plan: BuildPlan, index: number, counting: Counting): Promise<Counted> {
  const stage = plan.stages.find((each) => each.index === index) ?? stageOf(plan, index);
  let whole = stage;
  try {
    const from = await startOf(stage, counting);
    whole = withTriggers(plan, stage, from);
    for (const needed of whole.dependsOn) await counting.count(needed);
    let state = startStage(plan, whole, from);
    let steps = 0;
    for (const instruction of whole.instructions) {
      const evaluated = evaluate(state, instruction);
      state = evaluated.state;
      if (evaluated.step !== undefined) steps++;
    }
    return { stage, steps, state };
  } catch {
    // Who builds the stage meets the same and tells it; until there it has no more steps than this.
    return { stage, steps: whole.instructions.filter(makesLayer).length };
  }
}

async function startOf(stage: PlannedStage, { documentOf, count }: Counting): Promise<StageStartsFrom> {
  const { base } = stage;
  if (base.kind === 'image') return { kind: 'image', document: await documentOf(stage) };
  if (base.kind !== 'stage') return { kind: 'scratch' };
  const { state } = await count(base.index);
  if (state === undefined) throw new Error(`stage ${base.index} has no end`);
  return { kind: 'stage', state };
}

function makesLayer(instruction: StageInstruction): boolean {
  if (instruction.kind === 'WORKDIR') return instruction.path !== '/';
  return instruction.kind === 'RUN' || instruction.kind === 'COPY' || instruction.kind === 'ADD';
}

function areInOneLine(stages: readonly Counted[]): boolean {
  const withSteps = stages.filter(({ steps }) => steps > 0);
  const line = new Set<number>();
  for (let at = withSteps.at(-1)?.stage; at !== undefined; ) {
    line.add(at.index);
    const { base } = at;
    at = base.kind === 'stage' ? stages.find(({ stage }) => stage.index === base.index)?.stage : undefined;
  }
  return withSteps.every(({ stage }) => line.has(stage.index));
}

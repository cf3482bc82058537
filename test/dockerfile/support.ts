/** What the tests of this room share: parsing with roomy limits, and walking a whole plan as a builder would. */

import type { BuildPlan, PlanOptions, Platform } from '../../src/dockerfile/build-plan.js';
import { evaluate, startStage } from '../../src/dockerfile/evaluate.js';
import type { ImageDocument } from '../../src/dockerfile/image-document.js';
import { parseDockerfile } from '../../src/dockerfile/parse.js';
import { planBuild } from '../../src/dockerfile/plan.js';
import type { StageState, Step } from '../../src/dockerfile/step.js';
import type { Dockerfile, ParseLimits, StageInstruction } from '../../src/dockerfile/syntax.js';
import { SlipwayError } from '../../src/errors.js';

export const LIMITS: ParseLimits = { dockerfileBytes: 1024 * 1024, instructions: 500, stages: 50 };
export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

export function parse(text: string | Uint8Array): Dockerfile {
  return parseDockerfile(text, 'Dockerfile', LIMITS);
}

export function plan(text: string, options: Partial<PlanOptions> = {}): BuildPlan {
  return planBuild(parse(text), { buildArgs: {}, platform: AMD64, ...options });
}

/** The instructions of `FROM scratch` followed by the text. */
export function instructions(text: string): readonly StageInstruction[] {
  return parse(`FROM scratch\n${text}`).stages[0]!.instructions;
}

/** The one instruction. */
export function instruction(text: string): StageInstruction {
  const all = instructions(text);
  if (all.length !== 1) throw new Error(`expected one instruction, got ${all.length}`);
  return all[0]!;
}

export interface Walked {
  readonly state: StageState;
  readonly steps: readonly Step[];
}

/** Evaluates every stage that the plan needs; returns the target. `base` stands for every image. */
export function walk(built: BuildPlan, base: object = {}): Walked {
  const done = new Map<number, Walked>();
  for (const stage of built.stages) {
    let state = startStage(
      built,
      stage,
      stage.base.kind === 'stage'
        ? { kind: 'stage', state: done.get(stage.base.index)!.state }
        : stage.base.kind === 'image'
          ? { kind: 'image', document: base as ImageDocument }
          : { kind: 'scratch' },
    );
    const steps: Step[] = [];
    for (const each of stage.instructions) {
      const { state: next, step } = evaluate(state, each);
      if (step !== undefined) steps.push(step);
      state = next;
    }
    done.set(stage.index, { state, steps });
  }
  return done.get(built.target.index)!;
}

/** `FROM base` and the text, evaluated. */
export function run(text: string, buildArgs: Record<string, string> = {}, base: object = {}): Walked {
  return walk(plan(`FROM base\n${text}`, { buildArgs }), base);
}

export function history(walked: Walked): (string | undefined)[] {
  return (walked.state.image.history ?? []).map((entry) => entry.created_by);
}

/** The error that the call throws, as `code where: message`; fails when it throws none, or another kind. */
export function problem(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof SlipwayError) return `${error.code} ${error.where}: ${error.message}`;
    throw error;
  }
  throw new Error('nothing was thrown');
}

export function hint(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof SlipwayError) return error.hint;
    throw error;
  }
  throw new Error('nothing was thrown');
}

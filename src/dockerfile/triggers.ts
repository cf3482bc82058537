/** ONBUILD: the instructions that a base brought for whoever builds on it, and the stages that only they need. */
import { SlipwayError } from '../errors.js';
import type { BuildPlan, PlannedStage } from './build-plan.js';
import { parseInstruction } from './instructions.js';
import { lexDockerfile } from './lines.js';
import { originsOf } from './plan.js';
import { invalid } from './problems.js';
import { checked, type StageStartsFrom } from './stage-state.js';
import type { StageInstruction } from './syntax.js';

const MAX_TRIGGER_BYTES = 1024 * 1024;
const MAX_TRIGGERS = 500;

/**
 * What runs right after FROM, before the stage's own instructions. Each stands on the line of FROM, and its text begins
 * with ONBUILD. Throws `dockerfile_invalid` for a trigger that is none, `image_invalid` for a broken base.
 */
export function triggersOf(
  plan: Pick<BuildPlan, 'dockerfile'>,
  stage: PlannedStage,
  from: StageStartsFrom,
): readonly StageInstruction[] {
  const where = `${plan.dockerfile}:${stage.from.lines.start}`;
  const texts = triggerTexts(stage, from, where);
  if (texts.length > MAX_TRIGGERS) {
    throw invalid(where, `the image ${stage.from.image} has more than ${MAX_TRIGGERS} ONBUILD instructions`);
  }
  return texts.map((text) => {
    const shown = `ONBUILD ${text.split('\n', 1)[0]}`;
    const parsed = inTrigger(shown, where, () => parseTrigger(text, where));
    return { ...parsed, lines: stage.from.lines, text: shown, isTrigger: true };
  });
}

/** The stage with its triggers before what it says itself, and with what they need. Throws as triggersOf does. */
export function withTriggers(plan: BuildPlan, stage: PlannedStage, from: StageStartsFrom): PlannedStage {
  const triggers = triggersOf(plan, stage, from);
  if (triggers.length === 0) return stage;
  const where = `${plan.dockerfile}:${stage.from.lines.start}`;
  const origins = triggers.flatMap((trigger) =>
    inTrigger(trigger.text, where, () => originsOf(trigger, stage.index, plan, where)),
  );
  const stages = origins.flatMap((origin) => (origin.kind === 'stage' ? [origin.index] : []));
  const images = origins.flatMap((origin) => (origin.kind === 'image' ? [origin.reference] : []));
  return {
    ...stage,
    instructions: [...triggers, ...stage.instructions],
    dependsOn: [...new Set([...stage.dependsOn, ...stages])].sort((a, b) => a - b),
    images: [...new Set([...stage.images, ...images])],
  };
}

function triggerTexts(stage: PlannedStage, from: StageStartsFrom, where: string): readonly string[] {
  if (from.kind === 'scratch') return [];
  const document = from.kind === 'stage' ? from.state.image : checked(from.document, stage.from.image, where);
  return document.config?.OnBuild ?? [];
}

function parseTrigger(text: string, where: string): StageInstruction {
  // Its escape is the backslash: it was written in another file.
  const [raw, ...more] = lexDockerfile(text, where, MAX_TRIGGER_BYTES).instructions;
  if (raw === undefined || more.length > 0) throw invalid(where, 'a trigger is one instruction');
  const instruction = parseInstruction(raw, { escape: '\\', where });
  if (instruction.kind === 'FROM' || instruction.kind === 'ONBUILD' || instruction.kind === 'MAINTAINER') {
    throw invalid(
      where,
      `${instruction.kind} is not allowed in ONBUILD`,
      'build the base image anew without it',
    );
  }
  return instruction;
}

/** Does it, and has an error say which trigger it comes from. `where` is the FROM. */
export function inTrigger<T>(shown: string, where: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown;
    const text = shown.length > 80 ? `${shown.slice(0, 79)}…` : shown;
    throw new SlipwayError(thrown.code, `in "${text}" of the base: ${thrown.message}`, {
      where,
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      cause: thrown,
    });
  }
}

/** A Dockerfile and a target → the stages that the target needs, and what each needs before it. */
import { SlipwayError } from '../errors.js';
import { automaticArgs, givenArg, globalArgs, isKnownArg, sourceDateEpoch } from './build-args.js';
import type { BuildPlan, Origin, PlannedStage, PlanOptions, Platform, StageBase } from './build-plan.js';
import { ExpansionBudget, expandWord } from './expand.js';
import { mountFrom } from './mount-options.js';
import { copySource, mountOrigin, namedContext } from './origin.js';
import { formatPlatform, normalPlatform, parsePlatform } from './platform.js';
import { invalid, nearest, quoted, suggest, unsupported } from './problems.js';
import type { Dockerfile, SourceStage, StageInstruction } from './syntax.js';

/**
 * Throws `dockerfile_invalid` (unknown target, reference to a later stage, FROM without an image) and
 * `dockerfile_unsupported`, both with file and line. Stages that the target does not need may hold anything that parses.
 */
export function planBuild(dockerfile: Dockerfile, options: PlanOptions): BuildPlan {
  const { platform, buildPlatform = platform, buildArgs, contexts = new Map() } = options;
  const names = dockerfile.stages.map((stage) => stage.from.stageName);
  const targetIndex = findTarget(dockerfile, names, options.target);
  const automatic = automaticArgs(platform, buildPlatform, names[targetIndex] ?? 'default');
  const globals = globalArgs(dockerfile, automatic, buildArgs);
  const epoch = sourceDateEpoch(
    givenArg(buildArgs, 'SOURCE_DATE_EPOCH') ?? globals.get('SOURCE_DATE_EPOCH'),
    [...names, ...contexts.keys()],
  );
  const scope: PlanScope = {
    dockerfile: dockerfile.name,
    file: dockerfile,
    escape: dockerfile.directives.escape,
    platform,
    buildArgs,
    contexts,
    globalArgs: globals,
    stageNames: names,
    ...(epoch === undefined ? {} : { epoch }),
  };
  const needed = new Map<number, PlannedStage>();
  const visit = (index: number): void => {
    if (needed.has(index)) return;
    const stage = stageOf(scope, index);
    needed.set(index, stage);
    stage.dependsOn.forEach(visit);
  };
  visit(targetIndex);
  const stages = [...needed.values()].sort((a, b) => a.index - b.index);
  const target = stages.at(-1);
  if (target === undefined) throw invalid(dockerfile.name, 'the Dockerfile has no FROM');
  return {
    ...scope,
    stages,
    target,
    unusedBuildArgs: unusedBuildArgs(dockerfile, stages, automatic, buildArgs),
  };
}

/** A name first, then an index: `--target 0`. Names are compared without case. */
function findTarget(
  dockerfile: Dockerfile,
  names: readonly (string | undefined)[],
  target: string | undefined,
): number {
  if (target === undefined || target === '') return names.length - 1;
  const byName = names.lastIndexOf(target.toLowerCase());
  if (byName >= 0) return byName;
  if (/^\d{1,4}$/.test(target) && Number(target) < names.length) return Number(target);
  const known = names.filter((name) => name !== undefined);
  throw new SlipwayError('dockerfile_invalid', `there is no stage ${quoted(target)} to build`, {
    where: dockerfile.name,
    hint: suggest(target.toLowerCase(), [...new Set(known)], 'named stages'),
  });
}

export type PlanScope = Omit<BuildPlan, 'stages' | 'target' | 'unusedBuildArgs'>;

/** A stage by itself, also one that only an ONBUILD trigger needs. Throws as planBuild does. */
export function stageOf(scope: PlanScope, index: number): PlannedStage {
  const source = scope.file.stages[index];
  if (source === undefined) throw new SlipwayError('internal', `the Dockerfile has no stage ${index}`);
  const { from } = source;
  const replaced = replacement(source, scope);
  // A context of the stage's name is there instead of all that the stage would do.
  const instructions = replaced === undefined ? source.instructions : [];
  const { base, platform } =
    replaced === undefined ? planBase(source, index, scope) : { base: replaced, platform: scope.platform };
  const origins: StageBase[] = [base];
  for (const instruction of instructions) {
    const where = `${scope.dockerfile}:${instruction.lines.start}`;
    if (instruction.unsupported !== undefined) {
      throw unsupported(where, instruction.unsupported.message, instruction.unsupported.hint);
    }
    origins.push(...originsOf(instruction, index, scope, where));
  }
  const stages = new Set(origins.flatMap((origin) => (origin.kind === 'stage' ? [origin.index] : [])));
  const images = new Set(origins.flatMap((origin) => (origin.kind === 'image' ? [origin.reference] : [])));
  return {
    index,
    ...(from.stageName === undefined ? {} : { name: from.stageName }),
    base,
    platform,
    from,
    instructions,
    dependsOn: [...stages].sort((a, b) => a - b),
    images: [...images],
  };
}

/** Where an instruction takes bytes from, besides the build context. */
export function originsOf(
  instruction: StageInstruction,
  index: number,
  scope: PlanScope,
  where: string,
): readonly Origin[] {
  if (instruction.kind === 'COPY') {
    const origin = copySource(instruction, index, scope, where);
    return origin === undefined ? [] : [origin];
  }
  if (instruction.kind !== 'RUN') return [];
  return instruction.mounts
    .map((mount) => mountFrom(mount, where))
    .filter((from) => from !== undefined && from.toLowerCase() !== 'scratch')
    .map((from) => mountOrigin(from ?? '', index, scope, where));
}

/** The context that has the stage's name. */
function replacement({ from }: SourceStage, scope: PlanScope): StageBase | undefined {
  return from.stageName === undefined ? undefined : namedContext(from.stageName, scope);
}

function planBase(
  { from }: SourceStage,
  index: number,
  scope: PlanScope,
): { readonly base: StageBase; readonly platform: Platform } {
  const where = `${scope.dockerfile}:${from.lines.start}`;
  const expansion = {
    env: scope.globalArgs,
    escape: scope.escape,
    where,
    budget: new ExpansionBudget(where),
  };
  const image = expandWord(from.image, expansion);
  if (image.trim() === '') {
    throw invalid(
      where,
      `FROM ${from.image}: the image is empty`,
      'give the ARG before the first FROM a default; an ARG inside a stage is not seen by FROM',
    );
  }
  if (/\s/.test(image))
    throw invalid(where, `FROM: ${quoted(image)} is not an image`, 'an image has no blanks in its name');
  const written = from.platform === undefined ? undefined : expandWord(from.platform, expansion);
  if (written === '') {
    const [, name = ''] = /\$\{?(\w+)/.exec(from.platform ?? '') ?? [];
    const near = nearest(name, scope.globalArgs.keys());
    throw invalid(
      where,
      `FROM --platform=${from.platform}: the platform is empty`,
      near === undefined ? 'give the variable a value' : `did you mean ${near}?`,
    );
  }
  const platform = written === undefined ? scope.platform : stagePlatform(written, scope.platform, where);
  const base = baseOf(image, index, scope);
  // What is built on a stage is for what that stage is for.
  return { base, platform: base.kind === 'stage' ? platformOf(base.index, scope) : platform };
}

function platformOf(index: number, scope: PlanScope): Platform {
  const source = scope.file.stages[index];
  if (source === undefined || replacement(source, scope) !== undefined) return scope.platform;
  return planBase(source, index, scope).platform;
}

function baseOf(image: string, index: number, scope: PlanScope): StageBase {
  const context = namedContext(image, scope);
  if (context !== undefined) return context;
  // Only an earlier stage: `FROM node AS node` starts from the image.
  const stage = scope.stageNames.lastIndexOf(image.toLowerCase(), index - 1);
  if (index > 0 && stage >= 0) return { kind: 'stage', index: stage };
  return image === 'scratch' ? { kind: 'scratch' } : { kind: 'image', reference: image };
}

/** The build's own platform keeps the form in which it was given. */
function stagePlatform(written: string, platform: Platform, where: string): Platform {
  const parsed = parsePlatform(written, platform, where);
  return formatPlatform(parsed) === formatPlatform(normalPlatform(platform)) ? platform : parsed;
}

function unusedBuildArgs(
  dockerfile: Dockerfile,
  stages: readonly PlannedStage[],
  automatic: ReadonlyMap<string, string>,
  buildArgs: Readonly<Record<string, string>>,
): readonly string[] {
  const instructions = [...dockerfile.globalArgs, ...stages.flatMap((stage) => stage.instructions)];
  const declared = new Set(
    instructions.flatMap((each) => (each.kind === 'ARG' ? each.args.map((arg) => arg.key) : [])),
  );
  return Object.keys(buildArgs).filter(
    (name) => !declared.has(name) && !automatic.has(name) && !isKnownArg(name),
  );
}

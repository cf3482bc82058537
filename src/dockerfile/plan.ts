/** A Dockerfile and a target → the stages that the target needs, and what each needs before it. */
import { SlipwayError } from '../errors.js';
import { automaticArgs, formatPlatform, globalArgs, isKnownArg } from './build-args.js';
import { ExpansionBudget, expandWord } from './expand.js';
import { invalid, quoted, suggest, unsupported } from './problems.js';
import type {
  BuildPlan,
  CopyInstruction,
  Dockerfile,
  Origin,
  PlannedStage,
  PlanOptions,
  Platform,
  SourceStage,
  StageBase,
} from './types.js';

/**
 * Throws `dockerfile_invalid` (unknown target, reference to a later stage, FROM without an image) and
 * `dockerfile_unsupported`, both with file and line. Stages that the target does not need may hold anything that parses.
 */
export function planBuild(dockerfile: Dockerfile, options: PlanOptions): BuildPlan {
  const { platform, buildArgs } = options;
  const names = dockerfile.stages.map((stage) => stage.from.stageName);
  const targetIndex = findTarget(dockerfile, names, options.target);
  const automatic = automaticArgs(platform, names[targetIndex] ?? 'default');
  const args = globalArgs(dockerfile, automatic, buildArgs);
  const needed = new Map<number, PlannedStage>();
  const visit = (index: number): void => {
    const source = dockerfile.stages[index];
    if (source === undefined || needed.has(index)) return;
    const stage = planStage(source, index, { dockerfile, names, args, platform });
    needed.set(index, stage);
    stage.dependsOn.forEach(visit);
  };
  visit(targetIndex);
  const stages = [...needed.values()].sort((a, b) => a.index - b.index);
  const target = stages.at(-1);
  if (target === undefined) throw invalid(dockerfile.name, 'the Dockerfile has no FROM');
  return {
    dockerfile: dockerfile.name,
    escape: dockerfile.directives.escape,
    platform,
    buildArgs,
    globalArgs: args,
    stages,
    target,
    stageNames: names,
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

interface Scope {
  readonly dockerfile: Dockerfile;
  readonly names: readonly (string | undefined)[];
  readonly args: ReadonlyMap<string, string>;
  readonly platform: Platform;
}

function planStage(source: SourceStage, index: number, scope: Scope): PlannedStage {
  const { from, instructions } = source;
  const base = planBase(source, index, scope);
  const stages = new Set<number>();
  const images = new Set<string>();
  const use = (origin: StageBase): void => {
    if (origin.kind === 'stage') stages.add(origin.index);
    if (origin.kind === 'image') images.add(origin.reference);
  };
  use(base);
  for (const instruction of instructions) {
    const where = `${scope.dockerfile.name}:${instruction.lines.start}`;
    if (instruction.unsupported !== undefined) {
      throw unsupported(where, instruction.unsupported.message, instruction.unsupported.hint);
    }
    if (instruction.kind !== 'COPY') continue;
    const origin = copySource(instruction, index, scope.names, where);
    if (origin !== undefined) use(origin);
  }
  return {
    index,
    ...(from.stageName === undefined ? {} : { name: from.stageName }),
    base,
    platform: scope.platform,
    from,
    instructions,
    dependsOn: [...stages].sort((a, b) => a - b),
    images: [...images],
  };
}

function planBase({ from }: SourceStage, index: number, scope: Scope): StageBase {
  const where = `${scope.dockerfile.name}:${from.lines.start}`;
  const expansion = {
    env: scope.args,
    escape: scope.dockerfile.directives.escape,
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
  if (from.platform !== undefined) checkPlatform(expandWord(from.platform, expansion), scope.platform, where);
  // Only an earlier stage: `FROM node AS node` starts from the image.
  const stage = scope.names.lastIndexOf(image.toLowerCase(), index - 1);
  if (index > 0 && stage >= 0) return { kind: 'stage', index: stage };
  return image === 'scratch' ? { kind: 'scratch' } : { kind: 'image', reference: image };
}

const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['x86-64', 'amd64'],
  ['aarch64', 'arm64'],
]);
/** The variant that is meant when none is written. */
const VARIANTS: ReadonlyMap<string, string> = new Map([
  ['arm64', 'v8'],
  ['arm', 'v7'],
]);

function checkPlatform(text: string, platform: Platform, where: string): void {
  const normal = (written: string): string => {
    const parts = written.toLowerCase().split('/');
    const [os, architecture = '', variant] = parts.length === 1 ? [platform.os, ...parts] : parts;
    const name = ARCHITECTURES.get(architecture) ?? architecture;
    return `${os}/${name}/${variant ?? VARIANTS.get(name) ?? ''}`;
  };
  if (text.trim() === '' || normal(text) === normal(formatPlatform(platform))) return;
  throw unsupported(
    where,
    `FROM --platform=${text} is not supported: this builder builds for ${formatPlatform(platform)}`,
    'remove the flag, or use $BUILDPLATFORM',
  );
}

/**
 * What `--from` names: an earlier stage by name or index, else an image. Undefined for the build context.
 * Throws `dockerfile_invalid` for the stage itself or a later one.
 */
export function copySource(
  instruction: CopyInstruction,
  index: number,
  names: readonly (string | undefined)[],
  where: string,
): Origin | undefined {
  const { from } = instruction;
  if (from === undefined) return undefined;
  const isIndex = /^\d+$/.test(from);
  const named = isIndex ? -1 : names.lastIndexOf(from.toLowerCase(), index - 1);
  const stage = isIndex ? Number(from) : index === 0 ? -1 : named;
  if (stage >= 0 && stage < index) return { kind: 'stage', index: stage };
  if (isIndex) {
    const earlier =
      index === 0 ? 'there is no stage before this one' : `the stages before this one are 0 to ${index - 1}`;
    throw invalid(where, `COPY --from=${from}: there is no earlier stage ${from}`, earlier);
  }
  const later = names.indexOf(from.toLowerCase(), index);
  if (later === index)
    throw invalid(where, `COPY --from=${from}: a stage cannot copy from itself`, 'name an earlier stage');
  if (later > index) {
    throw invalid(
      where,
      `COPY --from=${from}: that stage comes later in the file`,
      `move stage ${from} before this one`,
    );
  }
  if (from === 'scratch')
    throw invalid(where, 'COPY --from=scratch: scratch holds no files', 'name a stage or an image');
  if (/\s/.test(from)) throw invalid(where, `COPY --from: ${quoted(from)} is neither a stage nor an image`);
  return { kind: 'image', reference: from };
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

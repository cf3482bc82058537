/** Rules on what instructions mean together: what is overwritten, undefined, ignored, or secret. Pure. */
import { nearest } from '../problems.js';
import type { SourceStage, StageInstruction } from '../syntax.js';
import type { LintedFile } from './linted-file.js';
import type { Finding } from './rules.js';
import { usedVariables } from './variables.js';

export function* checkMeaning(file: LintedFile): Generator<Finding> {
  const { dockerfile } = file;
  for (const each of dockerfile.globalArgs) yield* secrets(each);
  for (const [index, stage] of dockerfile.stages.entries()) {
    yield* repeated(stage);
    yield* shellForms(stage, stage.from.image, dockerfile.stages.slice(0, index));
    yield* workdirs(stage, dockerfile.stages.slice(0, index));
    yield* undefinedVariables(file, index);
    for (const each of stage.instructions) {
      yield* secrets(each);
      yield* ignoredFiles(file, each);
    }
  }
}

const ONLY_LAST = new Set(['CMD', 'ENTRYPOINT', 'HEALTHCHECK']);

/** Told at the earlier one: it is the one that does nothing. */
function* repeated({ instructions }: SourceStage): Generator<Finding> {
  const last = new Map<string, number>();
  for (const { kind, lines } of instructions) {
    if (!ONLY_LAST.has(kind)) continue;
    const line = last.get(kind);
    if (line !== undefined) {
      yield {
        rule: 'MultipleInstructionsDisallowed',
        line,
        text: `Multiple ${kind} instructions should not be used in the same stage because only the last one will be used`,
      };
    }
    last.set(kind, lines.start);
  }
}

function parentOf(image: string, earlier: readonly SourceStage[]): SourceStage | undefined {
  return earlier.findLast(({ from }) => from.stageName === image.toLowerCase());
}

/** Whoever names a SHELL means the shell form. */
function* shellForms(
  { instructions }: SourceStage,
  image: string,
  earlier: readonly SourceStage[],
): Generator<Finding> {
  let hasShell = false;
  for (
    let at = parentOf(image, earlier);
    at !== undefined;
    at = parentOf(at.from.image, earlier.slice(0, earlier.indexOf(at)))
  )
    hasShell ||= at.instructions.some(({ kind }) => kind === 'SHELL');
  for (const each of instructions) {
    if (each.kind === 'SHELL') hasShell = true;
    if ((each.kind !== 'CMD' && each.kind !== 'ENTRYPOINT') || each.command.form === 'exec' || hasShell)
      continue;
    yield {
      rule: 'JSONArgsRecommended',
      line: each.lines.start,
      text: `JSON arguments recommended for ${each.kind} to prevent unintended behavior related to OS signals`,
    };
  }
}

/** Only the first of a stage and its parents: an absolute path there makes all later ones sure. */
function* workdirs(stage: SourceStage, earlier: readonly SourceStage[]): Generator<Finding> {
  const first = stage.instructions.find((each) => each.kind === 'WORKDIR');
  if (first?.kind !== 'WORKDIR' || /^["']?[/$]/.test(first.path)) return;
  for (
    let at = parentOf(stage.from.image, earlier);
    at !== undefined;
    at = parentOf(at.from.image, earlier.slice(0, earlier.indexOf(at)))
  )
    if (at.instructions.some(({ kind }) => kind === 'WORKDIR')) return;
  yield {
    rule: 'WorkdirRelativePath',
    line: first.lines.start,
    text: `Relative workdir "${first.path}" can have unexpected results if the base image changes`,
  };
}

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
/** Names of what is no secret itself: a public key, the path of a file, a version. */
const PUBLIC = /(?:_|^)public(?:_|$)|_(?:file|version)$/i;

function* secrets(instruction: StageInstruction): Generator<Finding> {
  const names =
    instruction.kind === 'ARG'
      ? instruction.args.map(({ key }) => key)
      : instruction.kind === 'ENV'
        ? instruction.pairs.map(({ key }) => key)
        : [];
  for (const name of names) {
    if (!SECRET.test(name) || PUBLIC.test(name)) continue;
    yield {
      rule: 'SecretsUsedInArgOrEnv',
      line: instruction.lines.start,
      text: `Do not use ARG or ENV instructions for sensitive data (${instruction.kind} "${name}")`,
    };
  }
}

function* ignoredFiles({ isIgnored }: LintedFile, instruction: StageInstruction): Generator<Finding> {
  if (isIgnored === undefined || (instruction.kind !== 'COPY' && instruction.kind !== 'ADD')) return;
  if (instruction.from !== undefined) return;
  for (const source of instruction.sources) {
    const path = source.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
    if (path === '' || path === '.' || /[*?[\\$"']|:\/\/|^git@/.test(path) || !isIgnored(path)) continue;
    yield {
      rule: 'CopyIgnoredFile',
      line: instruction.lines.start,
      text: `Attempting to ${instruction.kind === 'COPY' ? 'Copy' : 'Add'} file "${source}" that is excluded by .dockerignore`,
    };
  }
}

/** Set by Docker itself where a command runs, or harmless when they are empty. */
const ALWAYS_THERE = /^(?:(?:https?|ftp|no|all)_proxy|path|home|hostname|term)$/i;

function* undefinedVariables(file: LintedFile, index: number): Generator<Finding> {
  const { stages, directives } = file.dockerfile;
  const known = namesBefore(file, index);
  const stage = stages[index];
  if (known === undefined || stage === undefined) return;
  for (const instruction of stage.instructions) {
    const words = wordsOf(instruction);
    const told = new Set<string>();
    for (const name of words.flatMap((word) => usedVariables(word, directives.escape))) {
      if (known.has(name) || told.has(name) || ALWAYS_THERE.test(name)) continue;
      told.add(name);
      const near = nearest(name, known);
      yield {
        rule: 'UndefinedVar',
        line: instruction.lines.start,
        text: `Usage of undefined variable '$${name}'${near === undefined ? '' : ` (did you mean $${near}?)`}`,
      };
    }
    declare(instruction, known);
  }
}

/** What a stage knows at its start; undefined when its image's variables are not known. */
function namesBefore(file: LintedFile, index: number): Set<string> | undefined {
  const { stages } = file.dockerfile;
  const stage = stages[index];
  if (stage === undefined) return undefined;
  const parent = parentOf(stage.from.image, stages.slice(0, index));
  if (parent === undefined) {
    if (stage.from.image === 'scratch') return new Set();
    const base = file.baseVariables?.(index);
    return base === undefined ? undefined : new Set(base);
  }
  const known = namesBefore(file, stages.indexOf(parent));
  for (const each of parent.instructions) if (known !== undefined) declare(each, known);
  return known;
}

function declare(instruction: StageInstruction, known: Set<string>): void {
  if (instruction.kind === 'ARG') for (const { key } of instruction.args) known.add(key);
  if (instruction.kind === 'ENV') for (const { key } of instruction.pairs) known.add(key);
}

/** The words of an instruction in which variables are expanded. */
function wordsOf(instruction: StageInstruction): readonly string[] {
  switch (instruction.kind) {
    case 'ENV':
    case 'LABEL':
      return instruction.pairs.flatMap(({ key, value }) => [key, value]);
    case 'ARG':
      return instruction.args.flatMap(({ value }) => (value === undefined ? [] : [value]));
    case 'COPY':
    case 'ADD':
      return [
        ...instruction.sources,
        instruction.destination,
        instruction.chown ?? '',
        instruction.chmod ?? '',
      ];
    case 'WORKDIR':
      return [instruction.path];
    case 'USER':
      return [instruction.user];
    case 'STOPSIGNAL':
      return [instruction.signal];
    case 'EXPOSE':
      return instruction.ports;
    case 'VOLUME':
      return instruction.paths;
    default:
      return [];
  }
}

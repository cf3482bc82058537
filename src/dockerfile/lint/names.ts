/** Rules on how things are written and named: casing, stage names, formats that are old. Pure. */
import type { SourceStage, StageInstruction } from '../types.js';
import type { LintedFile } from './linted-file.js';
import type { Finding } from './rules.js';

type Written = { readonly text: string; readonly lines: { readonly start: number } };

export function* checkNames(file: LintedFile): Generator<Finding> {
  const { stages, globalArgs } = file.dockerfile;
  yield* instructionCasing([
    ...globalArgs,
    ...stages.flatMap(({ from, instructions }) => [from, ...instructions]),
  ]);
  yield* stageNames(stages);
  for (const { instructions } of stages) for (const each of instructions) yield* formats(each);
  for (const each of [
    ...globalArgs,
    ...stages.flatMap(({ from, instructions }) => [from, ...instructions]),
  ]) {
    const line = file.lines.emptyContinuation(each.lines.start);
    if (line !== undefined)
      yield { rule: 'NoEmptyContinuation', line: each.lines.start, text: 'Empty continuation line' };
  }
  yield* descriptions(file);
}

const keywordOf = ({ text }: Written): string => /^\S+/.exec(text.trim())?.[0] ?? '';

/** The majority decides; a tie is for upper case. */
function* instructionCasing(instructions: readonly Written[]): Generator<Finding> {
  const keywords = instructions.map(keywordOf);
  const lower = keywords.filter((keyword) => keyword === keyword.toLowerCase()).length;
  const upper = keywords.filter((keyword) => keyword === keyword.toUpperCase()).length;
  const wantsLower = lower > upper;
  for (const [index, each] of instructions.entries()) {
    const keyword = keywords[index] ?? '';
    if (keyword === (wantsLower ? keyword.toLowerCase() : keyword.toUpperCase())) continue;
    yield {
      rule: 'ConsistentInstructionCasing',
      line: each.lines.start,
      text: `Command '${keyword}' should match the case of the command majority (${wantsLower ? 'lowercase' : 'uppercase'})`,
    };
  }
}

const RESERVED = new Set(['context', 'scratch']);

function* stageNames(stages: readonly SourceStage[]): Generator<Finding> {
  const seen = new Set<string>();
  for (const { from } of stages) {
    const line = from.lines.start;
    const [, as, name] = /\s(as)\s+(\S+)\s*$/i.exec(from.text) ?? [];
    if (as === undefined || name === undefined) continue;
    const keyword = keywordOf(from);
    const isLower = (word: string): boolean => word === word.toLowerCase();
    if (isLower(keyword) !== isLower(as) || (!isLower(as) && as !== as.toUpperCase())) {
      const text = `'${as}' and '${keyword}' keywords' casing do not match`;
      yield { rule: 'FromAsCasing', line, text };
    }
    if (!isLower(name))
      yield { rule: 'StageNameCasing', line, text: `Stage name '${name}' should be lowercase` };
    const lower = name.toLowerCase();
    if (RESERVED.has(lower)) {
      const text = `Stage name should not use the same name as reserved stage "${lower}"`;
      yield { rule: 'ReservedStageName', line, text };
    }
    if (seen.has(lower)) {
      const text = `Duplicate stage name "${lower}", stage names should be unique`;
      yield { rule: 'DuplicateStageName', line, text };
    }
    seen.add(lower);
  }
}

function* formats(instruction: StageInstruction): Generator<Finding> {
  const line = instruction.lines.start;
  switch (instruction.kind) {
    case 'MAINTAINER':
      yield {
        rule: 'MaintainerDeprecated',
        line,
        text: 'Maintainer instruction is deprecated in favor of using label',
      };
      break;
    case 'ENV':
    case 'LABEL': {
      const [first = ''] = /^\S+/.exec(instruction.text.trim().slice(instruction.kind.length).trim()) ?? [];
      if (!first.includes('=')) {
        const { kind } = instruction;
        yield {
          rule: 'LegacyKeyValueFormat',
          line,
          text: `"${kind} key=value" should be used instead of legacy "${kind} key value" format`,
        };
      }
      break;
    }
    case 'EXPOSE':
      for (const port of instruction.ports) yield* exposed(port, line);
      break;
  }
}

function* exposed(port: string, line: number): Generator<Finding> {
  if (port.includes('$')) return;
  if (port.includes(':')) {
    yield {
      rule: 'ExposeInvalidFormat',
      line,
      text: `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
    };
  }
  const protocol = port.split('/')[1] ?? '';
  if (protocol !== protocol.toLowerCase()) {
    yield {
      rule: 'ExposeProtoCasing',
      line,
      text: `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
    };
  }
}

/** `# <name> <description>` above an ARG or a named stage is shown by `docker build --call=outline`. */
function* descriptions({ dockerfile, lines }: LintedFile): Generator<Finding> {
  const named = [
    ...[...dockerfile.globalArgs, ...dockerfile.stages.flatMap(({ instructions }) => instructions)].flatMap(
      (each) =>
        each.kind === 'ARG' ? [{ line: each.lines.start, names: each.args.map(({ key }) => key) }] : [],
    ),
    ...dockerfile.stages.flatMap(({ from }) =>
      from.stageName === undefined ? [] : [{ line: from.lines.start, names: [from.stageName] }],
    ),
  ];
  for (const { line, names } of named) {
    const comment = lines.commentsAbove(line).at(-1);
    if (comment === undefined || /^[a-z]+\s*=/i.test(comment)) continue;
    const [first = ''] = comment.split(/\s/);
    if (names.some((name) => name.toLowerCase() === first.toLowerCase())) continue;
    yield {
      rule: 'InvalidDefinitionDescription',
      line,
      text:
        'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. ' +
        'If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
    };
  }
}

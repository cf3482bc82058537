/** Rules on how things are written and named: casing, stage names, formats that are old. Pure. */
import type { SourceStage, StageInstruction } from '../syntax.js';
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
      yield { rule: 'NoEmptyContinuation', line: each.lines.end, text: 'Empty continuation line' };
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
    const isUpper = (word: string): boolean => word === word.toUpperCase();
    // Of a keyword in both cases another rule speaks.
    if (isLower(keyword) ? !isLower(as) : isUpper(keyword) && !isUpper(as)) {
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
  const { globalArgs, stages } = dockerfile;
  const named = [
    ...[...globalArgs, ...stages.flatMap(({ instructions }) => instructions)].flatMap((each) =>
      each.kind === 'ARG'
        ? [{ kind: 'ARG', line: each.lines.start, names: each.args.map(({ key }) => key) }]
        : [],
    ),
    ...stages.flatMap(({ from }) =>
      from.stageName === undefined ? [] : [{ kind: 'FROM', line: from.lines.start, names: [from.stageName] }],
    ),
  ];
  for (const { kind, line, names } of named) {
    // An empty comment sets the one above it apart.
    const comment = lines.commentsAbove(line).at(-1) ?? '';
    if (comment === '' || /^[a-z]+\s*=/i.test(comment) || names.includes(comment.split(' ', 1)[0] ?? ''))
      continue;
    const name = names.length > 1 ? '<arg_key>' : names[0];
    yield {
      rule: 'InvalidDefinitionDescription',
      line,
      text: `Comment for ${kind} should follow the format: \`# ${name} <description>\``,
    };
  }
}

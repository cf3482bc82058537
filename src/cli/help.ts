/** Help texts, made from the table of commands. Pure. */
import { type Command, EXIT, type OptionSpec } from './usage.js';

/** Commands under one heading. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly Command[];
}

export function generalHelp(groups: readonly CommandGroup[]): string[] {
  const nameOf = ({ name, usage }: Command): string => `${name} ${usage}`.trim();
  const commands = groups.flatMap((group) => group.commands);
  const width = Math.max(...commands.map((command) => nameOf(command).length));
  const lines = (group: CommandGroup): string[] => [
    `${group.title}:`,
    ...group.commands.map((command) => `  ${nameOf(command).padEnd(width)}  ${summary(command)}`),
    '',
  ];
  return [
    'slipway: git push to build, release and roll out; roll back in a second',
    '',
    'usage: slipway COMMAND [-a APP] [--json] ...',
    '',
    ...groups.flatMap(lines),
    'slipway COMMAND --help shows the options and examples of a command. `apps create` is the same as `apps:create`.',
    `exit codes: ${Object.entries(EXIT)
      .map(([name, code]) => `${code} ${name}`)
      .join(', ')}`,
  ];
}

/** The first sentence. */
export function summary({ help }: Command): string {
  return (help.split('. ')[0] ?? '').replace(/\.$/, '');
}

export function commandHelp(command: Command, options: Readonly<Record<string, OptionSpec>>): string[] {
  const flags = Object.entries(options).map(([name, spec]) => {
    const value = spec.type === 'string' ? ` ${spec.value ?? 'VALUE'}` : '';
    return `${spec.short === undefined ? '    ' : `-${spec.short}, `}--${name}${value}`;
  });
  const width = Math.max(24, ...flags.map((flag) => flag.length));
  const lines = Object.values(options).map(
    (spec, index) => `  ${(flags[index] ?? '').padEnd(width)} ${spec.help}`,
  );
  return [
    `usage: slipway ${command.name} ${command.usage}`.trimEnd(),
    '',
    command.help,
    ...(command.aliases === undefined ? [] : ['', `also: ${command.aliases.join(', ')}`]),
    '',
    'options:',
    ...lines,
    ...(command.notes === undefined ? [] : ['', ...command.notes]),
    '',
    'examples:',
    ...command.examples.map((example) => `  ${example}`),
  ];
}

/** The known word that is fewest edits away: at most three, and at most half of the word. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, edits: editDistance(word, candidate) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.min(3, word.length / 2) ? best.candidate : undefined;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...b].entries()) {
      next.push(
        Math.min(
          (row[column + 1] ?? 0) + 1,
          (next[column] ?? 0) + 1,
          (row[column] ?? 0) + (letter === other ? 0 : 1),
        ),
      );
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Help texts, made from the table of commands. Pure. */
import type { Command, OptionSpec } from './usage.js';

export function generalHelp(commands: readonly Command[]): string[] {
  const names = commands.map((command) => `${command.name} ${command.usage}`.trim());
  const width = Math.max(...names.map((name) => name.length));
  return [
    'slipway: git push to build, release and roll out; roll back in a second',
    '',
    'usage: slipway COMMAND [-a APP] [--json] ...',
    '',
    ...commands.map(
      (command, index) =>
        `  ${(names[index] ?? '').padEnd(width)}  ${command.help.split('. ')[0]?.replace(/\.$/, '')}`,
    ),
    '',
    'slipway COMMAND --help shows its options and examples.',
  ];
}

export function commandHelp(command: Command, common: Readonly<Record<string, OptionSpec>>): string[] {
  const options = Object.entries({ ...command.options, ...common }).map(([name, spec]) => {
    const flag = `${spec.short === undefined ? '    ' : `-${spec.short}, `}--${name}${spec.type === 'string' ? ' VALUE' : ''}`;
    return `  ${flag.padEnd(24)} ${spec.help}`;
  });
  return [
    `usage: slipway ${command.name} ${command.usage}`.trimEnd(),
    '',
    command.help,
    ...(command.aliases === undefined ? [] : ['', `also: ${command.aliases.join(', ')}`]),
    '',
    'options:',
    ...options,
    '',
    'examples:',
    ...command.examples.map((example) => `  ${example}`),
  ];
}

/** The known word that is fewest edits away, when that is at most three. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: editDistance(word, candidate) }))
    .sort((a, b) => a.edits - b.edits);
  return ranked[0] !== undefined && ranked[0].edits <= 3 ? ranked[0].candidate : undefined;
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

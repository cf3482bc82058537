/** All commands on one page, in Markdown: docs/commands.md, written by `slipway help --markdown`. Pure. */
import type { CommandGroup } from './help.js';
import { type Command, EXIT, type OptionSpec } from './usage.js';

type OptionsOf = (command: Command) => Readonly<Record<string, OptionSpec>>;

/** Options that every command takes are named once, at the top. */
export function commandReference(
  groups: readonly CommandGroup[],
  optionsOf: OptionsOf,
  common: Readonly<Record<string, OptionSpec>>,
): string[] {
  return [
    '# Commands',
    '',
    'Made by `slipway help --markdown`. `apps create` is the same as `apps:create`.',
    '',
    'Every command takes:',
    '',
    ...optionList(common),
    '',
    'Exit codes:',
    '',
    ...Object.entries(EXIT).map(([name, code]) => `- ${code}: ${name}`),
    ...groups.flatMap((group) => [
      '',
      `## ${group.title.charAt(0).toUpperCase()}${group.title.slice(1)}`,
      ...group.commands.flatMap((command) => section(command, without(optionsOf(command), common))),
    ]),
  ];
}

function section(command: Command, options: Readonly<Record<string, OptionSpec>>): string[] {
  const list = optionList(options);
  return [
    '',
    `### ${command.name}`,
    '',
    ...fenced([`slipway ${command.name} ${command.usage}`.trimEnd()]),
    '',
    ...command.help.split('\n'),
    ...(command.aliases === undefined
      ? []
      : ['', `Also: ${command.aliases.map((alias) => `\`${alias}\``).join(', ')}.`]),
    ...(list.length === 0 ? [] : ['', ...list]),
    ...(command.notes === undefined ? [] : ['', ...fenced(command.notes)]),
    '',
    ...fenced(command.examples),
  ];
}

function optionList(options: Readonly<Record<string, OptionSpec>>): string[] {
  return Object.entries(options).map(([name, { type, short, value, help }]) => {
    const flag = `${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`;
    return `- \`${flag}\`: ${help}`;
  });
}

function fenced(lines: readonly string[]): string[] {
  return ['```', ...lines, '```'];
}

function without(
  options: Readonly<Record<string, OptionSpec>>,
  common: Readonly<Record<string, OptionSpec>>,
): Readonly<Record<string, OptionSpec>> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !Object.hasOwn(common, name)));
}

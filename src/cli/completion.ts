/** What may come next on a command line that is being typed. Pure: names that the platform knows are only said to be wanted. */
import { type CommandGroup, summary } from './help.js';
import type { Command, OptionSpec } from './usage.js';

export interface Candidate {
  readonly word: string;
  /** What a shell may show beside it. */
  readonly about?: string;
}

/** The words themselves, or whose names to ask the platform for. */
export type Completion = { readonly words: readonly Candidate[] } | { readonly names: 'apps' | 'releases' };

const NOTHING: Completion = { words: [] };

/**
 * `typed`: the words after `slipway`, the last of them the one under the cursor, empty when it has not begun. Candidates begin with
 * it. Nothing is offered where a file or free text is wanted; the shell knows files better.
 */
export function complete(
  typed: readonly string[],
  groups: readonly CommandGroup[],
  optionsOf: (command: Command) => Readonly<Record<string, OptionSpec>>,
): Completion {
  const commands = groups.flatMap((group) => group.commands);
  const [first = '', ...rest] = typed;
  const current = typed.at(-1) ?? '';
  const names = (): Completion =>
    beginning(
      current,
      commands.map((command) => ({ word: command.name, about: summary(command) })),
    );
  if (rest.length === 0 || (first === 'help' && rest.length === 1)) return names();
  const command = commands.find(({ name, aliases }) => name === first || aliases?.includes(first));
  if (command === undefined) return NOTHING;
  const options = optionsOf(command);
  const before = rest.slice(0, -1);
  if (before.includes('--')) return NOTHING;
  const wanting = optionOf(before.at(-1) ?? '', options);
  if (wanting?.spec.type === 'string') return wanting.name === 'app' ? { names: 'apps' } : NOTHING;
  if (current.startsWith('-')) {
    const flags = Object.entries(options).map(([name, { help }]) => ({ word: `--${name}`, about: help }));
    return beginning(current, flags);
  }
  return argument(command.usage.split(' ')[positionals(before, options)] ?? '', current);
}

/** The app that a typed `-a` names. */
export function appTyped(typed: readonly string[]): string | undefined {
  const at = typed.findIndex((word) => word === '-a' || word === '--app');
  return at < 0 || at + 1 >= typed.length - 1 ? undefined : typed[at + 1];
}

/** By what the usage says of it: `[vN]` is a release, `get|store` one of these words. */
function argument(usage: string, current: string): Completion {
  const bare = usage.replace(/^\[|\]$|\.\.\.|\]\.\.\.$/g, '');
  if (/^v[NM]$/.test(bare)) return { names: 'releases' };
  if (!/^[a-z]+(\|[a-z]+)+$/.test(bare)) return NOTHING;
  return beginning(
    current,
    bare.split('|').map((word) => ({ word })),
  );
}

function positionals(words: readonly string[], options: Readonly<Record<string, OptionSpec>>): number {
  return words.filter((word, index) => {
    if (word.startsWith('-')) return false;
    return optionOf(words[index - 1] ?? '', options)?.spec.type !== 'string';
  }).length;
}

function optionOf(
  word: string,
  options: Readonly<Record<string, OptionSpec>>,
): { name: string; spec: OptionSpec } | undefined {
  const found = Object.entries(options).find(
    ([name, { short }]) => word === `--${name}` || (short !== undefined && word === `-${short}`),
  );
  return found === undefined ? undefined : { name: found[0], spec: found[1] };
}

function beginning(current: string, candidates: readonly Candidate[]): Completion {
  return { words: candidates.filter(({ word }) => word.startsWith(current)) };
}

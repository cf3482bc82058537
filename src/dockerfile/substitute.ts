/**
 * The pattern forms of a substitution: `${x#p}`, `${x%p}`, `${x/p/r}`. Patterns know `*`, `?` and a backslash before
 * `*`, `?`, `\`, `/` or `}`; no brackets. Matching follows a set of states, never backtracks, and spends a budget: a
 * Dockerfile is somebody else's program and must not hold a builder.
 */

export type PatternPart =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'many' };

export interface StepBudget {
  /** Called before each unit of work; throws when there has been too much. */
  spend(steps: number): void;
}

/** Undefined when a backslash stands before something that needs none. */
export function parsePattern(text: string): readonly PatternPart[] | undefined {
  const parts: PatternPart[] = [];
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? '';
    if (char === '*') parts.push({ kind: 'many' });
    else if (char === '?') parts.push({ kind: 'one' });
    else if (char !== '\\') parts.push({ kind: 'char', char });
    else {
      const escaped = chars[++i];
      if (escaped === undefined || !'*?\\/}'.includes(escaped)) return undefined;
      parts.push({ kind: 'char', char: escaped });
    }
  }
  return parts;
}

/** `${x#p}` and `${x##p}`. */
export function trimPrefix(
  value: string,
  pattern: readonly PatternPart[],
  longest: boolean,
  budget: StepBudget,
): string {
  budget.spend(value.length);
  const chars = [...value];
  const end = matchEnd(chars, 0, pattern, longest, budget);
  return end === undefined ? value : chars.slice(end).join('');
}

/** `${x%p}` and `${x%%p}`: the same from behind. */
export function trimSuffix(
  value: string,
  pattern: readonly PatternPart[],
  longest: boolean,
  budget: StepBudget,
): string {
  budget.spend(value.length);
  const chars = [...value].reverse();
  const end = matchEnd(chars, 0, [...pattern].reverse(), longest, budget);
  return end === undefined ? value : chars.slice(end).reverse().join('');
}

/** `${x/p/r}` and `${x//p/r}`: the leftmost, longest matches. The replacement is literal. */
export function replace(
  value: string,
  pattern: readonly PatternPart[],
  replacement: string,
  all: boolean,
  budget: StepBudget,
): string {
  budget.spend(value.length);
  const chars = [...value];
  const out: string[] = [];
  let at = 0;
  let previousEnd = -1;
  while (at <= chars.length) {
    const end = matchEnd(chars, at, pattern, true, budget);
    // As in Go, an empty match right after a match does not count.
    if (end !== undefined && !(end === at && at === previousEnd)) {
      budget.spend(replacement.length);
      out.push(replacement);
      previousEnd = end;
      if (!all) return out.join('') + chars.slice(end).join('');
      if (end > at) {
        at = end;
        continue;
      }
    }
    out.push(chars[at] ?? '');
    at++;
  }
  return out.join('');
}

/** Where a match that begins at `start` ends; undefined when there is none. */
function matchEnd(
  chars: readonly string[],
  start: number,
  pattern: readonly PatternPart[],
  longest: boolean,
  budget: StepBudget,
): number | undefined {
  let states = closure([0], pattern);
  let found: number | undefined;
  for (let at = start; ; at++) {
    if (states.has(pattern.length)) {
      found = at;
      if (!longest) return found;
    }
    const char = chars[at];
    if (char === undefined || states.size === 0) return found;
    budget.spend(states.size);
    const next: number[] = [];
    for (const state of states) {
      const part = pattern[state];
      if (part === undefined) continue;
      if (part.kind === 'many') next.push(state);
      else if (part.kind === 'one' || part.char === char) next.push(state + 1);
    }
    states = closure(next, pattern);
  }
}

/** A `*` may match nothing, so the state after it is reached with it. */
function closure(states: readonly number[], pattern: readonly PatternPart[]): ReadonlySet<number> {
  const all = new Set<number>();
  for (const from of states) {
    let state = from;
    all.add(state);
    while (pattern[state]?.kind === 'many') all.add(++state);
  }
  return all;
}

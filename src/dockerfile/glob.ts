/**
 * The glob patterns of COPY and .dockerignore, compiled. Matching follows all states at once, so that no pattern,
 * however it is made, takes more than its length times the path's.
 */

export type GlobToken =
  | { readonly kind: 'char'; readonly char: string }
  /** `?`: one character, not a slash. */
  | { readonly kind: 'one' }
  /** `*`: any number of characters, no slash. */
  | { readonly kind: 'star' }
  /** A `**` at the end: anything. */
  | { readonly kind: 'any' }
  /** A `**` before something: nothing, or anything up to and with a slash. */
  | { readonly kind: 'directories' }
  | {
      readonly kind: 'class';
      readonly negated: boolean;
      readonly ranges: readonly { readonly low: number; readonly high: number }[];
    };

/** The pattern is no pattern: an open bracket, an empty class, a backslash at the end (Go's ErrBadPattern). */
export class BadPattern extends Error {}

/** Reads the class whose `[` stands at `start`; `end` is after its `]`. As Go's filepath.Match: `^` negates, `!` does not. */
export function parseClass(chars: readonly string[], start: number): { token: GlobToken; end: number } {
  let at = start + 1;
  const negated = chars[at] === '^';
  if (negated) at++;
  const ranges: { low: number; high: number }[] = [];
  const next = (): number => {
    let char = chars[at++];
    if (char === '-' || char === ']') throw new BadPattern();
    if (char === '\\') char = chars[at++];
    const code = char?.codePointAt(0);
    // What a class holds is followed by something: at least its end.
    if (code === undefined || at >= chars.length) throw new BadPattern();
    return code;
  };
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = next();
    let high = low;
    if (chars[at] === '-') {
      at++;
      high = next();
    }
    ranges.push({ low, high });
  }
  return { token: { kind: 'class', negated, ranges }, end: at + 1 };
}

export class Glob {
  private readonly tokens: readonly GlobToken[];

  constructor(tokens: readonly GlobToken[]) {
    this.tokens = tokens;
  }

  matches(path: string): boolean {
    // State 2n: before token n. State 2n + 1: inside the `directories` token n.
    return this.after(path)?.has(2 * this.tokens.length) ?? false;
  }

  /** Whether some path that begins with `prefix` matches. */
  canContinue(prefix: string): boolean {
    return this.after(prefix) !== undefined;
  }

  /** The states after reading the text; undefined when there are none. */
  private after(text: string): ReadonlySet<number> | undefined {
    let states = new Set<number>();
    this.enter(states, 0);
    for (const char of text) {
      const next = new Set<number>();
      for (const state of states) this.step(state, char, next);
      if (next.size === 0) return undefined;
      states = next;
    }
    return states;
  }

  private step(state: number, char: string, next: Set<number>): void {
    const index = state >> 1;
    const token = this.tokens[index];
    switch (token?.kind) {
      case undefined:
        return;
      case 'directories':
        next.add(2 * index + 1);
        if (char === '/') this.enter(next, index + 1);
        return;
      case 'any':
        this.enter(next, index);
        return;
      case 'star':
        if (char !== '/') this.enter(next, index);
        return;
      case 'one':
        if (char !== '/') this.enter(next, index + 1);
        return;
      case 'char':
        if (char === token.char) this.enter(next, index + 1);
        return;
      case 'class': {
        const code = char.codePointAt(0) ?? 0;
        const inside = token.ranges.some(({ low, high }) => low <= code && code <= high);
        if (inside !== token.negated) this.enter(next, index + 1);
      }
    }
  }

  /** Into the state before a token, and past those that may match nothing. */
  private enter(states: Set<number>, index: number): void {
    for (let at = index; ; at++) {
      states.add(2 * at);
      const kind = this.tokens[at]?.kind;
      if (kind !== 'star' && kind !== 'any' && kind !== 'directories') return;
    }
  }
}

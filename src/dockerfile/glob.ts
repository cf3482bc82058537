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

const SLASH = 0x2f;

function literalStart(tokens: readonly GlobToken[]): string {
  let text = '';
  for (const token of tokens) {
    if (token.kind !== 'char') break;
    text += token.char;
  }
  return text;
}

/** One pattern. A state 2n is before token n, 2n + 1 inside the `directories` token n. */
export class Glob {
  readonly #tokens: readonly GlobToken[];
  /** The code of a `char` token; -1 for another. */
  readonly #codes: Int32Array;
  /** In which round a state was reached last: no state is held twice. */
  readonly #reached: Uint32Array;
  /** What every match begins and ends with: most paths need no more than this. */
  readonly #prefix: string;
  readonly #suffix: string;
  #round = 0;
  #states: Int32Array;
  #next: Int32Array;
  #count = 0;

  constructor(tokens: readonly GlobToken[]) {
    const states = 2 * tokens.length + 2;
    this.#tokens = tokens;
    this.#codes = Int32Array.from(tokens, (token) =>
      token.kind === 'char' ? (token.char.codePointAt(0) ?? -1) : -1,
    );
    this.#prefix = literalStart(tokens);
    this.#suffix = [...literalStart([...tokens].reverse())].reverse().join('');
    this.#reached = new Uint32Array(states);
    this.#states = new Int32Array(states);
    this.#next = new Int32Array(states);
  }

  matches(path: string): boolean {
    if (!path.startsWith(this.#prefix) || !path.endsWith(this.#suffix)) return false;
    return this.#read(path) && this.#isMatch();
  }

  /** Whether the path matches, or what is before one of its slashes. */
  matchesOrAbove(path: string): boolean {
    return path.startsWith(this.#prefix) && this.#read(path, true);
  }

  /** Whether some path that begins with `prefix` matches. */
  canContinue(prefix: string): boolean {
    return this.#read(prefix);
  }

  /** What was read so far. */
  #isMatch(): boolean {
    return this.#reached[2 * this.#tokens.length] === this.#round;
  }

  /** Follows the text; false when no state is left. With `above`: whether it, or what is before a slash, matches. */
  #read(text: string, above = false): boolean {
    this.#begin();
    this.#enter(0);
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at) ?? 0;
      if (code > 0xffff) at++;
      if (above && code === SLASH && this.#isMatch()) return true;
      const count = this.#count;
      [this.#states, this.#next] = [this.#next, this.#states];
      this.#begin();
      for (let each = 0; each < count; each++) this.#step(this.#states[each] ?? 0, code);
      if (this.#count === 0) return false;
    }
    return !above || this.#isMatch();
  }

  #begin(): void {
    this.#count = 0;
    this.#round++;
    if (this.#round < 0xffff_ffff) return;
    this.#reached.fill(0);
    this.#round = 1;
  }

  #step(state: number, code: number): void {
    const index = state >> 1;
    const expected = this.#codes[index];
    if (expected === undefined) return;
    if (expected >= 0) {
      if (expected === code) this.#enter(index + 1);
      return;
    }
    const token = this.#tokens[index];
    switch (token?.kind) {
      case 'directories':
        this.#add(2 * index + 1);
        if (code === SLASH) this.#enter(index + 1);
        return;
      case 'any':
        this.#enter(index);
        return;
      case 'star':
        if (code !== SLASH) this.#enter(index);
        return;
      case 'one':
        if (code !== SLASH) this.#enter(index + 1);
        return;
      case 'class': {
        const inside = token.ranges.some(({ low, high }) => low <= code && code <= high);
        if (inside !== token.negated) this.#enter(index + 1);
      }
    }
  }

  #add(state: number): boolean {
    if (this.#reached[state] === this.#round) return false;
    this.#reached[state] = this.#round;
    this.#next[this.#count++] = state;
    return true;
  }

  /** Into the state before a token, and past those that may match nothing. */
  #enter(index: number): void {
    for (let at = index; this.#add(2 * at); at++) {
      const kind = this.#tokens[at]?.kind;
      if (kind !== 'star' && kind !== 'any' && kind !== 'directories') return;
    }
  }
}

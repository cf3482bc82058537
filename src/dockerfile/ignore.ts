/**
 * .dockerignore: which paths of the context COPY does not see. Follows moby/patternmatcher (MatchesOrParentMatches):
 * patterns in order, the last one that matches a path or any directory above it decides, `!` brings back.
 */
import { posix } from 'node:path';
import { SlipwayError } from '../errors.js';
import { BadPattern, Glob, type GlobToken, parseClass } from './glob.js';
import { trim } from './text.js';

/** The files to look for, in order: the first that exists is used. Paths are relative to the context. */
export function ignoreFiles(dockerfilePath: string): readonly [string, string] {
  return [`${dockerfilePath}.dockerignore`, '.dockerignore'];
}

/** Throws `dockerfile_invalid` with `name` and line for a malformed pattern. */
export function parseIgnore(text: string, name = '.dockerignore'): IgnoreMatcher {
  const patterns: Pattern[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    // Only a # in the first column: an indented one is a file name.
    if (line.startsWith('#')) continue;
    const pattern = readPattern(line, `${name}:${index + 1}`);
    if (pattern !== undefined) patterns.push(pattern);
  }
  return new IgnoreMatcher(patterns);
}

/** The patterns of `--exclude` and `--parents`, in which a # is no comment. Throws `dockerfile_invalid`. */
export function parsePatterns(patterns: readonly string[], where: string): IgnoreMatcher {
  return new IgnoreMatcher(
    patterns.map((pattern) => readPattern(pattern, where)).filter((pattern) => pattern !== undefined),
  );
}

/** Undefined for one that is empty. */
function readPattern(text: string, where: string): Pattern | undefined {
  const trimmed = trim(text);
  if (trimmed === '') return undefined;
  const exception = trimmed.startsWith('!');
  const written = exception ? trim(trimmed.slice(1)) : trimmed;
  if (written === '') {
    throw new SlipwayError('dockerfile_invalid', 'a ! without a pattern', {
      where,
      hint: 'write the path after it',
    });
  }
  return new Pattern(cleanPattern(written), exception, where);
}

/** As Go's path.Clean, and relative to the context. */
function cleanPattern(pattern: string): string {
  const clean = posix.normalize(pattern);
  const bare = clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
  return bare.length > 1 && bare.startsWith('/') ? bare.slice(1) : bare;
}

/** Directories whose answers are kept: siblings share them. */
const MAX_KEPT = 20_000;

export class IgnoreMatcher {
  private readonly patterns: readonly Pattern[];
  /** For a directory, which patterns match it or a directory above it. */
  private readonly kept = new Map<string, readonly boolean[]>();

  constructor(patterns: readonly Pattern[]) {
    this.patterns = patterns;
  }

  /** The same text, the same answers. */
  get text(): string {
    return this.patterns.map(({ exception, pattern }) => `${exception ? '!' : ''}${pattern}`).join('\n');
  }

  /** `path` is relative to the context, without outer slashes. The root (`''`) is never ignored. */
  ignores(path: string): boolean {
    if (path === '' || path === '.') return false;
    const above = this.matchesOf(parentOf(path));
    for (let index = this.patterns.length - 1; index >= 0; index--) {
      const pattern = this.patterns[index];
      if (pattern !== undefined && (above[index] || pattern.matches(path))) return !pattern.exception;
    }
    return false;
  }

  /**
   * False: every path below `directory` (at any depth; `''` is the root) is ignored exactly if the directory itself is,
   * so the directory may be taken, or left, as a whole.
   */
  canMatchBelow(directory: string): boolean {
    const path = directory === '.' ? '' : directory;
    const matched = this.matchesOf(path);
    const prefix = path === '' ? '' : `${path}/`;
    let last = matched.length - 1;
    while (last >= 0 && !matched[last]) last--;
    const ignored = last >= 0 && this.patterns[last]?.exception === false;
    // A later pattern changes something only if it says the contrary of what holds for the directory.
    return this.patterns.some(
      (pattern, index) => index > last && pattern.exception === ignored && pattern.canMatchBelow(prefix),
    );
  }

  private matchesOf(directory: string): readonly boolean[] {
    if (directory === '') return this.patterns.map(() => false);
    const known = this.kept.get(directory);
    if (known !== undefined) return known;
    const parent = parentOf(directory);
    // Not one directory after the other: a deep path would be read as often as it has parts.
    const above = parent === '' ? [] : this.kept.get(parent);
    const matched = this.patterns.map((pattern, index) =>
      above === undefined
        ? pattern.matchesOrAbove(directory)
        : above[index] === true || pattern.matches(directory),
    );
    if (this.kept.size >= MAX_KEPT) this.kept.clear();
    this.kept.set(directory, matched);
    return matched;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

class Pattern {
  readonly pattern: string;
  readonly exception: boolean;
  private readonly glob: Glob;
  /** Set for the common patterns, which need no states: a name, `**` + `/name`, `name/**`. */
  private readonly literal:
    | { readonly kind: 'exact' | 'suffix' | 'prefix'; readonly text: string }
    | undefined;

  constructor(pattern: string, exception: boolean, where: string) {
    this.pattern = pattern;
    this.exception = exception;
    const { tokens, shape } = this.compile(pattern, where);
    this.glob = new Glob(tokens);
    this.literal = shape;
  }

  matches(path: string): boolean {
    if (this.literal === undefined) return this.glob.matches(path);
    const { kind, text } = this.literal;
    if (kind === 'exact') return path === text;
    if (kind === 'prefix') return path.startsWith(text);
    return path.endsWith(text) || (text.startsWith('/') && path === text.slice(1));
  }

  /** The path, or a directory above it. */
  matchesOrAbove(path: string): boolean {
    if (this.literal === undefined) return this.glob.matchesOrAbove(path);
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
      if (this.matches(path.slice(0, slash))) return true;
    return this.matches(path);
  }

  /** `prefix` is empty or ends with a slash. */
  canMatchBelow(prefix: string): boolean {
    return this.glob.canContinue(prefix);
  }

  private compile(pattern: string, where: string): { tokens: GlobToken[]; shape: Pattern['literal'] } {
    try {
      return compilePattern(pattern);
    } catch (error) {
      if (!(error instanceof BadPattern)) throw error;
      throw new SlipwayError('dockerfile_invalid', `${JSON.stringify(pattern)} is not a pattern`, {
        where,
        hint: 'close every [ with a ], and write \\[ for a bracket that is meant as one',
      });
    }
  }
}

function compilePattern(pattern: string): { tokens: GlobToken[]; shape: Pattern['literal'] } {
  const chars = [...pattern];
  const tokens: GlobToken[] = [];
  for (let at = 0; at < chars.length; ) {
    const char = chars[at] ?? '';
    if (char === '*' && chars[at + 1] === '*') {
      at += 2;
      if (chars[at] === '/') at++;
      tokens.push({ kind: at >= chars.length ? 'any' : 'directories' });
    } else if (char === '[') {
      const { token, end } = parseClass(chars, at);
      if (token.kind === 'class' && token.ranges.some(({ low, high }) => low > high)) throw new BadPattern();
      tokens.push(token);
      at = end;
    } else if (char === '\\') {
      const escaped = chars[at + 1];
      if (escaped === undefined) throw new BadPattern();
      tokens.push({ kind: 'char', char: escaped });
      at += 2;
    } else {
      tokens.push(char === '*' ? { kind: 'star' } : char === '?' ? { kind: 'one' } : { kind: 'char', char });
      at++;
    }
  }
  if (!/[*?[\]\\]/.test(pattern)) return { tokens, shape: { kind: 'exact', text: pattern } };
  const plain = /^(\*\*)?([^*?[\]\\]*)(\*\*)?$/.exec(pattern);
  if (plain?.[1] !== undefined && plain[3] === undefined) {
    // As in Docker, `**name` without a slash takes every path that ends so, `myname` too.
    const suffix = plain[2] ?? '';
    return {
      tokens: suffix.startsWith('/') || suffix === '' ? tokens : [{ kind: 'any' }, ...tokens.slice(1)],
      shape: { kind: 'suffix', text: suffix },
    };
  }
  if (plain?.[1] === undefined && plain?.[3] !== undefined) {
    return { tokens, shape: { kind: 'prefix', text: plain[2] ?? '' } };
  }
  return { tokens, shape: undefined };
}

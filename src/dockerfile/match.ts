/** Wildcards in the sources of COPY and ADD: Go's filepath.Match on a whole relative path. */
import { SlipwayError } from '../errors.js';
import { BadPattern, Glob, type GlobToken, parseClass } from './glob.js';

const compiled = new Map<string, Glob>();
const MAX_COMPILED = 1000;

/** `*`, `?` and `[` never match across, a `*` stops at a slash. Throws `dockerfile_invalid` for a malformed pattern. */
export function matchPath(pattern: string, path: string): boolean {
  let glob = compiled.get(pattern);
  if (glob === undefined) {
    glob = new Glob(parseGoPattern(pattern));
    // A cache only: the solver matches one pattern against every path of a context.
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(pattern, glob);
  }
  return glob.matches(path);
}

/** Throws `dockerfile_invalid`. */
function parseGoPattern(pattern: string): readonly GlobToken[] {
  try {
    return tokensOf([...pattern]);
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    throw new SlipwayError('dockerfile_invalid', `${JSON.stringify(pattern)} is not a pattern`, {
      hint: 'close every [ with a ], and write \\[ for a bracket that is meant as one',
    });
  }
}

function tokensOf(chars: readonly string[]): GlobToken[] {
  const tokens: GlobToken[] = [];
  for (let at = 0; at < chars.length; ) {
    const char = chars[at] ?? '';
    if (char === '[') {
      const { token, end } = parseClass(chars, at);
      tokens.push(token);
      at = end;
      continue;
    }
    if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'one' });
    else if (char === '\\') {
      const escaped = chars[++at];
      if (escaped === undefined) throw new BadPattern();
      tokens.push({ kind: 'char', char: escaped });
    } else tokens.push({ kind: 'char', char });
    at++;
  }
  return tokens;
}

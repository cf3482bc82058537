/** The words of an image's history, as BuildKit writes them: tools read them, and `docker history` shows them. */
import { formatDuration } from './duration.js';
import type { Healthcheck } from './image-document.js';

export const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

/** Go's `%q` of a list of strings: `["npm" "start"]`. */
export function quoteList(words: readonly string[]): string {
  return `[${words.map(quote).join(' ')}]`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** Go's strconv.Quote. */
function quote(text: string): string {
  let quoted = '';
  for (const char of text)
    quoted += ESCAPES[char] ?? (/[\p{C}\p{Z}]/u.test(char) && char !== ' ' ? codeOf(char) : char);
  return `"${quoted}"`;
}

function codeOf(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Go's `%q` of a pointer to the struct; the number of retries comes out as a character. */
export function describeHealthcheck(healthcheck: Healthcheck): string {
  const {
    Test = [],
    Interval = 0,
    Timeout = 0,
    StartPeriod = 0,
    StartInterval = 0,
    Retries = 0,
  } = healthcheck;
  const durations = [Interval, Timeout, StartPeriod, StartInterval].map((each) =>
    quote(formatDuration(each)),
  );
  return `&{${quoteList(Test)} ${durations.join(' ')} ${quoteRune(Retries)}}`;
}

function quoteRune(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "'\ufffd'";
  const char = String.fromCodePoint(code);
  if (char === "'") return "'\\''";
  return char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`;
}

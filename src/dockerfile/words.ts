/** How the text after a keyword is split: JSON arrays, and words that keep their quotes until they are expanded. */

import type { EscapeCharacter } from './syntax.js';
import { isSpace } from './text.js';

/**
 * The strings of a JSON array; undefined when the text is no JSON array at all (then it is shell form, as in Docker);
 * `not-strings` when it is one that holds something else than strings.
 */
export function jsonStrings(text: string): readonly string[] | undefined | 'not-strings' {
  if (!text.startsWith('[')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  if (!parsed.every((item) => typeof item === 'string')) return 'not-strings';
  // A lone surrogate (\ud800) has no bytes; as in Go it becomes U+FFFD.
  return parsed.map((item) => item.replaceAll(/\p{Cs}/gu, '\ufffd'));
}

/**
 * Words of ENV, LABEL and ARG: split at blanks outside quotes. Quotes and escapes stay, for the expansion to take away.
 * An escape at the end of the text is dropped.
 */
export function quotedWords(text: string, escapeCharacter: EscapeCharacter): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === undefined && isSpace(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    if (char === escapeCharacter && quote !== "'") {
      if (at + 1 === text.length) break;
      word += char + text.charAt(++at);
      continue;
    }
    if (char === quote) quote = undefined;
    else if (quote === undefined && (char === "'" || char === '"')) quote = char;
    word += char;
  }
  if (word !== undefined && word !== '') words.push(word);
  return words;
}

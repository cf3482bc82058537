/** What counts as a blank, as Go's `unicode.IsSpace` and the Dockerfile grammar have it (JavaScript's `\s` differs). */

const SPACE = /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;

export function isSpace(char: string): boolean {
  return char === ' ' || char === '\t' || (char !== '' && SPACE.test(char));
}

export function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charAt(start))) start++;
  return text.slice(start);
}

export function trim(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}

/** The blanks between words of an instruction; a no-break space is part of a word. */
export const WORD_GAP: RegExp = /[\t\v\f\r ]+/;

/** Splits at blanks; no empty words. */
export function splitWords(text: string): string[] {
  return text.split(WORD_GAP).filter((word) => word !== '');
}

/** Heredocs: finding `<<NAME` among the shell words of a line, and what becomes of a body. */
import { ExpansionBudget, WordLexer } from './expand.js';
import type { Heredoc } from './syntax.js';
import { trimStart } from './text.js';

export type HeredocStart = Omit<Heredoc, 'content'>;

/** The heredocs that a logical line announces, in order. A line with an open quote announces none, as in Docker. */
export function heredocsOf(line: string, where: string): readonly HeredocStart[] {
  if (!line.includes('<<')) return [];
  const words = shellWords(line, where, { rawQuotes: true, rawEscapes: true });
  return (words ?? []).map((word) => heredocStart(word, where)).filter((start) => start !== undefined);
}

/** `<<EOF`, `3<<-"EOF"`; undefined when the word is anything else. */
export function heredocStart(word: string, where: string): HeredocStart | undefined {
  const match = /^\d*<<(-?)([^<]*)$/.exec(word);
  if (match === null) return undefined;
  const rest = trimStart(match[2] ?? '');
  const unquoted = shellWords(rest, where, {});
  const raw = shellWords(rest, where, { rawQuotes: true });
  if (unquoted?.length !== 1 || raw?.length !== 1) return undefined;
  const [name = ''] = unquoted;
  // An escaped quote counts on both sides, one that quotes only in the raw word.
  return { name, expand: countQuotes(name) === countQuotes(raw[0] ?? ''), chomp: match[1] === '-' };
}

/** The body as it is used: `<<-` takes leading tabs (only tabs) from every line. */
export function heredocBody(heredoc: Heredoc): string {
  return heredoc.chomp ? heredoc.content.replaceAll(/(^|\n)\t+/g, '$1') : heredoc.content;
}

function countQuotes(text: string): number {
  return text.replaceAll(/[^'"]/g, '').length;
}

class Unlexable extends Error {}

interface Raw {
  readonly rawQuotes?: boolean;
  readonly rawEscapes?: boolean;
}

/** Undefined when the text does not lex: then it is the shell's business, not ours. */
function shellWords(text: string, where: string, raw: Raw): readonly string[] | undefined {
  const lexer = new WordLexer(text, {
    // Always the backslash: a heredoc is read by a shell, whatever the escape directive says.
    escape: '\\',
    lookUp: () => undefined,
    budget: new ExpansionBudget(where),
    fail: (message) => new Unlexable(message),
    keepUnset: true,
    heredocs: true,
    ...raw,
  });
  try {
    return lexer.run().words;
  } catch (error) {
    if (error instanceof Unlexable) return undefined;
    throw error;
  }
}

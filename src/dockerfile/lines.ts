/** Lexing, part one: bytes → physical lines → logical lines with their heredoc bodies (RawInstruction). */
import { readDirectives } from './directives.js';
import { takeFlags } from './flags.js';
import { type HeredocStart, heredocsOf } from './heredoc.js';
import { invalid } from './problems.js';
import type { Directives, EscapeCharacter, Heredoc, RawInstruction } from './syntax.js';
import { trim, trimStart, WORD_GAP } from './text.js';

/** Docker's scanner stops here. */
const MAX_LINE_BYTES = 65_535;

export interface LexedFile {
  readonly directives: Directives;
  readonly instructions: readonly RawInstruction[];
}

/** Throws `dockerfile_invalid`. `name` is the file's name in errors. */
export function lexDockerfile(source: Uint8Array | string, name: string, maxBytes: number): LexedFile {
  const bytes = typeof source === 'string' ? new TextEncoder().encode(source) : source;
  if (bytes.length > maxBytes) {
    throw invalid(
      name,
      `the Dockerfile has ${bytes.length} bytes; the limit is ${maxBytes}`,
      'move data into files of the context',
    );
  }
  const lines = physicalLines(bytes, name);
  const directives = readDirectives(lines, name);
  const reader = new LogicalLines(lines, directives.escape, name);
  const instructions: RawInstruction[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) instructions.push(next);
  return { directives, instructions };
}

/** Lines with their line ends, checked one by one so that an error has a number. */
function physicalLines(bytes: Uint8Array, name: string): readonly string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lines: string[] = [];
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    const line = bytes.subarray(start, end);
    const where = `${name}:${lines.length + 1}`;
    if (line.length - (newline < 0 ? 0 : 1) > MAX_LINE_BYTES) {
      throw invalid(
        where,
        `the line is longer than ${MAX_LINE_BYTES} bytes`,
        'split it with a continuation, or COPY a file',
      );
    }
    if (line.includes(0))
      throw invalid(where, 'the line holds a NUL byte', 'the Dockerfile must be a UTF-8 text');
    try {
      lines.push(decoder.decode(line));
    } catch {
      throw invalid(where, 'the line is not UTF-8', 'save the Dockerfile as UTF-8');
    }
    start = end;
  }
  return lines;
}

/** Cuts what is in `chars` off the end. Not a regular expression: those are quadratic on long runs before something else. */
function trimEnd(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

const withoutNewline = (line: string): string => trimEnd(line, '\r\n');

class LogicalLines {
  private readonly lines: readonly string[];
  private readonly escapeCharacter: EscapeCharacter;
  private readonly name: string;
  private at = 0;

  constructor(lines: readonly string[], escapeCharacter: EscapeCharacter, name: string) {
    this.lines = lines;
    this.escapeCharacter = escapeCharacter;
    this.name = name;
  }

  next(): RawInstruction | undefined {
    for (;;) {
      const start = this.at + 1;
      const text = this.logicalLine();
      if (text === undefined) return undefined;
      // Only a lone continuation and blanks: nothing was said.
      if (trim(text) !== '') return this.instruction(trim(text), start);
    }
  }

  /** Joins continuations; comments and empty lines between them are dropped. Undefined at the end of the file. */
  private logicalLine(): string | undefined {
    const parts: string[] = [];
    for (let first = true; this.at < this.lines.length; this.at++) {
      const line = withoutNewline(this.lines[this.at] ?? '');
      const stripped = trimStart(line);
      if (stripped === '' || stripped.startsWith('#')) {
        if (first) break;
        continue;
      }
      // Blanks are stripped before an instruction only: on a continuation line they may be data.
      const { text, continues } = this.splitContinuation(first ? stripped : line);
      parts.push(text);
      first = false;
      if (!continues) break;
    }
    if (this.at >= this.lines.length && parts.length === 0) return undefined;
    this.at++;
    return parts.join('');
  }

  /** An escape before the line's end, blanks after it allowed; a doubled escape is data. */
  private splitContinuation(line: string): { text: string; continues: boolean } {
    const stripped = trimEnd(line, ' \t');
    const escapes = stripped.endsWith(this.escapeCharacter) && stripped.at(-2) !== this.escapeCharacter;
    return escapes ? { text: stripped.slice(0, -1), continues: true } : { text: line, continues: false };
  }

  private instruction(text: string, start: number): RawInstruction {
    const gap = WORD_GAP.exec(text);
    const keyword = (gap === null ? text : text.slice(0, gap.index)).toUpperCase();
    const after = gap === null ? '' : text.slice(gap.index + gap[0].length);
    const { flags, rest } = takeFlags(after);
    const trimmed = trim(rest);
    const where = `${this.name}:${start}`;
    const announced = this.mayHaveHeredocs(keyword, trimmed) ? heredocsOf(text, where) : [];
    const heredocs = announced.map((heredoc) => this.body(heredoc, where));
    return {
      keyword,
      flags,
      rest: trimmed,
      heredocs,
      lines: { start, end: Math.min(this.at, this.lines.length) },
      text,
    };
  }

  private mayHaveHeredocs(keyword: string, rest: string): boolean {
    if (keyword === 'ONBUILD') {
      const [inner = '', ...words] = rest.split(WORD_GAP);
      return inner.toUpperCase() !== 'ONBUILD' && this.mayHaveHeredocs(inner.toUpperCase(), words.join(' '));
    }
    return ['RUN', 'COPY', 'ADD'].includes(keyword) && !isJsonArray(rest);
  }

  private body(heredoc: HeredocStart, where: string): Heredoc {
    const content: string[] = [];
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at] ?? '';
      const text = withoutNewline(line);
      if ((heredoc.chomp ? text.replace(/^\t+/, '') : text) === heredoc.name) {
        this.at++;
        return { ...heredoc, content: content.join('') };
      }
      content.push(line);
    }
    throw invalid(
      where,
      `the heredoc <<${heredoc.name} has no end`,
      `write ${heredoc.name} alone on a line after it; quote << if no heredoc is meant`,
    );
  }
}

function isJsonArray(text: string): boolean {
  if (!text.startsWith('[')) return false;
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}

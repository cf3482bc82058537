/** What printers share: lines out of a step's output, what a terminal would obey taken out, widths, times. Pure. */
import { StringDecoder } from 'node:string_decoder';
import { oneLine } from '../../one-line.js';

/** A line longer than this is shown in parts, in characters. */
const LINE_CHARS = 8_000;

/** Cuts the chunks of one step's output into lines. */
export class Lines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /** The lines that the chunk completes. */
  feed(chunk: Uint8Array): string[] {
    this.#rest += this.#decoder.write(Buffer.from(chunk));
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    while (this.#rest.length > LINE_CHARS) {
      lines.push(this.#rest.slice(0, LINE_CHARS));
      this.#rest = this.#rest.slice(LINE_CHARS);
    }
    return lines.map(shownLine);
  }

  /** The last line, if it lacks its newline. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    return rest === '' ? [] : [shownLine(rest)];
  }
}

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
/** ECMA-48: ESC [ … letter, ESC ] … BEL, ESC and one character. */
const ESCAPES = new RegExp(
  `${ESC}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?|.)`,
  'gu',
);

/** As a terminal would end up showing it: what a carriage return overwrote is gone, and nothing moves the cursor. */
export function shownLine(text: string): string {
  const plain = text.replace(ESCAPES, '').replace(/\r+$/, '');
  return plain
    .slice(plain.lastIndexOf('\r') + 1)
    .replaceAll('\t', '    ')
    .replace(/\p{Cc}/gu, '');
}

/** An instruction in one line: continuation lines and runs of blanks are one blank. */
export function shownOneLine(text: string): string {
  return shownLine(oneLine(text));
}

/** `0.1s`, `12.3s`, `2m05s`. */
export function shortSeconds(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}m${String(Math.floor(seconds % 60)).padStart(2, '0')}s`;
}

/** Columns that a terminal gives a character: wide are those that Unicode's East Asian Width calls W or F, and emoji. */
function columnsOf(character: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}\u200b]$/u.test(character)) return 0;
  const code = character.codePointAt(0) ?? 0;
  const isWide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf && code !== 0x303f) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x20000 && code <= 0x3fffd) ||
    /^\p{Emoji_Presentation}$/u.test(character);
  return isWide ? 2 : 1;
}

export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** At most `columns` wide; what is cut ends with `…`. */
export function fitted(text: string, columns: number): string {
  if (text.length <= columns / 2 || widthOf(text) <= columns) return text;
  let width = 0;
  let kept = '';
  for (const character of text) {
    width += columnsOf(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return columns < 1 ? '' : `${kept}…`;
}

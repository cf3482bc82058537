/**
 * Bytes of a program's output → the lines a person should see: valid UTF-8, carriage returns played out as a terminal
 * would, control sequences removed except SGR colours, each line clipped. Pure, and the same however the bytes are cut
 * into chunks.
 */
import { isAscii } from 'node:buffer';

/** Everything that is not simply text: C0 controls but TAB, DEL, and C1 (terminals obey U+009B as ESC [). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f-\x9f]/g;
const TAB = 0x09;
const SGR = /^[\d;:]*$/;
const RESET = '\x1b[0m';
/** A control sequence longer than this is not one that colours text. */
const SEQUENCE_CHARS = 64;

/** Where the scanner is: in text, after ESC, in `ESC [ …`, in a string such as a window title, after its ESC. */
type Mode = 'text' | 'escape' | 'csi' | 'string' | 'string-escape';

export interface LineOptions {
  /** Bytes of one line, clip mark and colour reset included. */
  readonly maxBytes: number;
  /** A line without its newline, and its length in bytes of UTF-8. */
  readonly onLine: (line: string, sizeBytes: number) => void;
}

export function clipMark(maxBytes: number): string {
  return ` … [clipped at ${maxBytes} bytes]`;
}

/** One source of output. Keeps at most one line between calls. */
export class TerminalLines {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #onLine: LineOptions['onLine'];
  readonly #mark: string;
  readonly #textBytes: number;
  #inCharacter = false;
  #mode: Mode = 'text';
  #sequence = '';
  #line = '';
  #lineBytes = 0;
  #clipped = false;
  #coloured = false;
  /** A carriage return was seen: the next thing printed overwrites the line, a newline keeps it. */
  #returned = false;
  /** Something of the current line was printed. */
  #begun = false;

  constructor(options: LineOptions) {
    this.#onLine = options.onLine;
    this.#mark = clipMark(options.maxBytes);
    this.#textBytes = Math.max(0, options.maxBytes - Buffer.byteLength(this.#mark) - RESET.length);
  }

  write(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (bytes.length === 0) return;
    // Most output is ASCII, which needs no decoder unless the last chunk ended inside a character.
    const plain = !this.#inCharacter && isAscii(bytes);
    this.#inCharacter = !plain && (bytes.at(-1) ?? 0) >= 0x80;
    this.#scan(
      plain
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
        : this.#decoder.decode(bytes, { stream: true }),
    );
  }

  /** Ends the source: a line without a newline is a line too. It may be written to again. */
  end(): void {
    this.#scan(this.#decoder.decode());
    this.#inCharacter = false;
    this.#mode = 'text';
    if (this.#begun) this.#emit();
  }

  #scan(text: string): void {
    let at = 0;
    while (at < text.length) {
      if (this.#mode !== 'text') {
        at = this.#scanSequence(text, at);
        continue;
      }
      const code = text.charCodeAt(at);
      if (code < 0x20 && code !== TAB) {
        this.#control(code);
        at += 1;
        continue;
      }
      CONTROL.lastIndex = at;
      const end = CONTROL.test(text) ? CONTROL.lastIndex - 1 : text.length;
      if (end > at) this.#print(text.slice(at, end));
      else this.#control(code);
      at = Math.max(end, at + 1);
    }
  }

  #control(code: number): void {
    if (code === 0x0a) {
      this.#emit();
      return;
    }
    if (code === 0x0d) this.#returned = true;
    else if (code === 0x1b) this.#mode = 'escape';
    else if (code === 0x9b) this.#enter('csi');
    else if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f)) this.#enter('string');
  }

  /** One character inside a control sequence (ECMA-48 §5.4 and §5.6). Returns where to go on. */
  #scanSequence(text: string, at: number): number {
    const code = text.charCodeAt(at);
    // A line end ends any sequence, or an unfinished one would swallow the rest of the build's output.
    if (code === 0x0a || code === 0x0d || code === 0x18 || code === 0x1a) {
      this.#mode = 'text';
      return code === 0x0a || code === 0x0d ? at : at + 1;
    }
    switch (this.#mode) {
      case 'escape':
        if (code === 0x5b) this.#enter('csi');
        else if (code === 0x5d || code === 0x50 || code === 0x58 || code === 0x5e || code === 0x5f)
          this.#enter('string');
        else if (code === 0x1b) this.#mode = 'escape';
        // `ESC ( B` and the like: intermediates come before the final character.
        else if (code < 0x20 || code > 0x2f) this.#mode = 'text';
        return at + 1;
      case 'csi':
        if (code === 0x1b) this.#mode = 'escape';
        else if (code >= 0x40 && code <= 0x7e) this.#endSequence(text.charAt(at));
        else if (code < 0x20 || code > 0x7e) this.#mode = 'text';
        else if (this.#sequence.length <= SEQUENCE_CHARS) this.#sequence += text.charAt(at);
        return at + 1;
      case 'string':
        if (code === 0x07 || code === 0x9c) this.#mode = 'text';
        else if (code === 0x1b) this.#mode = 'string-escape';
        return at + 1;
      default:
        this.#mode = code === 0x5c ? 'text' : code === 0x1b ? 'string-escape' : 'string';
        return at + 1;
    }
  }

  #enter(mode: Mode): void {
    this.#mode = mode;
    this.#sequence = '';
  }

  #endSequence(final: string): void {
    this.#mode = 'text';
    const parameters = this.#sequence;
    if (final === 'm' && parameters.length <= SEQUENCE_CHARS && SGR.test(parameters)) {
      this.#colour(parameters);
    } else if (final === 'G' && /^[01]?$/.test(parameters)) {
      this.#returned = true;
    } else if (final === 'K' && (parameters === '2' || (this.#returned && /^0?$/.test(parameters)))) {
      this.#clear();
    }
  }

  #print(text: string): void {
    if (this.#returned) this.#clear();
    this.#begun = true;
    if (this.#clipped) return;
    if (this.#take(Buffer.byteLength(text))) this.#line += text;
    else this.#line += prefixOfBytes(text, this.#textBytes - this.#lineBytes);
  }

  #colour(parameters: string): void {
    if (this.#returned) this.#clear();
    // Added whole or not at all.
    if (this.#clipped || !this.#take(parameters.length + 3)) return;
    this.#line += `\x1b[${parameters}m`;
    this.#coloured = !/(^|;)0*$/.test(parameters);
  }

  /** Counts bytes that fit into the line; from the first that do not, the line is clipped. */
  #take(bytes: number): boolean {
    if (this.#lineBytes + bytes <= this.#textBytes) this.#lineBytes += bytes;
    else this.#clipped = true;
    return !this.#clipped;
  }

  #clear(): void {
    this.#line = '';
    this.#lineBytes = 0;
    this.#clipped = false;
    this.#coloured = false;
    this.#returned = false;
  }

  #emit(): void {
    let line = this.#line;
    let bytes = this.#lineBytes;
    if (this.#clipped) {
      line += this.#mark;
      bytes = Buffer.byteLength(line);
    }
    if (this.#coloured) {
      line += RESET;
      bytes += RESET.length;
    }
    this.#clear();
    this.#begun = false;
    this.#onLine(line, bytes);
  }
}

/** The longest prefix of whole characters within `bytes` of UTF-8. */
function prefixOfBytes(text: string, bytes: number): string {
  const scratch = Buffer.alloc(bytes);
  const { read } = new TextEncoder().encodeInto(text, scratch);
  return text.slice(0, read);
}

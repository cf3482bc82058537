/** What the parser drops and the linter needs: comments above an instruction, and empty lines inside one. Pure. */
import type { EscapeCharacter } from '../syntax.js';

export class SourceLines {
  readonly #lines: readonly string[];
  readonly #escape: EscapeCharacter;
  /** How many directives the file begins with: they are no comments of what follows. */
  readonly #directives: number;

  constructor(source: Uint8Array | string, escapeCharacter: EscapeCharacter) {
    const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
    this.#lines = text.split(/\r?\n/);
    this.#escape = escapeCharacter;
    const first = this.#lines.findIndex((line) => !/^\s*#\s*(?:syntax|escape|check)\s*=\s*\S/i.test(line));
    this.#directives = Math.max(first, 0);
  }

  /** The comment lines directly above a line, without their `#`, the topmost first. */
  commentsAbove(line: number): readonly string[] {
    const comments: string[] = [];
    for (let at = line - 1; at > this.#directives; at--) {
      const text = this.#line(at).trim();
      if (!text.startsWith('#')) break;
      comments.unshift(text.slice(1).trim());
    }
    return comments;
  }

  /** The first empty line between the continued lines of the instruction that starts at `line`. */
  emptyContinuation(line: number): number | undefined {
    let empty: number | undefined;
    for (let at = line; at <= this.#lines.length; at++) {
      const text = this.#line(at);
      if (at > line && text.trim() === '') {
        // Counts only if the instruction goes on after it.
        empty ??= at;
        continue;
      }
      if (at > line && text.trim().startsWith('#')) continue;
      if (empty !== undefined) return empty;
      if (!this.#continues(text)) return undefined;
    }
    return undefined;
  }

  #continues(text: string): boolean {
    const stripped = text.replace(/[ \t]+$/, '');
    return stripped.endsWith(this.#escape) && stripped.at(-2) !== this.#escape;
  }

  #line(number: number): string {
    return this.#lines[number - 1] ?? '';
  }
}

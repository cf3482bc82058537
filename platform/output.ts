/** What the person in front of `npm start` reads: each line with the name of the part that wrote it, as foreman does. */

export interface OutputStream {
  write(text: string): unknown;
}

const COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];
const NAME_WIDTH = 9;

export class Output {
  readonly #stream: OutputStream;
  readonly #colour: boolean;
  readonly #names: string[] = [];
  readonly #partial = new Map<string, string>();

  constructor(stream: OutputStream, options: { colour?: boolean } = {}) {
    this.#stream = stream;
    this.#colour = options.colour ?? false;
  }

  /** A line of Slipway's own. */
  say(text: string): void {
    this.line('slipway', text);
  }

  line(name: string, text: string): void {
    const prefix = `${name.padEnd(NAME_WIDTH)}|`;
    this.#stream.write(
      `${this.#colour ? `\x1b[${this.#colourOf(name)}m${prefix}\x1b[0m` : prefix} ${text}\n`,
    );
  }

  /** Output of a part as it comes; printed line by line, since two parts may write at once. */
  chunk(name: string, data: string): void {
    const lines = ((this.#partial.get(name) ?? '') + data).split('\n');
    this.#partial.set(name, lines.pop() ?? '');
    for (const line of lines) this.line(name, line);
  }

  /** The part ended: its last line may lack a newline. */
  flush(name: string): void {
    const rest = this.#partial.get(name);
    this.#partial.delete(name);
    if (rest) this.line(name, rest);
  }

  /** Several lines without a prefix. */
  block(lines: readonly string[]): void {
    this.#stream.write(`${lines.join('\n')}\n`);
  }

  #colourOf(name: string): number {
    if (!this.#names.includes(name)) this.#names.push(name);
    return COLOURS[this.#names.indexOf(name) % COLOURS.length] ?? 0;
  }
}

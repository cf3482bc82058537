/** A log's bytes as lines, however they are cut on their way, and the offset up to which they are there. */

export class LogText {
  readonly lines: string[] = [];
  readonly #onLine: (line: string) => void;
  #decoder = new TextDecoder();
  #rest = '';
  #offset: number;

  /** `onLine` is told each line that is added. */
  constructor(onLine: (line: string) => void = () => undefined, offset = 0) {
    this.#onLine = onLine;
    this.#offset = offset;
  }

  /** Where the next byte is missing. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes that begin at `from`; what is there already is passed over. False when some between are missing. */
  add(from: number, data: Uint8Array): boolean {
    if (from > this.#offset) return false;
    const fresh = data.subarray(this.#offset - from);
    if (fresh.length === 0) return true;
    this.#offset += fresh.length;
    const whole = (this.#rest + this.#decoder.decode(fresh, { stream: true })).split('\n');
    this.#rest = whole.pop() ?? '';
    for (const line of whole) this.#push(line);
    return true;
  }

  /** There will be no more: what has no line end is a line all the same. */
  end(): void {
    const line = this.#rest + this.#decoder.decode();
    this.#rest = '';
    if (line !== '') this.#push(line);
  }

  #push(line: string): void {
    this.lines.push(line);
    this.#onLine(line);
  }
}

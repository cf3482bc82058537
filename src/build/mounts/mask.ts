/** Hides secrets in what a step prints: each value, and its base64, becomes `***`, also when it comes in pieces. */

const STARS = Buffer.from('***');
/** What is shorter is found by chance, and would hide half of the output. */
const MIN_BYTES = 4;

export class OutputMask {
  /** The longest first: of two that begin alike, the longer one is hidden. */
  readonly #patterns: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);

  constructor(secrets: readonly Uint8Array[]) {
    const patterns = new Map(secrets.flatMap(formsOf).map((form) => [form.toString('latin1'), form]));
    this.#patterns = [...patterns.values()]
      .filter((form) => form.length >= MIN_BYTES)
      .sort((a, b) => b.length - a.length);
  }

  /** What may be shown of the output so far. The start of what may be a secret is kept until more is known. */
  next(chunk: Buffer): Buffer {
    if (this.#patterns.length === 0) return chunk;
    return this.#masked(Buffer.concat([this.#held, chunk]), false);
  }

  /** The rest, when nothing more will come. */
  end(): Buffer {
    return this.#masked(this.#held, true);
  }

  #masked(text: Buffer, isEnd: boolean): Buffer {
    const shown: Buffer[] = [];
    let at = 0;
    for (;;) {
      const found = this.#find(text, at);
      const held = isEnd ? text.length : this.#unfinished(text, at);
      if (held < text.length && (found === undefined || held <= found.start)) {
        shown.push(text.subarray(at, held));
        this.#held = Buffer.from(text.subarray(held));
        return Buffer.concat(shown);
      }
      if (found === undefined) break;
      shown.push(text.subarray(at, found.start), STARS);
      at = found.end;
    }
    shown.push(text.subarray(at));
    this.#held = Buffer.alloc(0);
    return Buffer.concat(shown);
  }

  /** The first secret, and the longest of those that begin there. */
  #find(text: Buffer, from: number): { start: number; end: number } | undefined {
    let first: { start: number; end: number } | undefined;
    for (const pattern of this.#patterns) {
      const start = text.indexOf(pattern, from);
      if (start >= 0 && (first === undefined || start < first.start)) {
        first = { start, end: start + pattern.length };
      }
    }
    return first;
  }

  /** Where a secret begins that goes on past the end of the text; the text's length when none does. */
  #unfinished(text: Buffer, from: number): number {
    let first = text.length;
    for (const pattern of this.#patterns) {
      const head = pattern[0] ?? 0;
      let start = text.indexOf(head, Math.max(from, text.length - pattern.length + 1));
      while (start >= 0 && start < first) {
        const rest = text.subarray(start);
        if (rest.equals(pattern.subarray(0, rest.length))) {
          first = start;
          break;
        }
        start = text.indexOf(head, start + 1);
      }
    }
    return first;
  }
}

/** Without the newline that ends a file, and in base64 with and without it. */
function formsOf(secret: Uint8Array): Buffer[] {
  const whole = Buffer.from(secret);
  let end = whole.length;
  while (end > 0 && (whole[end - 1] === 0x0a || whole[end - 1] === 0x0d)) end--;
  const trimmed = whole.subarray(0, end);
  if (trimmed.length < MIN_BYTES) return [];
  const encoded = [whole, trimmed].flatMap((bytes) => [
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ]);
  return [trimmed, ...encoded.map((text) => Buffer.from(text))];
}

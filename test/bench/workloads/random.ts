/** Random numbers that are the same in each run: xorshift32 (Marsaglia, "Xorshift RNGs", 2003). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // A multiplicative hash, so that neighbouring seeds begin far apart; the state must never be 0.
    this.#state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
    for (let warmUp = 0; warmUp < 8; warmUp++) this.bits();
  }

  /** 32 of them. */
  bits(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor((this.bits() / 0x1_0000_0000) * end);
  }

  /** As `below`, small numbers far more often: as words are used in a text. */
  skewed(end: number): number {
    const part = this.bits() / 0x1_0000_0000;
    return Math.floor(part * part * end);
  }

  bytes(count: number): Buffer {
    const words = new Uint32Array(Math.ceil(count / 4));
    for (let index = 0; index < words.length; index++) words[index] = this.bits();
    return Buffer.from(words.buffer, 0, count);
  }
}

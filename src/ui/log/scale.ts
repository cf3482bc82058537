/** Rows and pixels. A browser's elements end at some millions of pixels: a log that is longer is scrolled in larger steps. Pure. */

/** Firefox ends at 17.8 million. */
const MOST_PX = 15_000_000;

export class Scale {
  readonly #count: number;
  readonly #rowPx: number;
  readonly #viewPx: number;
  /** Of the element that scrolls. */
  readonly height: number;

  constructor(count: number, rowPx: number, viewPx: number) {
    this.#count = count;
    this.#rowPx = rowPx;
    this.#viewPx = viewPx;
    this.height = Math.min(count * rowPx, MOST_PX);
  }

  /** The row at the upper edge. */
  rowAt(scrollPx: number): number {
    return Math.max(0, Math.floor((scrollPx * this.#ratio()) / this.#rowPx));
  }

  /** Where a row is to be drawn so that it is in its place when scrolled to `scrollPx`. */
  topOf(row: number, scrollPx: number): number {
    return row * this.#rowPx - scrollPx * (this.#ratio() - 1);
  }

  /** How far to scroll for the row to be `above` rows below the upper edge. */
  scrollTo(row: number, above: number): number {
    return Math.max(0, ((row - above) * this.#rowPx) / this.#ratio());
  }

  #ratio(): number {
    const most = this.height - this.#viewPx;
    return most <= 0 ? 1 : (this.#count * this.#rowPx - this.#viewPx) / most;
  }
}

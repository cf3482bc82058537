/**
 * What belongs together in a build's log: headlines, the steps below them, and the lines of each step, also where the lines of several
 * stages are mixed (src/build/log-events.ts writes them). Told line by line; never looks back. Pure.
 */

export interface Heading {
  /** Line number from 0. */
  readonly line: number;
  readonly kind: 'section' | 'step' | 'end';
  /** The step's number in the build. */
  readonly step?: number;
}

const SECTION = /^-----> /;
const END = /^=====> /;
const STEP = /^ {7}\[(?:\S+ )?(\d+)\/\d+\] /;
/** A line of a step among those of others: `3 | …`, `3 CACHED`, `3 done in 1.2 s`. */
const MIXED = /^ {9}(\d+) (?:\||CACHED|not cached|done in|failed|stopped|\S)/;
/** The output of the one step that runs. */
const OF_STEP = /^ {9}/;

export class Outline {
  readonly headings: Heading[] = [];
  /** For each line the line of the heading that it is below; -1 for none. */
  readonly above: number[] = [];
  readonly #byStep = new Map<number, number>();
  #section = -1;
  #step = -1;

  add(text: string): void {
    const line = this.above.length;
    if (SECTION.test(text) || END.test(text)) {
      this.#section = line;
      this.#step = -1;
      this.#byStep.clear();
      this.above.push(-1);
      this.headings.push({ line, kind: SECTION.test(text) ? 'section' : 'end' });
      return;
    }
    const step = STEP.exec(text)?.[1];
    if (step !== undefined) {
      this.#step = line;
      this.#byStep.set(Number(step), line);
      this.above.push(this.#section);
      this.headings.push({ line, kind: 'step', step: Number(step) });
      return;
    }
    const mixed = MIXED.exec(text)?.[1];
    const owner = mixed === undefined ? undefined : this.#byStep.get(Number(mixed));
    this.above.push(owner ?? (OF_STEP.test(text) && this.#step !== -1 ? this.#step : this.#section));
  }

  /** The headings over a line, the nearest first. */
  over(line: number): number[] {
    const found: number[] = [];
    for (let at = this.above[line] ?? -1; at !== -1; at = this.above[at] ?? -1) found.push(at);
    return found;
  }

  /** The numbers of the lines that are left when what is below these headings is folded away. */
  shown(folded: ReadonlySet<number>): number[] {
    const hidden = new Uint8Array(this.above.length);
    const left: number[] = [];
    for (const [line, above] of this.above.entries()) {
      if (above !== -1 && (folded.has(above) || hidden[above] === 1)) hidden[line] = 1;
      else left.push(line);
    }
    return left;
  }
}

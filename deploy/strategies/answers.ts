/** How many answers of a canary and of the stable release were errors, from the edge's counters. */

export interface Counted {
  readonly answers: number;
  /** 5xx, and answers that broke off. */
  readonly errors: number;
}

/** With fewer answers one error would be a verdict. */
const LEAST_ANSWERS = 20;

/** Whether more of the canary's answers are errors than of the stable release's, by more than the margin. */
export function isWorse(canary: Counted, stable: Counted, marginPercent: number): boolean {
  if (canary.answers < LEAST_ANSWERS) return false;
  return percentOf(canary) > percentOf(stable) + marginPercent;
}

function percentOf({ answers, errors }: Counted): number {
  return answers === 0 ? 0 : (errors / answers) * 100;
}

export class Answers {
  readonly #canaries: ReadonlySet<string>;
  #before: ReadonlyMap<string, Counted> | undefined;
  canary: Counted = { answers: 0, errors: 0 };
  stable: Counted = { answers: 0, errors: 0 };

  /** `canaries`: names of servers. */
  constructor(canaries: ReadonlySet<string>) {
    this.#canaries = canaries;
  }

  /** What the counters say now, by server. They begin anew when the edge is reloaded; what the old release answered before the first look does not count. */
  add(now: ReadonlyMap<string, Counted>): void {
    for (const [name, counted] of now) {
      const last = this.#before?.get(name);
      if (last === undefined && !this.#canaries.has(name)) continue;
      const { answers, errors } =
        last === undefined || counted.answers < last.answers
          ? counted
          : { answers: counted.answers - last.answers, errors: counted.errors - last.errors };
      const kind = this.#canaries.has(name) ? 'canary' : 'stable';
      this[kind] = { answers: this[kind].answers + answers, errors: this[kind].errors + errors };
    }
    this.#before = now;
  }

  get words(): string {
    const say = ({ answers, errors }: Counted): string => `${errors} errors in ${answers} answers`;
    return `${say(this.canary)}, the old release ${say(this.stable)}`;
  }
}

/** What the demo has seen: each act with its time and whether all was as it should be, and the table at the end. */
import { seconds } from '../../src/logs/seconds.js';

export interface Phase {
  readonly name: string;
  readonly ms: number;
}

export interface Act {
  readonly what: string;
  readonly ms: number;
  readonly steps?: { readonly cached: number; readonly total: number };
  readonly phases: readonly Phase[];
  /** What was not as it should be. */
  readonly problems: readonly string[];
}

export class Report {
  readonly #acts: Act[] = [];

  add(act: Act): void {
    this.#acts.push(act);
  }

  get allAsExpected(): boolean {
    return this.#acts.every(({ problems }) => problems.length === 0);
  }

  lines(): string[] {
    const rows = this.#acts.map((act) => [
      act.problems.length === 0 ? '✓' : '✗',
      act.what,
      seconds(act.ms),
      act.steps === undefined ? '' : `${act.steps.cached}/${act.steps.total}`,
      act.phases.map(({ name, ms }) => `${name} ${seconds(ms)}`).join(', '),
    ]);
    const head = ['', 'what happened', 'time', 'cached', 'phases'];
    const widths = head.map((_, column) =>
      Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)),
    );
    const table = [head, ...rows].map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
    const problems = this.#acts.flatMap((act) =>
      act.problems.map((problem) => ` !     ${act.what}: ${problem}`),
    );
    return [...table, ...problems];
  }
}

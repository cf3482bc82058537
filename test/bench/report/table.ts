/** The results as tables: of time with the marks, and of what it cost. Cells first, so that text and Markdown say the same. */
import type { Cost } from '../measure/measure.js';
import { type CaseResult, COMMAND, type Mark, OURS, type Results, type Sample } from './results.js';
import { median } from './statistics.js';
import { megabytes, ratio, time } from './units.js';

const SHOWN_PHASES = 6;
/** What a row is about; the figures behind are aligned on the right. */
const LEFT_COLUMNS = 2;

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function timeTable({ cases }: Results): Table {
  const names = sidesIn(cases);
  return {
    head: ['case', 'what', ...names, 'ours / best', 'at most', ''],
    rows: cases.map((one) => [
      one.id,
      one.title,
      ...names.map((name) => cell(one, name, (cost) => figureOf(one.mark, cost))),
      one.reached === undefined ? '' : figure(one.mark, one.reached),
      atMost(one.mark),
      verdict(one),
    ]),
  };
}

/** Processor time and peak memory of the whole process tree. */
export function costTable({ cases }: Results): Table {
  const names = sidesIn(cases.filter(isTimed));
  return {
    head: ['case', ...names.flatMap((name) => [`${name} CPU`, 'memory'])],
    rows: cases
      .filter(isTimed)
      .map((one) => [
        one.id,
        ...names.flatMap((name) => [
          cell(one, name, ({ cpuMs }) => time(cpuMs)),
          cell(one, name, ({ peakBytes }) => megabytes(peakBytes)),
        ]),
      ]),
  };
}

/** Where the time of ours goes, in the cases that miss their mark: the longest phases, as medians. */
export function profileTable({ cases }: Results): Table {
  const missed = cases.filter(({ met }) => met === false);
  return {
    head: ['case', 'phases'],
    rows: missed.flatMap((one) => {
      const samples = one.sides.find(({ name }) => name === OURS)?.samples ?? [];
      const phases = longestPhases(samples).map(([phase, ms]) => `${phase} ${time(ms)}`);
      return phases.length === 0 ? [] : [[one.id, phases.join(' · ')]];
    }),
  };
}

function longestPhases(samples: readonly Sample[]): [phase: string, ms: number][] {
  const names = new Set(samples.flatMap(({ phases }) => Object.keys(phases ?? {})));
  return [...names]
    .map((name): [string, number] => [name, median(samples.flatMap(({ phases }) => phases?.[name] ?? []))])
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN_PHASES);
}

/** The other cases are about memory. */
export function isTimed({ mark }: CaseResult): boolean {
  return mark.kind !== 'bytes';
}

export function asText({ head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const padded = (text: string, column: number): string => pad(text, column, widths[column] ?? 0);
  return all.map((row) => row.map(padded).join('  ').trimEnd()).join('\n');
}

/** Aligned as the formatter of this project would have it. */
export function asMarkdown({ head, rows }: Table): string {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const [first = '', ...others] = all.map((row) =>
    line(row.map((text, column) => pad(text, column, widths[column] ?? 0))),
  );
  const rule = widths.map((width, column) =>
    column < LEFT_COLUMNS ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [first, line(rule), ...others].join('\n');
}

function pad(text: string, column: number, width: number): string {
  return column < LEFT_COLUMNS ? text.padEnd(width) : text.padStart(width);
}

export function verdict({ met, differences }: CaseResult): string {
  if (differences.length > 0) return 'OTHER CONTENT';
  return met === undefined ? 'no peer' : met ? 'met' : 'missed';
}

export function figure({ kind }: Mark, value: number): string {
  if (kind === 'ratio') return ratio(value);
  return kind === 'ms' ? time(value) : megabytes(value);
}

function figureOf(mark: Mark, { wallMs, peakBytes }: Cost): string {
  return mark.kind === 'bytes' ? megabytes(peakBytes) : time(wallMs);
}

function atMost(mark: Mark): string {
  return mark.kind === 'ratio' ? mark.most.toFixed(2) : figure(mark, mark.most);
}

function cell(one: CaseResult, name: string, show: (cost: Cost) => string): string {
  const side = one.sides.find((each) => each.name === name);
  return side === undefined ? '' : show(side.median);
}

/** Ours first, then the command, then the peers. */
function sidesIn(cases: readonly CaseResult[]): string[] {
  const names = new Set(cases.flatMap(({ sides }) => sides.map(({ name }) => name)));
  const known = [OURS, COMMAND].filter((name) => names.delete(name));
  return [...known, ...names];
}

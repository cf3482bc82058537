/** The results as tables: of time with the marks, and of what it cost. Cells first, so that text and Markdown say the same. */
import { type CaseResult, COMMAND, type Mark, OURS, type Results } from './results.js';
import { megabytes, ratio, time } from './units.js';

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
      ...names.map((name) => cell(one, name, ({ wallMs }) => time(wallMs))),
      one.reached === undefined ? '' : figure(one.mark, one.reached),
      atMost(one.mark),
      verdict(one),
    ]),
  };
}

/** Processor time and peak memory of the whole process tree. */
export function costTable({ cases }: Results): Table {
  const names = sidesIn(cases);
  return {
    head: ['case', ...names.flatMap((name) => [`${name} CPU`, 'memory'])],
    rows: cases.map((one) => [
      one.id,
      ...names.flatMap((name) => [
        cell(one, name, ({ cpuMs }) => time(cpuMs)),
        cell(one, name, ({ peakBytes }) => megabytes(peakBytes)),
      ]),
    ]),
  };
}

export function asText({ head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((text, column) =>
          column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function asMarkdown({ head, rows }: Table): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column < 2 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  );
}

export function verdict({ met, differences }: CaseResult): string {
  if (differences.length > 0) return 'OTHER CONTENT';
  return met === undefined ? 'no peer' : met ? 'met' : 'missed';
}

export function figure({ kind }: Mark, value: number): string {
  if (kind === 'ratio') return ratio(value);
  return kind === 'ms' ? time(value) : megabytes(value);
}

function atMost(mark: Mark): string {
  return mark.kind === 'ratio' ? mark.most.toFixed(2) : figure(mark, mark.most);
}

function cell(
  one: CaseResult,
  name: string,
  show: (cost: CaseResult['sides'][number]['median']) => string,
): string {
  const side = one.sides.find((each) => each.name === name);
  return side === undefined ? '' : show(side.median);
}

/** Ours first, then the command, then the peers. */
function sidesIn(cases: readonly CaseResult[]): string[] {
  const names = new Set(cases.flatMap(({ sides }) => sides.map(({ name }) => name)));
  const known = [OURS, COMMAND].filter((name) => names.delete(name));
  return [...known, ...names];
}

/** What `npm run bench` does instead of comparing: growth, and the floor. Both are kept in the same JSON file as the cases. */
import { dirname, join, parse } from 'node:path';
import { measureRates, type Rates } from './floor/rates.js';
import { floorTable, ratesTable } from './floor/report.js';
import { type GrowthResult, steepest } from './growth/growth.js';
import { linesPicture } from './growth/lines.js';
import { playGrowth } from './growth/play-growth.js';
import { machineFacts } from './measure/machine.js';
import type { BenchOptions } from './options.js';
import { readResults, write, writeJson, writeSection } from './report/files.js';
import type { Results } from './report/results.js';
import { asMarkdown, asText, type Table } from './report/table.js';
import { megabytes, time } from './report/units.js';
import type { Setting } from './setting.js';

/** The JSON file. */
export interface BenchFile extends Results {
  readonly growth?: Readonly<Record<string, GrowthResult>>;
  readonly rates?: Rates;
}

const EMPTY: Results = { machine: machineFacts(), contenders: [], cases: [] };

export async function showGrowth(
  options: BenchOptions,
  setting: Setting,
  signal: AbortSignal,
): Promise<void> {
  const { json, svg, markdown } = options;
  for (const name of options.growth) {
    const found = await playGrowth(name, setting, (text) => console.error(text), signal);
    console.log(`\n${name}\n\n${asText(growthTable(found))}\n\n${steepestLines(found).join('\n')}`);
    if (json !== undefined) {
      const before = await readResults<BenchFile>(json);
      await writeJson(json, { ...(before ?? EMPTY), growth: { ...before?.growth, [name]: found } });
    }
    if (svg !== undefined) await write(picturePath(svg, name), linesPicture(found));
    if (markdown !== undefined)
      await writeSection(
        markdown,
        `growth-${name}`,
        `${asMarkdown(growthTable(found))}\n\n${steepestLines(found)
          .map((line) => `- ${line}`)
          .join('\n')}`,
      );
  }
}

/** `docs/images/bench.svg` → `docs/images/bench-files.svg`. */
function picturePath(svg: string, name: string): string {
  const { name: stem, ext } = parse(svg);
  return join(dirname(svg), `${stem}-${name}${ext}`);
}

function growthTable({ unit, points }: GrowthResult): Table {
  const series = [...new Set(points.flatMap(({ costs }) => Object.keys(costs)))];
  return {
    head: [unit, ...series.flatMap((name) => [name, 'CPU', 'memory'])],
    rows: points.map(({ x, costs }) => [
      x.toLocaleString('en'),
      ...series.flatMap((name) => {
        const cost = costs[name];
        return cost === undefined
          ? ['', '', '']
          : [time(cost.wallMs), time(cost.cpuMs), megabytes(cost.peakBytes)];
      }),
    ]),
  };
}

function steepestLines(found: GrowthResult): string[] {
  const kinds = [
    ['time', steepest(found, ({ wallMs }) => wallMs)],
    ['memory', steepest(found, ({ peakBytes }) => peakBytes)],
  ] as const;
  return kinds.flatMap(([kind, steps]) =>
    steps.map(
      ({ series, from, to, steepness }) =>
        `${series}, ${kind}: the steepest step, ${from.toLocaleString('en')} to ${to.toLocaleString('en')}, is ${steepness.toFixed(2)} of linear`,
    ),
  );
}

export async function showFloor({ json, markdown }: BenchOptions, setting: Setting): Promise<void> {
  const rates = await measureRates(setting.registry);
  const before = json === undefined ? undefined : await readResults<BenchFile>(json);
  const results = before ?? EMPTY;
  const tables = [ratesTable(rates), floorTable(rates, results)].filter(({ rows }) => rows.length > 0);
  console.log(`\n${tables.map(asText).join('\n\n')}`);
  if (json !== undefined) await writeJson(json, { ...results, rates });
  if (markdown !== undefined) await writeSection(markdown, 'floor', tables.map(asMarkdown).join('\n\n'));
}

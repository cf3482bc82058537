/** What `npm run bench` does instead of comparing: growth, and the floor. Both are kept in the same JSON file as the cases. */
import { dirname, join, parse, relative } from 'node:path';
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
  for (const name of options.growth) {
    const found = await playGrowth(name, setting, signal, async (soFar) => {
      const [x, costs] = [soFar.points.at(-1)?.x, soFar.points.at(-1)?.costs ?? {}];
      for (const [series, { wallMs, peakBytes }] of Object.entries(costs))
        console.error(`${x} ${soFar.unit}, ${series}: ${time(wallMs)}, ${megabytes(peakBytes)}`);
      // What is found is kept, even if a later point fails.
      if (options.json !== undefined) await keepGrowth(options.json, soFar);
      await writeGrowth(options, soFar);
    });
    console.log(`\n${name}\n\n${asText(growthTable(found))}\n\n${steepestLines(found).join('\n')}`);
  }
}

export async function showFloor(options: BenchOptions, setting: Setting): Promise<void> {
  const { json } = options;
  const rates = await measureRates(setting.registry);
  const before = json === undefined ? undefined : await readResults<BenchFile>(json);
  const found = { ...(before ?? EMPTY), rates };
  console.log(`\n${floorTables(found).map(asText).join('\n\n')}`);
  if (json !== undefined) await writeJson(json, found);
  await writeFloor(options, found);
}

/** The other forms of what the JSON file has. */
export async function writeKnown(options: BenchOptions, known: BenchFile): Promise<void> {
  for (const found of Object.values(known.growth ?? {})) await writeGrowth(options, found);
  await writeFloor(options, known);
}

async function keepGrowth(json: string, found: GrowthResult): Promise<void> {
  const before = await readResults<BenchFile>(json);
  await writeJson(json, { ...(before ?? EMPTY), growth: { ...before?.growth, [found.axis]: found } });
}

async function writeGrowth({ svg, markdown }: BenchOptions, found: GrowthResult): Promise<void> {
  const picture = svg === undefined ? undefined : picturePath(svg, found.axis);
  if (picture !== undefined) await write(picture, linesPicture(found));
  if (markdown === undefined) return;
  const shown =
    picture === undefined
      ? []
      : [`![Time and memory by ${found.unit}](${relative(dirname(markdown), picture)})`];
  const lines = steepestLines(found).map((line) => `- ${line}`);
  const parts = [...shown, asMarkdown(growthTable(found)), lines.join('\n')];
  await writeSection(markdown, `growth-${found.axis}`, parts.join('\n\n'));
}

async function writeFloor({ markdown }: BenchOptions, found: BenchFile): Promise<void> {
  if (markdown !== undefined && found.rates !== undefined)
    await writeSection(markdown, 'floor', floorTables(found).map(asMarkdown).join('\n\n'));
}

function floorTables(found: BenchFile): Table[] {
  if (found.rates === undefined) return [];
  return [ratesTable(found.rates), floorTable(found.rates, found)].filter(({ rows }) => rows.length > 0);
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
  if (found.points.length < 2) return [];
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

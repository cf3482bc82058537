/** Growth as a picture: time on the left, memory on the right, both axes logarithmic, so that linear growth is a diagonal. */
import type { Cost } from '../measure/measure.js';
import { escaped, STYLE } from '../report/svg.js';
import { megabytes, time } from '../report/units.js';
import { type GrowthResult, seriesOf } from './growth.js';

const WIDTH = 860;
const HEIGHT = 300;
const PANEL = 340;
const TOP = 56;
const BOTTOM = 262;
const CLASSES = ['', '2'];

export function linesPicture(growth: GrowthResult): string {
  const series = seriesOf(growth.points);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="Time and memory by ${escaped(growth.unit)}">`,
    STYLE,
    ...series.map(
      (name, index) =>
        `<rect class="dot${CLASSES[index] ?? ''}" x="${60 + 160 * index}" y="6" width="12" height="12" rx="2"/><text x="${78 + 160 * index}" y="16">${escaped(name)}</text>`,
    ),
    panel(growth, 'time', 60, ({ wallMs }) => wallMs, time),
    panel(growth, 'peak memory', 500, ({ peakBytes }) => peakBytes, megabytes),
    '</svg>',
    '',
  ].join('\n');
}

function panel(
  { points, unit }: GrowthResult,
  title: string,
  left: number,
  of: (cost: Cost) => number,
  show: (value: number) => string,
): string {
  const values = points.flatMap(({ costs }) => Object.values(costs).map(of));
  const x = scale(
    points.map((point) => point.x),
    left,
    left + PANEL,
  );
  const y = scale(decades(values), BOTTOM, TOP);
  const grid = decades(values).map(
    (value) =>
      `<line class="grid" x1="${left}" x2="${left + PANEL}" y1="${y(value)}" y2="${y(value)}"/><text class="small soft" text-anchor="end" x="${left - 6}" y="${Number(y(value)) + 4}">${show(value)}</text>`,
  );
  const ticks = points.map(
    (point) =>
      `<text class="small soft" text-anchor="middle" x="${x(point.x)}" y="${BOTTOM + 16}">${point.x.toLocaleString('en')}</text>`,
  );
  const lines = seriesOf(points).map((name, index) => {
    const found = points.flatMap(({ x: at, costs }) => {
      const cost = costs[name];
      return cost === undefined ? [] : [[x(at), y(of(cost))] as const];
    });
    const kind = CLASSES[index] ?? '';
    return [
      `<polyline class="line${kind}" points="${found.map((each) => each.join(',')).join(' ')}"/>`,
      ...found.map(([cx, cy]) => `<circle class="dot${kind}" cx="${cx}" cy="${cy}" r="3"/>`),
    ].join('');
  });
  return [
    `<text class="strong" x="${left}" y="${TOP - 14}">${title} <tspan class="soft">by ${escaped(unit)}</tspan></text>`,
    ...grid,
    ...ticks,
    ...lines,
  ].join('');
}

/** Logarithmic. */
function scale(values: readonly number[], from: number, to: number): (value: number) => string {
  const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  return (value) => (from + ((Math.log(value) - low) / (high - low || 1)) * (to - from)).toFixed(1);
}

/** 1, 2 and 5 times a power of ten, from below the least value to above the greatest. */
export function decades(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const marks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const digit of [1, 2, 5]) marks.push(digit * 10 ** power);
  const first = marks.findLastIndex((mark) => mark <= low);
  const last = marks.findIndex((mark) => mark >= high);
  return marks.slice(Math.max(first, 0), last + 1);
}

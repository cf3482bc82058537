/** What growth is: points along an axis, each with the cost of one or two ways to build; and how steep it is. */
import type { Cost } from '../measure/measure.js';

export interface Point {
  readonly x: number;
  /** By what was done: a first build, a change. */
  readonly costs: Readonly<Record<string, Cost>>;
}

export interface GrowthResult {
  readonly axis: string;
  /** What x counts. */
  readonly unit: string;
  readonly points: readonly Point[];
}

export interface Step {
  readonly series: string;
  readonly from: number;
  readonly to: number;
  /** 1 is linear: time grows as much as x. */
  readonly steepness: number;
}

/** The steepest step of each series: how many times longer, by how many times more there was. */
export function steepest({ points }: GrowthResult, of: (cost: Cost) => number): Step[] {
  return seriesOf(points).map((series) => {
    const steps = points.slice(1).map((point, index): Step => {
      const before = points[index] ?? point;
      const [a, b] = [before.costs[series], point.costs[series]];
      const times = a === undefined || b === undefined ? Number.NaN : of(b) / of(a);
      return { series, from: before.x, to: point.x, steepness: times / (point.x / before.x) };
    });
    return steps.reduce((worst, step) => (step.steepness > worst.steepness ? step : worst));
  });
}

export function seriesOf(points: readonly Point[]): string[] {
  return [...new Set(points.flatMap(({ costs }) => Object.keys(costs)))];
}

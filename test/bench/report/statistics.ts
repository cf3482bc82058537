/** Medians of what was measured. */
import type { Cost } from '../measure/measure.js';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** The median of each, and of memory the most that was ever seen. */
export function summary(costs: readonly Cost[]): Cost {
  return {
    wallMs: median(costs.map((cost) => cost.wallMs)),
    cpuMs: median(costs.map((cost) => cost.cpuMs)),
    peakBytes: Math.max(...costs.map((cost) => cost.peakBytes)),
  };
}

/** The least time of some; undefined when nobody took part. */
export function best(wallMs: readonly number[]): number | undefined {
  return wallMs.length === 0 ? undefined : Math.min(...wallMs);
}

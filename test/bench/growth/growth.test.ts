import { expect, test } from 'vitest';
import { type GrowthResult, steepest } from './growth.js';
import { decades, linesPicture } from './lines.js';

const point = (x: number, wallMs: number) => ({ x, costs: { build: { wallMs, cpuMs: 1, peakBytes: 1e8 } } });
const growth = (...points: GrowthResult['points']): GrowthResult => ({
  axis: 'files',
  unit: 'files',
  points,
});

test('linear growth has the steepness 1, and the steepest step is found', () => {
  const time = ({ wallMs }: { wallMs: number }): number => wallMs;
  expect(steepest(growth(point(1, 10), point(2, 20), point(4, 40)), time)).toMatchObject([{ steepness: 1 }]);
  expect(steepest(growth(point(1, 10), point(2, 12), point(4, 48)), time)).toEqual([
    { series: 'build', from: 2, to: 4, steepness: 2 },
  ]);
});

test('an axis has marks below and above all values', () => {
  expect(decades([12, 180])).toEqual([10, 20, 50, 100, 200]);
  expect(decades([100])).toEqual([100]);
});

test('the picture has a line for each series in both panels', () => {
  const picture = linesPicture(growth(point(1, 10), point(2, 20)));
  expect(picture.match(/<polyline/g)).toHaveLength(2);
  expect(picture).not.toContain('NaN');
});

import { expect, test } from 'vitest';
import { DEMANDS, floorMs } from './demands.js';
import type { Rates } from './rates.js';

const RATES: Rates = {
  hashMBs: 1000,
  compressMBs: 100,
  inflateMBs: 500,
  writeMBs: 200,
  sendMBs: 1000,
  startMs: 3,
  createFileMs: 0.01,
  requestMs: 1,
};

test('the cores share what the processor does, and programs start one after the other', () => {
  expect(floorMs({ compressMB: 100, starts: 2, why: '' }, RATES, 1)).toBeCloseTo(1006);
  expect(floorMs({ compressMB: 100, starts: 2, why: '' }, RATES, 2)).toBeCloseTo(506);
});

test('the slowest of processor, disk and network decides', () => {
  expect(floorMs({ hashMB: 100, writeMB: 100, sendMB: 100, why: '' }, RATES, 2)).toBeCloseTo(500);
});

test('each case that is about time has a floor', () => {
  for (const id of ['a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'c3', 'd', 'e', 'f', 'g', 'p1', 'p2', 'p3'])
    expect(floorMs(DEMANDS[id] ?? { why: '' }, RATES, 2)).toBeGreaterThan(0);
});

import { expect, test } from 'vitest';
import type { Cost } from '../measure/measure.js';
import { type CaseResult, judged, type Mark, merged, type Results, sideOf } from './results.js';
import { median, summary } from './statistics.js';
import { asMarkdown, asText, costTable, profileTable, timeTable, verdict } from './table.js';
import { ratio, time } from './units.js';

const cost = (wallMs: number, more: Partial<Cost> = {}): Cost => ({
  wallMs,
  cpuMs: 1,
  peakBytes: 1e6,
  ...more,
});
const case1 = (mark: Mark, ours: number, ...peers: number[]): CaseResult =>
  judged({ id: 'x', title: 'a case', mark }, [
    sideOf('slipway', [cost(ours)]),
    sideOf('command', [cost(1)]),
    ...peers.map((wallMs, index) => sideOf(`peer-${index}`, [cost(wallMs)])),
  ]);
const resultsOf = (...cases: CaseResult[]): Results => ({ machine: {}, contenders: [], cases });

test('the median of an even number of values lies between the middle two', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('a summary has the median times and the highest peak', () => {
  const samples = [cost(3, { peakBytes: 5 }), cost(1, { peakBytes: 9 }), cost(2, { peakBytes: 1 })];
  expect(summary(samples)).toMatchObject({ wallMs: 2, peakBytes: 9 });
});

test('ours is compared with the best peer, and not with ours as a command', () => {
  const mark: Mark = { kind: 'ratio', most: 0.1 };
  expect(case1(mark, 10, 200, 100)).toMatchObject({ reached: 0.1, met: true });
  expect(case1(mark, 11, 200, 100)).toMatchObject({ met: false });
  expect(case1(mark, 11).reached).toBeUndefined();
  expect(verdict(case1(mark, 11))).toBe('no peer');
});

test('marks of time and memory need no peer', () => {
  expect(case1({ kind: 'ms', most: 9, why: 'so' }, 10)).toMatchObject({ reached: 10, met: false });
  expect(case1({ kind: 'bytes', most: 2e6 }, 10)).toMatchObject({ reached: 1e6, met: true });
});

test('a fast image with other content is no success', () => {
  const sides = [sideOf('slipway', [cost(1)]), sideOf('peer', [cost(100)])];
  const mark: Mark = { kind: 'ratio', most: 0.1 };
  const result = judged({ id: 'x', title: 'y', mark }, sides, { differences: ['/a: gone'], notes: [] });
  expect(result.met).toBe(false);
  expect(verdict(result)).toBe('OTHER CONTENT');
});

test('the table has a row for each case and a column for each side, ours first', () => {
  const table = timeTable(resultsOf(case1({ kind: 'ratio', most: 0.1 }, 10, 100)));
  expect(table.head).toEqual(['case', 'what', 'slipway', 'command', 'peer-0', 'ours / best', 'at most', '']);
  expect(table.rows).toEqual([['x', 'a case', '10 ms', '1.0 ms', '100 ms', '0.100', '0.10', 'met']]);
});

test('a side that took no part in a case leaves its cells empty', () => {
  const alone = judged({ id: 'y', title: 'ours alone', mark: { kind: 'ms', most: 9, why: '' } }, [
    sideOf('slipway', [cost(3)]),
  ]);
  const table = costTable(resultsOf(case1({ kind: 'ratio', most: 1 }, 1, 2), alone));
  expect(table.rows[1]).toEqual(['y', '1.0 ms', '1 MB', '', '', '', '']);
});

test('cases about memory show memory, and have no cost of their own', () => {
  const results = resultsOf(case1({ kind: 'bytes', most: 2e6 }, 10));
  expect(timeTable(results).rows[0]?.slice(2)).toEqual(['1 MB', '1 MB', '1 MB', '2 MB', 'met']);
  expect(costTable(results).rows).toEqual([]);
});

test('only a case that misses its mark has a profile: the medians of its phases, the longest first', () => {
  const samples = [
    { ...cost(9), phases: { build: 5, push: 8 } },
    { ...cost(9), phases: { build: 5, push: 4 } },
  ];
  const sides = [sideOf('slipway', samples), sideOf('peer', [cost(10)])];
  const missed = judged({ id: 'x', title: 'y', mark: { kind: 'ratio', most: 0.1 } }, sides);
  expect(profileTable(resultsOf(missed)).rows).toEqual([['x', 'push 6.0 ms · build 5.0 ms']]);
  const met = judged({ id: 'x', title: 'y', mark: { kind: 'ratio', most: 1 } }, sides);
  expect(profileTable(resultsOf(met)).rows).toEqual([]);
});

test('a case that runs again takes the place of what was known of it', () => {
  const mark: Mark = { kind: 'ms', most: 100, why: '' };
  const of = (id: string, ms: number): CaseResult => ({ ...case1(mark, ms), id });
  const both = merged(resultsOf(of('b', 1), of('a', 2)), resultsOf(of('b', 3)), ['a', 'b']);
  expect(both.cases.map(({ id, reached }) => [id, reached])).toEqual([
    ['a', 2],
    ['b', 3],
  ]);
});

test('text is aligned, and Markdown is a table', () => {
  const table = {
    head: ['a', 'b', 'c'],
    rows: [
      ['one', 'x|y', '3'],
      ['two', 'z', '44'],
    ],
  };
  expect(asText(table)).toBe('a    b     c\none  x|y   3\ntwo  z    44');
  expect(asMarkdown(table)).toBe(
    ['| a   | b    |   c |', '| --- | ---- | --: |', '| one | x\\|y |   3 |', '| two | z    |  44 |'].join(
      '\n',
    ),
  );
});

test('figures have three digits', () => {
  expect([time(0.5), time(9.94), time(94.2), time(1234), time(65_432), time(123_456)]).toEqual([
    '0.50 ms',
    '9.9 ms',
    '94 ms',
    '1.23 s',
    '65.4 s',
    '123 s',
  ]);
  expect([ratio(0.0567), ratio(1.234)]).toEqual(['0.057', '1.23']);
});

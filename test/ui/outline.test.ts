import { describe, expect, test } from 'vitest';
import { Outline } from '../../src/ui/log/outline.js';

function outlineOf(lines: readonly string[]): Outline {
  const outline = new Outline();
  for (const line of lines) outline.add(line);
  return outline;
}

const ONE_STAGE = [
  '-----> Building 1582d38',
  '       [1/2] FROM node',
  '         CACHED',
  '       [2/2] RUN make',
  '         not cached: "a.c" changed',
  '         | cc -o a a.c',
  '         done in 1.2 s',
  '-----> Releasing v2 of hello',
  '       started web.1 (start 0.34 s)',
  '=====> v2 of hello is live',
  '       image  apps/hello@sha256:1',
];

describe('the outline of a log', () => {
  test('has headlines, the steps below them, and what belongs to each', () => {
    const outline = outlineOf(ONE_STAGE);
    expect(outline.headings).toEqual([
      { line: 0, kind: 'section' },
      { line: 1, kind: 'step', step: 1 },
      { line: 3, kind: 'step', step: 2 },
      { line: 7, kind: 'section' },
      { line: 9, kind: 'end' },
    ]);
    expect(outline.above).toEqual([-1, 0, 1, 0, 3, 3, 3, -1, 7, -1, 9]);
    expect(outline.over(5)).toEqual([3, 0]);
  });

  test('knows whose a line is where the lines of several stages are mixed', () => {
    const outline = outlineOf([
      '-----> Building',
      '       [assets 1/3] RUN make css',
      '       [stage-1 2/3] RUN make app',
      '         1 | sass',
      '         2 not cached: "b" changed',
      '         1 done in 0.1 s',
      '         2 | cc',
    ]);
    expect(outline.above).toEqual([-1, 0, 0, 1, 2, 1, 2]);
  });

  test('says what is left when steps or whole sections are folded', () => {
    const outline = outlineOf(ONE_STAGE);
    expect(outline.shown(new Set([3]))).toEqual([0, 1, 2, 3, 7, 8, 9, 10]);
    expect(outline.shown(new Set([0, 7]))).toEqual([0, 7, 9, 10]);
    expect(outline.shown(new Set())).toHaveLength(ONE_STAGE.length);
  });
});

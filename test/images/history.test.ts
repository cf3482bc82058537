/** The config of a finished image: history, times, unknown fields, the limit of layers; and how the history is shown. */
import { expect, test } from 'vitest';
import { assembleImage, LAYER_TYPE } from '../../src/images/built-image.js';
import { completeHistory, layerCount } from '../../src/images/history.js';
import { ageText, historyRows, sizeText } from '../../src/images/history-rows.js';
import type { Layer } from '../../src/layers/layer.js';

function layers(count: number): Layer[] {
  return Array.from({ length: count }, (_, index) => {
    const digest = `sha256:${index.toString(16).padStart(64, '0')}`;
    return { diffId: digest, digest, sizeBytes: 1000 * (index + 1), mediaType: LAYER_TYPE };
  });
}

const base = [
  { created: '2020-02-02T02:02:02.123456789Z', created_by: 'ADD x', odd: 1 },
  { created: '2020-02-02T02:02:03Z', created_by: 'CMD', empty_layer: true },
];

test("the base's history stays byte for byte, what is new gets a time", () => {
  const { document, baseLayers } = assembleImage(
    {
      history: [...base, { created_by: 'RUN a' }, { created_by: 'ENV b', empty_layer: true }],
      odd: { kept: true },
      'moby.field': [1],
    },
    layers(2),
    2,
    127,
  );
  expect(JSON.stringify(document.history?.slice(0, 2))).toBe(JSON.stringify(base));
  expect(document.history?.slice(2)).toEqual([
    { created: '1980-01-01T00:00:00Z', created_by: 'RUN a' },
    { created: '1980-01-01T00:00:00Z', created_by: 'ENV b', empty_layer: true },
  ]);
  expect(document).toMatchObject({ odd: { kept: true }, 'moby.field': [1], created: '1980-01-01T00:00:00Z' });
  expect(baseLayers).toBe(1);
});

test('SOURCE_DATE_EPOCH is the time of the image and of what the build added', () => {
  const { document } = assembleImage({ history: [...base, { created_by: 'RUN a' }] }, layers(2), 2, 127, {
    epoch: 1_700_000_000,
  });
  expect(document.created).toBe('2023-11-14T22:13:20Z');
  expect(document.history?.map(({ created }) => created)).toEqual([
    '2020-02-02T02:02:02.123456789Z',
    '2020-02-02T02:02:03Z',
    '2023-11-14T22:13:20Z',
  ]);
});

test('a base that tells of too few layers, or of none, is filled up below what the build added', () => {
  const filled = completeHistory([{ created_by: 'RUN mine' }], 0, 3, 'now');
  expect(layerCount(filled)).toBe(3);
  expect(filled.at(-1)).toMatchObject({ created_by: 'RUN mine' });
  const short = completeHistory([...base, { created_by: 'RUN mine' }], 2, 3, 'now');
  expect(short.map(({ created_by }) => created_by)).toEqual([
    'ADD x',
    'CMD',
    expect.stringContaining('base image'),
    'RUN mine',
  ]);
});

test('a base that tells of too many layers has the last ones marked as empty', () => {
  const entries = [{ created_by: 'a' }, { created_by: 'b' }, { created_by: 'RUN mine' }];
  const history = completeHistory(entries, 2, 2, 'now');
  expect(history.map(({ empty_layer }) => empty_layer)).toEqual([undefined, true, undefined]);
});

test('too many layers: how many, and what to do', () => {
  expect(() => assembleImage({}, layers(4), 0, 3)).toThrow(
    expect.objectContaining({
      code: 'layer_invalid',
      message: 'the image has 4 layers; 3 are allowed',
      hint: expect.stringContaining('--squash'),
    }),
  );
});

test('a layer without an entry has a row, and so has an entry without a layer', () => {
  const rows = historyRows({ document: { history: base }, layers: layers(2) });
  expect(rows.map(({ instruction, sizeBytes }) => [instruction, sizeBytes])).toEqual([
    ['', 2000],
    ['CMD', 0],
    ['ADD x', 1000],
  ]);
  expect(historyRows({ document: {}, layers: [] })).toEqual([]);
});

test('sizes and ages read like docker’s', () => {
  expect([0, 999, 1000, 1_234_567, 5e9].map(sizeText)).toEqual(['0B', '999B', '1kB', '1.23MB', '5GB']);
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(ageText('2025-12-31T23:59:59Z', now)).toBe('1 second ago');
  expect(ageText('2025-12-31T21:00:00Z', now)).toBe('3 hours ago');
  expect(ageText('2025-12-10T00:00:00Z', now)).toBe('3 weeks ago');
  expect(ageText('1980-01-01T00:00:00Z', now)).toBe('46 years ago');
  expect(ageText('2027-01-01T00:00:00Z', now)).toBe('0 seconds ago');
  expect([ageText(undefined, now), ageText('soon', now)]).toEqual(['', '']);
});

/** An image's layers as `docker history` tells them: the newest first. Pure. */
import type { HistoryEntry } from '../dockerfile/image-document.js';
import type { BuiltImage } from './built-image.js';

export interface HistoryRow {
  /** Of the layer's blob, as it is stored and sent; absent where the entry stands for no layer. */
  readonly digest?: string;
  readonly diffId?: string;
  /** Of the blob; 0 without a layer. */
  readonly sizeBytes: number;
  /** ISO 8601. */
  readonly created?: string;
  readonly instruction: string;
  readonly comment?: string;
}

/** A layer that the history does not tell of has a row of its own. */
export function historyRows({
  document,
  layers,
}: Pick<BuiltImage, 'document' | 'layers'>): readonly HistoryRow[] {
  const rows: HistoryRow[] = [];
  let next = 0;
  const history: readonly unknown[] = Array.isArray(document.history) ? document.history : [];
  for (const each of history) {
    // An image from elsewhere may say anything.
    const entry: Partial<Record<keyof HistoryEntry, unknown>> =
      typeof each === 'object' && each !== null ? each : {};
    const layer = entry.empty_layer === true ? undefined : layers[next++];
    const created = textOf(entry.created);
    const comment = textOf(entry.comment);
    rows.push({
      ...layerOf(layer),
      ...(created === '' ? {} : { created }),
      instruction: textOf(entry.created_by),
      ...(comment === '' ? {} : { comment }),
    });
  }
  for (const layer of layers.slice(next)) rows.push({ ...layerOf(layer), instruction: '' });
  return rows.reverse();
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function layerOf(
  layer: BuiltImage['layers'][number] | undefined,
): Pick<HistoryRow, 'digest' | 'diffId' | 'sizeBytes'> {
  if (layer === undefined) return { sizeBytes: 0 };
  return { digest: layer.digest, diffId: layer.diffId, sizeBytes: layer.sizeBytes };
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** As docker writes it: `1.23MB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${UNITS[unit]}`;
}

const SPANS: readonly (readonly [string, number])[] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** How long before `now` (ms since the epoch) that was: `3 weeks ago`. Empty for what is no time. */
export function ageText(created: string | undefined, now: number): string {
  const at = created === undefined ? Number.NaN : Date.parse(created);
  if (Number.isNaN(at)) return '';
  const seconds = Math.max(Math.floor((now - at) / 1000), 0);
  const [name, length] = SPANS.find(([, span]) => seconds >= 2 * span || (span === 1 && seconds >= 0)) ?? [
    'second',
    1,
  ];
  const count = Math.floor(seconds / length);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}

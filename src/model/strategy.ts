/**
 * Rollout strategies: how the containers of a release take the place of those that serve. Written `rolling,batch=25%`, in app.json, on the
 * command line and as a push option alike. Pure.
 */
import { SlipwayError } from '../errors.js';
import type { ReleaseKind, ReleaseProcess } from './release.js';
import { writesVolume } from './volume.js';

/** A number of instances, or percent of all. */
export type Batch = { readonly size: number } | { readonly percent: number };

export type Strategy =
  /** All new ones beside all old ones, one switch. The old ones stay warm for the bake. */
  | { readonly name: 'blue-green'; readonly bakeMs?: number }
  /** So many at a time. */
  | { readonly name: 'rolling'; readonly batch: Batch }
  /** The old ones are stopped before the new ones start. */
  | { readonly name: 'recreate' }
  /** A share of the requests for a while, then all. */
  | {
      readonly name: 'canary';
      readonly percent: number;
      readonly bakeMs: number;
      /** Percent of its answers that may be errors beyond what the old release has. */
      readonly marginPercent: number;
    };

export const BLUE_GREEN: Strategy = { name: 'blue-green' };

/** Why a text is not a strategy, to be completed with where it stood. */
export class StrategyFault extends Error {}

const BAKE_MS = 10 * 60_000;
const LONGEST_BAKE_MS = 24 * 60 * 60_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const FORMS = 'blue-green, blue-green,bake=10m, rolling,batch=2, recreate or canary,percent=10,bake=10m';

/** `canary,percent=10,bake=10m,margin=5` */
export function parseStrategy(text: string): Strategy {
  const [name = '', ...rest] = text.split(',').map((part) => part.trim());
  const options = new Map<string, string>();
  for (const part of rest) {
    const [, key, value] = /^([a-z]+)=(.+)$/.exec(part) ?? [];
    if (key === undefined || value === undefined)
      throw new StrategyFault(`${quoted(part)} must be NAME=VALUE`);
    if (options.has(key)) throw new StrategyFault(`${key} is said twice`);
    options.set(key, value);
  }
  const take = <T>(key: string, absent: T, parse: (value: string) => T): T => {
    const value = options.get(key);
    options.delete(key);
    return value === undefined ? absent : parse(value);
  };
  const strategy = strategyOf(name, take);
  const [unknown] = options.keys();
  if (unknown !== undefined) throw new StrategyFault(`${name} has no option ${quoted(unknown)}`);
  return strategy;
}

function strategyOf(
  name: string,
  take: <T>(key: string, absent: T, parse: (value: string) => T) => T,
): Strategy {
  switch (name) {
    case 'blue-green': {
      const bakeMs = take<number | undefined>('bake', undefined, durationOf);
      return { name, ...(bakeMs === undefined ? {} : { bakeMs }) };
    }
    case 'recreate':
      return { name };
    case 'rolling':
      return { name, batch: take<Batch>('batch', { percent: 25 }, batchOf) };
    case 'canary':
      return {
        name,
        percent: take('percent', 10, (value) => percentOf('percent', value, 1, 50)),
        bakeMs: take('bake', BAKE_MS, durationOf),
        marginPercent: take('margin', 5, (value) => percentOf('margin', value, 0, 100)),
      };
    default:
      throw new StrategyFault(`${quoted(name)} is not a strategy: use ${FORMS}`);
  }
}

function batchOf(value: string): Batch {
  if (value.endsWith('%')) return { percent: percentOf('batch', value, 1, 100) };
  if (/^[1-9]\d{0,3}$/.test(value)) return { size: Number(value) };
  throw new StrategyFault(
    `batch=${value.slice(0, 20)} must be a number of containers, or percent: batch=25%`,
  );
}

function percentOf(key: string, value: string, least: number, most: number): number {
  const [, digits] = /^(\d{1,3})%?$/.exec(value) ?? [];
  const percent = Number(digits ?? Number.NaN);
  if (percent >= least && percent <= most) return percent;
  throw new StrategyFault(`${key}=${value.slice(0, 20)} must be a whole number from ${least} to ${most}`);
}

function durationOf(value: string): number {
  const [, digits, unit = ''] = /^(\d{1,6})([smh])$/.exec(value) ?? [];
  const ms = Number(digits ?? Number.NaN) * (UNIT_MS[unit] ?? Number.NaN);
  if (ms > 0 && ms <= LONGEST_BAKE_MS) return ms;
  throw new StrategyFault(`bake=${value.slice(0, 20)} must be a time such as 90s, 10m or 2h, 24 h at most`);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

/** The same, for who has typed it. Throws `bad_request`. */
export function checkStrategy(text: string): Strategy {
  try {
    return parseStrategy(text);
  } catch (thrown) {
    if (!(thrown instanceof StrategyFault)) throw thrown;
    throw new SlipwayError('bad_request', thrown.message, { hint: `a strategy is ${FORMS}` });
  }
}

/** As {@link parseStrategy} reads it. */
export function describeStrategy(strategy: Strategy): string {
  switch (strategy.name) {
    case 'blue-green':
      return `blue-green${strategy.bakeMs === undefined ? '' : `,bake=${describeTime(strategy.bakeMs)}`}`;
    case 'recreate':
      return strategy.name;
    case 'rolling':
      return `rolling,batch=${'size' in strategy.batch ? strategy.batch.size : `${strategy.batch.percent}%`}`;
    case 'canary': {
      const { percent, bakeMs, marginPercent } = strategy;
      return `canary,percent=${percent},bake=${describeTime(bakeMs)},margin=${marginPercent}`;
    }
  }
}

function describeTime(ms: number): string {
  const [unit = 's', unitMs = 1000] =
    Object.entries(UNIT_MS)
      .reverse()
      .find(([, each]) => ms % each === 0) ?? [];
  return `${ms / unitMs}${unit}`;
}

/**
 * How a release of this kind is rolled out. Only what brings other code or config is worth a canary or a bake; and who rolls back is in a hurry.
 * What cannot run twice at once never does: where nobody has said anything, what writes a volume is stopped before others write it.
 */
export function strategyFor(
  kind: ReleaseKind,
  wanted: Strategy | undefined,
  processes: readonly ReleaseProcess[],
): Strategy | undefined {
  if (wanted === undefined)
    return processes.some((process) => process.scale > 0 && writesVolume(process))
      ? { name: 'recreate' }
      : undefined;
  const bringsNews = kind === 'deploy' || kind === 'config';
  if (wanted.name === 'blue-green') return wanted.bakeMs !== undefined && bringsNews ? wanted : undefined;
  if (wanted.name === 'canary' && !bringsNews) return undefined;
  if (wanted.name === 'rolling' && kind === 'rollback') return undefined;
  return wanted;
}

/** How many are in a batch. */
export function batchSize(batch: Batch, all: number): number {
  return 'size' in batch ? batch.size : Math.max(1, Math.ceil((all * batch.percent) / 100));
}

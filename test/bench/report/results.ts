/** What a run of the bench found, as it goes into the JSON file and from there into every other form. */
import type { Cost } from '../measure/measure.js';
import type { Phases } from '../peers/contender.js';
import { best, summary } from './statistics.js';

/** What must be reached. */
export type Mark =
  /** Our time by that of the best peer. */
  | { readonly kind: 'ratio'; readonly most: number }
  | { readonly kind: 'ms'; readonly most: number; readonly why: string }
  | { readonly kind: 'bytes'; readonly most: number };

export interface Sample extends Cost {
  readonly phases?: Phases;
}

export interface Side {
  readonly name: string;
  readonly samples: readonly Sample[];
  readonly median: Cost;
}

export interface CaseResult {
  readonly id: string;
  readonly title: string;
  readonly mark: Mark;
  readonly sides: readonly Side[];
  /** By the unit of the mark: a ratio, ms or bytes. Undefined where no peer took part. */
  readonly reached?: number;
  readonly met?: boolean;
  /** How the images differ; empty where they are the same. */
  readonly differences: readonly string[];
  readonly notes: readonly string[];
}

export interface Results {
  /** Of the last run; earlier cases that are kept may be of another day. */
  readonly machine: Readonly<Record<string, string | number>>;
  readonly contenders: readonly { readonly name: string; readonly version: string }[];
  readonly cases: readonly CaseResult[];
}

/** The side that marks are about. */
export const OURS = 'slipway';
/** Beside it, compared with nobody. */
export const COMMAND = 'command';

/** What ran now, and of `before` what did not; in the order of `ids`. */
export function merged(before: Results | undefined, now: Results, ids: readonly string[]): Results {
  const known = new Map([...(before?.cases ?? []), ...now.cases].map((one) => [one.id, one]));
  const contenders = new Map(
    [...(before?.contenders ?? []), ...now.contenders].map((each) => [each.name, each]),
  );
  return {
    machine: now.machine,
    contenders: [...contenders.values()],
    cases: ids.flatMap((id) => known.get(id) ?? []),
  };
}

/** Fewer prove nothing. */
export const LEAST_ROUNDS = 5;

export function sideOf(name: string, samples: readonly Sample[]): Side {
  return { name, samples, median: summary(samples) };
}

export function peersOf(sides: readonly Side[]): Side[] {
  return sides.filter(({ name }) => name !== OURS && name !== COMMAND);
}

export function judged(
  { id, title, mark }: Pick<CaseResult, 'id' | 'title' | 'mark'>,
  sides: readonly Side[],
  found: Pick<CaseResult, 'differences' | 'notes'> = { differences: [], notes: [] },
): CaseResult {
  const reached = reachedOf(mark, sides);
  return {
    id,
    title,
    mark,
    sides,
    ...found,
    ...(reached === undefined
      ? {}
      : { reached, met: reached <= mark.most && found.differences.length === 0 }),
  };
}

function reachedOf(mark: Mark, sides: readonly Side[]): number | undefined {
  const ours = sides.find(({ name }) => name === OURS)?.median;
  if (ours === undefined) return undefined;
  if (mark.kind === 'ms') return ours.wallMs;
  if (mark.kind === 'bytes') return ours.peakBytes;
  const peer = best(peersOf(sides).map(({ median }) => median.wallMs));
  return peer === undefined ? undefined : ours.wallMs / peer;
}

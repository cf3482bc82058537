/** Why a step was not cached, in one line: what its key was made of the last time, and what of it is different now. Pure. */
import { hashOf } from './keys.js';

export type KeyPart = readonly [name: string, hash: string];

/** What a step was made of when it was last built. */
export interface StepRecord {
  /** The commit that was built, to name the file that changed since. */
  readonly commit: string;
  /** Named parts of the key, in the order in which a person would want to hear of them; values are hashes. */
  readonly parts: readonly KeyPart[];
}

/** By their place in the stage. */
export type StageHistory = Readonly<Record<string, StepRecord>>;

export interface Difference {
  readonly name: string;
  readonly how: 'is new' | 'changed' | 'is gone';
}

/** A part by a hash of its value: what is stored to explain must not hold anybody's ARG. */
export function keyPart(name: string, value: unknown): KeyPart {
  return [name, hashOf([value ?? null])];
}

export function differences(previous: readonly KeyPart[], parts: readonly KeyPart[]): readonly Difference[] {
  const before = new Map(previous);
  const now = new Map(parts);
  return [
    ...parts.flatMap(([name, hash]): Difference[] => {
      if (!before.has(name)) return [{ name, how: 'is new' }];
      return before.get(name) === hash ? [] : [{ name, how: 'changed' }];
    }),
    ...previous.flatMap(([name]): Difference[] => (now.has(name) ? [] : [{ name, how: 'is gone' }])),
  ];
}

/**
 * The same step in an earlier build. Lines that were added or removed above move a step, so one with the same first part
 * (the instruction) is taken before the one that has its place now; of several the nearest.
 */
export function previousOf(
  history: StageHistory,
  index: number,
  parts: readonly KeyPart[],
): StepRecord | undefined {
  const [name, hash] = parts[0] ?? [];
  const alike = Object.entries(history)
    .filter(([, record]) => record.parts[0]?.[0] === name && record.parts[0]?.[1] === hash)
    .sort(([a], [b]) => Math.abs(Number(a) - index) - Math.abs(Number(b) - index));
  return alike[0]?.[1] ?? history[String(index)];
}

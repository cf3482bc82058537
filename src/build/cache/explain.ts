/** Why a step was not cached, in one line. Pure. */
import { hashOf } from './keys.js';
import type { SlotRecord } from './step-cache.js';

export type KeyPart = readonly [name: string, hash: string];

/** A part by a hash of its value: what is stored to explain must not hold anybody's ARG. */
export function keyPart(name: string, value: unknown): KeyPart {
  return [name, hashOf([value ?? null])];
}

/** The name of the first part that differs; undefined when the two are alike. */
export function firstDifference(previous: SlotRecord, parts: readonly KeyPart[]): string | undefined {
  const before = new Map(previous.parts);
  for (const [name, hash] of parts) {
    if (!before.has(name)) return `${name} is new`;
    if (before.get(name) !== hash) return `${name} changed`;
  }
  const now = new Map(parts);
  for (const [name] of previous.parts) if (!now.has(name)) return `${name} is gone`;
  return undefined;
}

/**
 * The document of a remote cache: which step made which layer, and what selectors found in which tree. It comes from a
 * registry, so all of it is checked. Pure.
 */
import { z } from 'zod';
import { type RememberedBuild, rememberedBuild } from '../memo/remembered-build.js';
import {
  type CachedSelection,
  type CachedStep,
  cachedSelections,
  cachedStep,
  cacheKey,
  layersOf,
} from './cached.js';

/** Of the document, and of the artifact that it is the config of. */
export const CACHE_TYPE = 'application/vnd.slipway.build-cache.v1+json';

export interface Indexed<T> {
  readonly key: string;
  readonly value: T;
  /** The export that used it last, counted from 1. */
  readonly used: number;
}

export interface CacheIndex {
  /** Exports so far. */
  readonly exports: number;
  readonly steps: readonly Indexed<CachedStep>[];
  readonly selections: readonly Indexed<readonly CachedSelection[]>[];
  /** Whole builds: see memo/. */
  readonly builds: readonly Indexed<RememberedBuild>[];
}

export const EMPTY_INDEX: CacheIndex = { exports: 0, steps: [], selections: [], builds: [] };

export interface CacheBounds {
  readonly steps: number;
  /** Of the layers, compressed. */
  readonly bytes: number;
  /** What so many exports in a row did not use is dropped. */
  readonly keepExports: number;
}

export const DEFAULT_BOUNDS: CacheBounds = { steps: 500, bytes: 5 * 1024 ** 3, keepExports: 50 };

/** Bytes of a document; far more than the bounds make of it. */
export const INDEX_BYTES: number = 4 * 1024 * 1024;

/** Each holds a config and a manifest: some kilobytes that every builder reads that does not know a step. */
const KEPT_BUILDS = 8;

/** A selection of thousands of files is quicker looked at than carried. */
const SELECTION_FILES = 200;

const count = z.number().int().nonnegative();
const schema = z.object({
  version: z.literal(1),
  exports: count,
  steps: z.array(z.object({ key: cacheKey, value: cachedStep, used: count })).max(5000),
  selections: z.array(z.object({ key: cacheKey, value: cachedSelections, used: count })).max(5000),
  // Absent in those of older versions.
  builds: z
    .array(z.object({ key: cacheKey, value: rememberedBuild, used: count }))
    .max(100)
    .default([]),
});

/** Undefined when it is not one. */
export function parseIndex(bytes: Uint8Array): CacheIndex | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

export function formatIndex(index: CacheIndex): Buffer {
  return Buffer.from(JSON.stringify({ version: 1, ...index }));
}

/** What one build used: hits, and what it executed itself. */
export interface BuildRecord {
  readonly steps: ReadonlyMap<string, { readonly step: CachedStep; readonly executed: boolean }>;
  readonly selections: ReadonlyMap<string, readonly CachedSelection[]>;
  readonly builds: ReadonlyMap<string, RememberedBuild>;
}

/** The index with what the build used; undefined when the index knows all of it already. */
export function mergeIndex(
  index: CacheIndex,
  record: BuildRecord,
  bounds: CacheBounds,
): CacheIndex | undefined {
  const exports = index.exports + 1;
  let isNew = false;
  const steps = new Map(index.steps.map((entry) => [entry.key, entry]));
  for (const [key, { step, executed }] of record.steps) {
    const known = steps.get(key);
    // Executed although it was known: somebody wanted it made anew.
    const isBetter = known === undefined || (executed && known.value.layer.diffId !== step.layer.diffId);
    isNew ||= isBetter;
    steps.delete(key);
    steps.set(key, { key, value: isBetter ? step : known.value, used: exports });
  }
  const selections = new Map(index.selections.map((entry) => [entry.key, entry]));
  for (const [key, found] of record.selections) {
    if (found.length > SELECTION_FILES) continue;
    isNew ||= !selections.has(key);
    selections.delete(key);
    selections.set(key, { key, value: found, used: exports });
  }
  const builds = new Map(index.builds.map((entry) => [entry.key, entry]));
  for (const [key, build] of record.builds) {
    isNew ||= builds.get(key)?.value.digest !== build.digest;
    builds.delete(key);
    builds.set(key, { key, value: build, used: exports });
  }
  if (!isNew) return undefined;
  return {
    exports,
    steps: withinBytes(newest([...steps.values()], exports, bounds), bounds.bytes),
    selections: newest([...selections.values()], exports, bounds),
    builds: newest([...builds.values()], exports, bounds).slice(0, KEPT_BUILDS),
  };
}

function newest<T>(entries: readonly Indexed<T>[], exports: number, bounds: CacheBounds): Indexed<T>[] {
  return entries
    .filter(({ used }) => used > exports - bounds.keepExports)
    .sort((a, b) => b.used - a.used)
    .slice(0, bounds.steps);
}

function withinBytes(entries: readonly Indexed<CachedStep>[], bytes: number): Indexed<CachedStep>[] {
  const counted = new Set<string>();
  let left = bytes;
  return entries.filter(({ value }) => {
    const more = layersOf(value).filter(({ digest }) => !counted.has(digest));
    const sizeBytes = more.reduce((sum, layer) => sum + layer.sizeBytes, 0);
    if (sizeBytes > left) return false;
    left -= sizeBytes;
    for (const { digest } of more) counted.add(digest);
    return true;
  });
}

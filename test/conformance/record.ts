/** What is kept of a built image and compared: its changes to the base, its config and its history. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../src/root.js';
import type { KnownBases } from './bases.js';
import type { Case, Peer } from './case.js';
import { changes } from './flatten.js';
import type { Image } from './image.js';
import type { Outcome } from './peers/peer.js';

export interface Built {
  readonly outcome: 'built';
  /** The base whose layers the image begins with. */
  readonly over: string;
  /** Against that base; null for what is gone. */
  readonly files: Readonly<Record<string, string | null>>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly string[];
}
export interface Failed {
  readonly outcome: 'failed';
}
export type Result = Built | Failed;

/** What is committed for a case: the result of `of`, and whether other peers gave the same. */
export type Recorded = Result & { readonly of: Peer; readonly agree: readonly Peer[] };

export function resultOf(outcome: Outcome, bases: KnownBases): Result {
  return outcome.kind === 'failed' ? { outcome: 'failed' } : builtOf(outcome.image, bases);
}

function builtOf(image: Image, bases: KnownBases): Built {
  let over = 'scratch';
  let files = image.files;
  let length = -1;
  for (const [name, base] of bases) {
    if (base.diffIds.length <= length) continue;
    if (base.diffIds.some((id, index) => id !== image.diffIds[index])) continue;
    [over, files, length] = [name, base.files, base.diffIds.length];
  }
  return {
    outcome: 'built',
    over,
    files: changes(files, image.files),
    config: image.config,
    history: image.history,
  };
}

/** What must come out: what a peer made, with what the case itself says put over it. */
export function expected(one: Case, recorded: Result | undefined): Result | undefined {
  if (one.fails !== undefined) return { outcome: 'failed' };
  if (one.expect === undefined || recorded?.outcome === 'failed') return recorded;
  if (recorded === undefined) return undefined;
  return {
    ...recorded,
    files: merged(recorded.files, one.expect.files ?? {}),
    config: merged(recorded.config, one.expect.config ?? {}, true),
    history: one.expect.history ?? recorded.history,
  };
}

function merged<T>(
  before: Readonly<Record<string, T>>,
  over: Readonly<Record<string, T>>,
  drop = false,
): Record<string, T> {
  const result = { ...before, ...over };
  return drop ? Object.fromEntries(Object.entries(result).filter(([, value]) => value !== null)) : result;
}

/** One line for each difference: where it is, and both sides. */
export function differences(want: Result, got: Result, options: { readonly history: boolean }): string[] {
  if (want.outcome !== 'built' || got.outcome !== 'built') {
    return want.outcome === got.outcome ? [] : [`outcome: ${want.outcome} ≠ ${got.outcome}`];
  }
  return [
    ...(want.over === got.over ? [] : [`base: ${want.over} ≠ ${got.over}`]),
    ...between('', want.files, got.files),
    ...between('config ', want.config, got.config),
    ...(options.history ? between('history ', { ...want.history }, { ...got.history }) : []),
  ];
}

/** What a case without a peer says, and nothing else, is compared. Of files it must tell all. */
export function differencesFromCase(one: Case, got: Result): string[] {
  if (got.outcome !== 'built') return ['outcome: built ≠ failed'];
  const { files = {}, config = {}, history } = one.expect ?? {};
  const named = Object.fromEntries(Object.keys(config).map((key) => [key, got.config[key] ?? null]));
  return [
    ...between('', files, got.files),
    ...between('config ', config, named),
    ...(history === undefined ? [] : between('history ', { ...history }, { ...got.history })),
  ];
}

function between(
  what: string,
  want: Readonly<Record<string, unknown>>,
  got: Readonly<Record<string, unknown>>,
): string[] {
  const show = (value: unknown): string =>
    value === undefined
      ? 'as in the base'
      : value === null
        ? 'nothing'
        : typeof value === 'string'
          ? value
          : JSON.stringify(value);
  return [...new Set([...Object.keys(want), ...Object.keys(got)])]
    .sort()
    .filter((key) => JSON.stringify(want[key] ?? null) !== JSON.stringify(got[key] ?? null))
    .map((key) => `${what}${key}: ${show(want[key])} ≠ ${show(got[key])}`);
}

const directory = (): string => join(projectRoot(), 'test', 'conformance', 'expected');

/** By case name; empty when nothing was recorded. */
export async function readRecords(topic: string): Promise<Readonly<Record<string, Recorded>>> {
  try {
    return JSON.parse(await readFile(join(directory(), `${topic}.json`), 'utf8')) as Record<string, Recorded>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

export async function writeRecords(
  topic: string,
  records: Readonly<Record<string, Recorded>>,
): Promise<void> {
  await mkdir(directory(), { recursive: true });
  await writeFile(join(directory(), `${topic}.json`), `${JSON.stringify(records, undefined, 2)}\n`);
}

/**
 * The documents of an app's ledger and what they say. Layout of the tree:
 *
 *   app.json             settings
 *   config.json          config var → ciphertext; what the next release will get
 *   formation.json       scale, limits and mounts by process type, and whether the app is stopped; likewise
 *   volumes.json         the app's volumes: where each is, and which content it has
 *   placement.json       where the next release will run; absent: on the local host
 *   strategy.json        how the next release is rolled out; absent: as its commit says
 *   freezes.json         in which times of the week nobody deploys
 *   lock.json            why nothing may change; absent: it is not locked
 *   releases/<n>.json    immutable
 *   outcomes/<n>.json    how it ended; written once
 *   marks/<n>.json       why somebody called it bad
 *   live                 the number of the release that serves
 *   retention.json       how many good releases stay, where that is not the platform's number
 *   pins/<n>.json        who wants a release to stay
 *   gone                 numbers of the releases that were let go
 *
 *   source.json          what of a repository is the app's; absent: all of its own
 *   members.json         apps that come from this one's repository
 *
 * and those of edge-documents.ts and outside-documents.ts.
 */
import { z } from 'zod';
import { SlipwayError } from '../errors.js';
import type { AppLock, AppSettings } from '../model/app.js';
import type { CronEntry } from '../model/cron.js';
import type { Freeze } from '../model/freeze.js';
import type { Placement } from '../model/host.js';
import { type Formation, NO_FORMATION, type ResourceSettings } from '../model/process.js';
import type { Mark, Outcome, Pin, ProcessResources, Release, ReleaseWithOutcome } from '../model/release.js';
import type { AppSource } from '../model/source.js';
import type { Strategy } from '../model/strategy.js';
import type { MountSetting, VolumeMount, Volumes } from '../model/volume.js';
import { check } from './check-documents.js';
import type { Documents } from './documents.js';
import { type EdgeDocuments, readEdge } from './edge-documents.js';
import { parseNumbers } from './number-ranges.js';
import { type OutsideDocuments, readOutside } from './outside-documents.js';
import { readVolumes } from './volume-documents.js';

export interface AppState extends EdgeDocuments, OutsideDocuments {
  readonly settings: AppSettings;
  readonly source?: AppSource;
  /** Apps whose source is this one's repository, as far as they still say so. */
  readonly members: readonly string[];
  /** Config var → ciphertext. */
  readonly config: Readonly<Record<string, string>>;
  readonly formation: Formation;
  readonly lock?: AppLock;
  /** Where the next release will run; absent: on the local host. */
  readonly placement?: Placement;
  readonly volumes: Volumes;
  /** By number, the oldest first. */
  readonly releases: readonly ReleaseWithOutcome[];
  readonly live?: number;
  /** Times of the week in which nobody deploys. */
  readonly freezes: readonly Freeze[];
  /** How releases are rolled out whose push does not say; absent: as their commit says. */
  readonly strategy?: Strategy;
  /** How many good releases stay; absent: the platform's number. */
  readonly keep?: number;
  /** The ledger commit that says all this. */
  readonly head: string;
}

const text = z.string();
const settings: z.ZodType<AppSettings> = z.object({
  name: text,
  review: z.object({ of: text, branch: text }).exactOptional(),
  deployBranch: text,
  createdAt: text,
  createdBy: text,
});
const config = z.record(text, text);
const placement: z.ZodType<Placement> = z.union([
  z.strictObject({ hosts: z.array(text).min(1) }),
  z.strictObject({ label: z.strictObject({ name: text, value: text }) }),
]);
const resources: z.ZodType<ProcessResources> = z.object({
  memoryBytes: z.int().positive().exactOptional(),
  cpus: z.number().positive().exactOptional(),
  processes: z.int().positive().exactOptional(),
});
const settable = <T extends z.ZodType>(limit: T): z.ZodExactOptional<z.ZodNullable<T>> =>
  limit.nullable().exactOptional();
const mount = { volume: text, readOnly: z.literal(true).exactOptional() };
const mounts: z.ZodType<readonly VolumeMount[]> = z.array(z.object({ ...mount, path: text }));
const formation: z.ZodType<Formation> = z.object({
  stopped: z.object({ at: text, by: text }).exactOptional(),
  scale: z.record(text, z.int().nonnegative()),
  resources: z.record(
    text,
    z.object({
      memoryBytes: settable(z.int().positive()),
      cpus: settable(z.number().positive()),
      processes: settable(z.int().positive()),
    }) satisfies z.ZodType<ResourceSettings>,
  ),
  mounts: z
    .record(text, z.record(text, z.object(mount).nullable() satisfies z.ZodType<MountSetting>))
    .exactOptional(),
});
const lock: z.ZodType<AppLock> = z.object({ reason: text, at: text, by: text });
const freezes: z.ZodType<readonly Freeze[]> = z.array(
  z.object({ week: text, timeZone: text, reason: text, at: text, by: text }),
);
const mark: z.ZodType<Mark> = z.object({ reason: text, at: text, by: text });
const cronEntry: z.ZodType<CronEntry> = z.object({
  name: text,
  schedule: text,
  command: z.array(text),
  timeZone: text.exactOptional(),
  timeoutMs: z.int().positive().exactOptional(),
  overlaps: z.boolean().exactOptional(),
});
const percent = z.int().min(0).max(100);
const strategy: z.ZodType<Strategy> = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('blue-green'), bakeMs: z.int().positive().exactOptional() }),
  z.strictObject({ name: z.literal('recreate') }),
  z.strictObject({
    name: z.literal('rolling'),
    batch: z.union([z.strictObject({ size: z.int().positive() }), z.strictObject({ percent })]),
  }),
  z.strictObject({
    name: z.literal('canary'),
    percent,
    bakeMs: z.int().positive(),
    marginPercent: percent,
  }),
]);
const release: z.ZodType<Release> = z.object({
  number: z.int().positive(),
  kind: z.enum([
    'deploy',
    'rollback',
    'config',
    'scale',
    'resources',
    'placement',
    'volumes',
    'domains',
    'restart',
    'stop',
    'start',
  ]),
  image: z.object({ repository: text, digest: text }),
  source: text,
  message: text.exactOptional(),
  author: text.exactOptional(),
  config,
  processes: z.array(
    z.object({
      type: text,
      command: z.array(text).exactOptional(),
      scale: z.int().nonnegative(),
      whenStarted: z.int().nonnegative().exactOptional(),
      resources: resources.exactOptional(),
      checks: z.array(check).exactOptional(),
      mounts: mounts.exactOptional(),
    }),
  ),
  releasePhase: z.array(text).exactOptional(),
  cron: z.array(cronEntry).exactOptional(),
  hosts: z.array(text).exactOptional(),
  domains: z.array(text).exactOptional(),
  strategy: strategy.exactOptional(),
  declaredStrategy: strategy.exactOptional(),
  restarts: z.array(text).exactOptional(),
  deploymentId: text,
  rollbackOf: z.int().positive().exactOptional(),
  createdAt: text,
  createdBy: text,
  description: text,
});
const outcome: z.ZodType<Outcome> = z.object({
  state: z.enum(['live', 'failed', 'cancelled', 'superseded']),
  at: text,
  reason: text.exactOptional(),
  containersOf: z.array(text).exactOptional(),
  adopted: z.record(text, text).exactOptional(),
  warm: z.object({ release: z.int().positive(), until: text }).exactOptional(),
});
const source: z.ZodType<AppSource> = z.object({
  repo: text.exactOptional(),
  path: text.exactOptional(),
  watch: z.array(text),
});
const members = z.array(text);
const live = z.coerce.number().int().positive();
const retention: z.ZodType<{ readonly keep: number }> = z.object({ keep: z.int().positive() });
const pin: z.ZodType<Pin> = z.object({ at: text, by: text });

export const SETTINGS_PATH = 'app.json';
export const SOURCE_PATH = 'source.json';
export const MEMBERS_PATH = 'members.json';
export const CONFIG_PATH = 'config.json';
export const FORMATION_PATH = 'formation.json';
export const PLACEMENT_PATH = 'placement.json';
export const STRATEGY_PATH = 'strategy.json';
export const FREEZES_PATH = 'freezes.json';
export const LOCK_PATH = 'lock.json';
export const LIVE_PATH = 'live';
export const releasePath = (number: number): string => `releases/${number}.json`;
export const RETENTION_PATH = 'retention.json';
export const GONE_PATH = 'gone';
export const pinPath = (number: number): string => `pins/${number}.json`;
export const outcomePath = (number: number): string => `outcomes/${number}.json`;
export const markPath = (number: number): string => `marks/${number}.json`;

/** One property per line, so that `git diff` of the ledger reads well. */
export function toDocument(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Throws `unavailable` naming the document that cannot be read: somebody edited the ledger, or a newer version did. */
export function parseApp(documents: Documents): AppState {
  const { head, files } = documents;
  const read = <T>(path: string, schema: z.ZodType<T>): T | undefined => {
    const content = files.get(path);
    if (content === undefined) return undefined;
    const parsed = schema.safeParse(parseJson(content));
    if (parsed.success) return parsed.data;
    throw new SlipwayError('unavailable', `the ledger cannot be read: ${z.prettifyError(parsed.error)}`, {
      where: `${path} in ${head}`,
      hint: 'correct the document with a commit on top, or update Slipway',
    });
  };
  const gone = parseNumbers(files.get(GONE_PATH) ?? '');
  /** What retention has to say of a release. */
  const retained = (found: ReleaseWithOutcome): ReleaseWithOutcome => {
    const pinned = read(pinPath(found.number), pin);
    return {
      ...found,
      ...(pinned === undefined ? {} : { pinned }),
      ...(gone.has(found.number) ? { gone: true } : {}),
    };
  };
  const releases = [...files.keys()]
    .filter((path) => /^releases\/\d+\.json$/.test(path))
    .flatMap((path): ReleaseWithOutcome[] => {
      const found = read(path, release);
      if (found === undefined) return [];
      const ended = read(outcomePath(found.number), outcome);
      const bad = read(markPath(found.number), mark);
      return [
        {
          ...found,
          ...(ended === undefined ? {} : { outcome: ended }),
          ...(bad === undefined ? {} : { bad }),
        },
      ];
    })
    .map(retained)
    .sort((a, b) => a.number - b.number);
  const locked = read(LOCK_PATH, lock);
  const keep = read(RETENTION_PATH, retention)?.keep;
  const chosen = read(STRATEGY_PATH, strategy);
  const liveNumber = read(LIVE_PATH, live);
  const placed = read(PLACEMENT_PATH, placement);
  const from = read(SOURCE_PATH, source);
  const found = read(SETTINGS_PATH, settings);
  if (found === undefined) {
    throw new SlipwayError('unavailable', 'the ledger has no settings', {
      where: `${SETTINGS_PATH} in ${head}`,
    });
  }
  return {
    settings: found,
    ...(from === undefined ? {} : { source: from }),
    members: read(MEMBERS_PATH, members) ?? [],
    config: read(CONFIG_PATH, config) ?? {},
    formation: read(FORMATION_PATH, formation) ?? NO_FORMATION,
    ...(placed === undefined ? {} : { placement: placed }),
    ...(locked === undefined ? {} : { lock: locked }),
    ...(chosen === undefined ? {} : { strategy: chosen }),
    freezes: read(FREEZES_PATH, freezes) ?? [],
    volumes: readVolumes(read),
    ...readEdge(read),
    ...readOutside(read),
    releases,
    ...(liveNumber === undefined ? {} : { live: liveNumber }),
    ...(keep === undefined ? {} : { keep }),
    head,
  };
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

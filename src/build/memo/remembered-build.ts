/** What is kept of a whole build, so that the same build again is one look-up: its image, and what it told. Pure. */
import { z } from 'zod';
import type { Platform } from '../../dockerfile/build-plan.js';
import type { Layer } from '../../layers/layer.js';
import type { BuildResult } from '../build-request.js';
import { cachedLayer, cacheKey } from '../cache/cached.js';
import { hashOf } from '../cache/keys.js';
import type { BuildEvent } from '../progress.js';

/** Raised when the meaning of what is kept changes. */
const SCHEMA = 'slipway-build-1';

/** Everything that can change the image, but for the base images: those are asked for again. */
export interface BuildIdentity {
  /** Of the commit: the Dockerfile and the ignore file are in it. Or a name for these and the files that a build sees. */
  readonly tree: string;
  readonly dockerfile: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform: object;
  /** What the RUN steps may have. */
  readonly settings: object;
  /** Whose caches and secrets the steps use. */
  readonly scope: string;
  readonly limits: object;
}

const base = z.object({
  reference: z.string(),
  platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().exactOptional() }),
  digest: z.string(),
});

const step = z.number().int();
/** The events of a build in which every step is cached. */
export type ToldEvent = Extract<BuildEvent, { type: 'stage' | 'warning' | 'step' | 'note' | 'cached' }>;

const toldEvent: z.ZodType<ToldEvent> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stage'), stage: z.string(), title: z.string() }),
  z.object({
    type: z.literal('note'),
    text: z.string(),
    step: step.exactOptional(),
    stage: z.string().exactOptional(),
  }),
  z.object({
    type: z.literal('warning'),
    rule: z.string(),
    text: z.string(),
    line: z.number(),
    url: z.string(),
  }),
  z.object({
    type: z.literal('step'),
    step,
    total: step,
    stage: z.string(),
    text: z.string(),
    line: z.number(),
    mixed: z.literal(true).exactOptional(),
  }),
  z.object({ type: z.literal('cached'), step, savedMs: z.number().exactOptional() }),
]);

export interface RememberedBase {
  readonly reference: string;
  readonly platform: Platform;
  readonly digest: string;
}

export interface RememberedBuild {
  readonly bases: readonly RememberedBase[];
  readonly layers: readonly Layer[];
  readonly baseLayers: number;
  /** Of the steps, the cached and the executed: see cache/keys.ts. */
  readonly stepKeys: readonly string[];
  readonly digest: string;
  /** Of the image, byte for byte. */
  readonly config: string;
  readonly manifest: string;
  readonly told: readonly ToldEvent[];
}

export const rememberedBuild: z.ZodType<RememberedBuild> = z.object({
  bases: z.array(base).max(1000),
  layers: z.array(cachedLayer).max(1000),
  baseLayers: z.number().int().nonnegative(),
  stepKeys: z.array(cacheKey).max(10_000),
  digest: z.string(),
  config: z.string(),
  manifest: z.string(),
  told: z.array(toldEvent).max(20_000),
});

export function buildKey(identity: BuildIdentity): string {
  const parts = Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1));
  return hashOf([SCHEMA, parts]);
}

export function remembered(
  { image, stepKeys }: BuildResult,
  bases: readonly RememberedBase[],
  told: readonly ToldEvent[],
): RememberedBuild {
  const { layers, baseLayers, digest, config, manifest } = image;
  return {
    bases,
    // What a base says of a layer besides is in the manifest.
    layers: layers.map(({ descriptor: _descriptor, ...layer }) => layer),
    baseLayers,
    stepKeys,
    digest,
    config: config.toString('utf8'),
    manifest: manifest.toString('utf8'),
    told,
  };
}

/** The event as the same build tells it the next time; undefined for what only the first one tells. */
export function toldAgain(event: BuildEvent): ToldEvent | undefined {
  switch (event.type) {
    case 'stage':
    case 'warning':
    case 'step':
      return event;
    case 'note':
      return event.step === undefined ? { type: 'note', text: event.text } : undefined;
    case 'done':
      return { type: 'cached', step: event.step, savedMs: event.ms };
    case 'cached': {
      const { step, savedMs } = event;
      return { type: 'cached', step, ...(savedMs === undefined ? {} : { savedMs }) };
    }
    default:
      return undefined;
  }
}

/** What the cache holds, on this machine and in a registry, and how it is checked when it is read. Pure. */
import { z } from 'zod';
import type { Layer } from '../../layers/layer.js';

export interface CachedStep {
  readonly layer: Layer;
  /** Where `layer` is a thin one: the whole layer that lies directly under it. */
  readonly under?: Layer;
  /** Whose earlier build made that one. */
  readonly scope?: string;
  /** What the step cost when it ran, in ms; what a hit saves. */
  readonly ms: number;
}

/** One thing that a COPY or a mount selects in a stage or an image: see Selection. */
export interface CachedSelection {
  readonly name: string;
  readonly path: string;
  readonly content: string;
}

/** The layers that the step adds, bottom first. */
export function layersOf({ layer, under }: Pick<CachedStep, 'layer' | 'under'>): readonly Layer[] {
  return under === undefined ? [layer] : [under, layer];
}

/** Under a thin layer lie files of earlier commits: for the eyes of its own app, and for no build that wants a whole one. */
export function mayUse(
  { under, scope }: Pick<CachedStep, 'under' | 'scope'>,
  build: { readonly scope: string; readonly thin: boolean },
): boolean {
  return under === undefined || (build.thin && scope === build.scope);
}

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const cachedLayer: z.ZodType<Layer> = z.object({
  diffId: digest,
  digest,
  sizeBytes: z.number().int().nonnegative(),
  mediaType: z.string().regex(/^application\/vnd\.(oci|docker)\.[a-z0-9.+-]{1,100}$/),
  freshTimes: z.boolean().exactOptional(),
});

export const cachedStep: z.ZodType<CachedStep> = z.object({
  layer: cachedLayer,
  under: cachedLayer.exactOptional(),
  scope: z.string().exactOptional(),
  ms: z.number().nonnegative(),
});

export const cachedSelections: z.ZodType<readonly CachedSelection[]> = z
  .array(
    z.object({
      // It becomes a file's name below the destination.
      name: z
        .string()
        .max(255)
        .refine((name) => !name.includes('/') && name !== '.' && name !== '..'),
      path: z.string().max(4096),
      content: z.string().max(200),
    }),
  )
  .max(10_000);

/** A step's key, or that of a selection. */
export const cacheKey: z.ZodType<string> = z.string().regex(/^[0-9a-f]{64}$/);

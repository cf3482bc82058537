/**
 * The nouns of an image: digests, descriptors, manifests and configs (OCI image-spec v1.1, and Docker's schema 2 which
 * differs in media types only), and their parsing. What is parsed keeps its bytes and its unknown fields. No I/O.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SlipwayError } from '../errors.js';

/** Names bytes as they are stored in a registry, mostly compressed. */
export type Digest = string & { readonly brand: 'Digest' };
/** Names an uncompressed layer. Never to be confused with the digest of its compressed form. */
export type DiffId = string & { readonly brand: 'DiffId' };

const SHA256 = /^sha256:[a-f0-9]{64}$/;

export function isDigest(text: string): text is Digest {
  return SHA256.test(text);
}

function isDiffId(text: string): text is DiffId {
  return SHA256.test(text);
}

/** The text as a Digest; throws `image_invalid`. */
export function asDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new SlipwayError('image_invalid', `${JSON.stringify(text.slice(0, 80))} is not a sha256 digest`);
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return asDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
}

export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

const platform = z.looseObject({
  os: z.string().default(''),
  architecture: z.string().default(''),
  variant: z.string().optional(),
});

const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: z.string().refine(isDigest, 'must be a sha256 digest'),
  size: z.number().int().nonnegative(),
  urls: z.array(z.string()).optional(),
  annotations: z.record(z.string(), z.string()).nullish(),
});

const manifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor),
  annotations: z.record(z.string(), z.string()).nullish(),
});

const index = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptor.extend({ platform: platform.optional() })),
});

const strings = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? undefined);
const set = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => (value ? Object.keys(value) : []));
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);

/** Docker writes null where a field is empty. Field names are those of the image-spec (config.md). */
const containerConfig = z.looseObject({
  User: text,
  ExposedPorts: set,
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  Volumes: set,
  WorkingDir: text,
  Labels: z
    .record(z.string(), z.string())
    .nullish()
    .transform((value) => value ?? {}),
  StopSignal: text,
  OnBuild: strings,
  Shell: strings,
});

const imageConfig = z.looseObject({
  architecture: z.string().default(''),
  os: z.string().default(''),
  variant: z.string().optional(),
  config: containerConfig.nullish().transform((value) => value ?? containerConfig.parse({})),
  rootfs: z.object({ diff_ids: z.array(z.string().refine(isDiffId, 'must be a sha256 digest')).nullish() }),
});

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}
export type Descriptor = Readonly<{
  mediaType: string;
  digest: Digest;
  size: number;
  urls?: readonly string[] | undefined;
  annotations?: Readonly<Record<string, string>> | null | undefined;
}>;
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | null | undefined;
}
export interface Index {
  readonly manifests: readonly (Descriptor & { readonly platform?: Platform | undefined })[];
}
export interface ContainerConfig {
  readonly User?: string | undefined;
  /** `80/tcp` */
  readonly ExposedPorts: readonly string[];
  readonly Env?: readonly string[] | undefined;
  readonly Entrypoint?: readonly string[] | undefined;
  readonly Cmd?: readonly string[] | undefined;
  readonly Volumes: readonly string[];
  readonly WorkingDir?: string | undefined;
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal?: string | undefined;
  readonly OnBuild?: readonly string[] | undefined;
  readonly Shell?: readonly string[] | undefined;
}
export interface ImageConfig {
  /** The bytes that the config's digest names. */
  readonly raw: Buffer;
  /** All of it, unknown fields too: what a build changes and writes back. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | undefined;
  /** The known fields with nulls taken out. */
  readonly config: ContainerConfig;
  /** Bottom first. */
  readonly diffIds: readonly DiffId[];
}

export type ManifestDocument =
  | { readonly kind: 'image'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: Index };

/**
 * A manifest or index from its bytes. A document that could be read as both is refused, and so is one whose
 * `mediaType` is not what it was served as (image-spec advisory GHSA-77vh-xpmg-72qh). Throws `image_invalid`.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  where: string,
): ManifestDocument {
  const served = contentType?.split(';')[0]?.trim().toLowerCase();
  const json = parseJsonObject(bytes, 'manifest', where);
  if (json.schemaVersion === 1 || served?.startsWith('application/vnd.docker.distribution.manifest.v1')) {
    throw invalid(where, "this image has Docker's schema 1 manifest, which is not supported", {
      hint: 'pull it with a current docker or skopeo and push it again',
    });
  }
  const inside = typeof json.mediaType === 'string' ? json.mediaType : undefined;
  const known = served !== undefined && (Object.values(MEDIA_TYPES) as string[]).includes(served);
  if (known && inside !== undefined && inside !== served) {
    throw invalid(
      where,
      `the manifest says ${JSON.stringify(inside)} but was served as ${JSON.stringify(served)}`,
    );
  }
  if ('layers' in json && 'manifests' in json)
    throw invalid(where, 'the manifest is both an image and an index');
  const isIndex = 'manifests' in json;
  const mediaType = inside ?? (known ? served : isIndex ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest);
  const indexType = mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerList;
  const imageType = mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest;
  if (isIndex ? !indexType : !imageType) {
    throw invalid(where, `a manifest of the type ${JSON.stringify(mediaType)} is not an image`);
  }
  return isIndex
    ? { kind: 'index', mediaType, index: check(index, json, 'index', where) }
    : { kind: 'image', mediaType, manifest: check(manifest, json, 'manifest', where) };
}

/** An image's config from its bytes. Throws `image_invalid`. */
export function parseImageConfig(bytes: Uint8Array, where: string): ImageConfig {
  const json = parseJsonObject(bytes, "image's config", where);
  const parsed = check(imageConfig, json, "image's config", where);
  return {
    raw: Buffer.from(bytes),
    json,
    architecture: parsed.architecture,
    os: parsed.os,
    variant: parsed.variant,
    config: parsed.config,
    diffIds: parsed.rootfs.diff_ids ?? [],
  };
}

/** Layers that lie elsewhere on the internet are neither fetched nor pushed: they would be bytes from any URL. */
export function isForeignLayer(layer: Descriptor): boolean {
  return (layer.urls?.length ?? 0) > 0 || /foreign|nondistributable/.test(layer.mediaType);
}

function parseJsonObject(bytes: Uint8Array, what: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (error) {
    throw invalid(where, `the ${what} is not JSON`, { cause: error });
  }
  throw invalid(where, `the ${what} is not a JSON object`);
}

function check<Schema extends z.ZodType>(
  schema: Schema,
  json: unknown,
  what: string,
  where: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(
    where,
    `the ${what} is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown'}`,
  );
}

function invalid(
  where: string,
  message: string,
  details: { hint?: string; cause?: unknown } = {},
): SlipwayError {
  return new SlipwayError('image_invalid', message, { where, ...details });
}

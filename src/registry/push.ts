/** Pushing an image: the blobs that the registry lacks, then the manifest by its digest, then the tags for people. */
import { SlipwayError } from '../errors.js';
import { RegistryFault } from './faults.js';
import { type Descriptor, type Digest, digestOf, isDigest, parseManifest } from './image.js';
import { isRegistryHost, isRepository, isTag } from './reference.js';
import type { RetryOptions } from './retry.js';
import type { Place, Transport } from './transport.js';
import { type Blob, type UploadContext, type Uploaded, uploadBlob } from './upload.js';

export interface PushLayer {
  readonly descriptor: Descriptor;
  /** The blob on this machine; a function is called only if the registry lacks the blob, and may fetch it. */
  readonly file?: string | ((signal: AbortSignal) => Promise<string>) | undefined;
  /** A repository of the same registry that may have it, such as the base image's. */
  readonly mountFrom?: string | undefined;
  /** As far as is known it is in the repository, so the registry is not asked unless it denies that. */
  readonly isThere?: boolean;
}

export interface PushProgress {
  /** Bytes that are in the registry so far, found there or sent. May go back when an upload starts again. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ImagePush {
  readonly registry: string;
  readonly repository: string;
  readonly layers: readonly PushLayer[];
  readonly config: Buffer;
  readonly manifest: Buffer;
  readonly tags: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PushProgress) => void) | undefined;
}

export interface PushedImage {
  readonly digest: Digest;
  readonly pushedBytes: number;
  /** Bytes that were there already or were mounted. */
  readonly skippedBytes: number;
}

const BLOBS_AT_ONCE = 4;

/**
 * Throws `registry_push_not_allowed`, `registry_unavailable`, `registry_denied`, `layer_missing`, `image_invalid`,
 * `invalid_name`, or the signal's reason. Pushing the same image again is harmless.
 */
export async function pushImageTo(transport: Transport, push: ImagePush): Promise<PushedImage> {
  checkNames(push);
  const digest = digestOf(push.manifest);
  const where = `${push.registry}/${push.repository}@${digest}`;
  transport.checkWritable(push.registry, where);
  const mediaType = checkManifest(push, where);
  const blobs = blobsOf(push);
  const progress = new Progress(blobs, push.onProgress);
  const retries = transport.retries(push.signal);
  const place: Place = { registry: push.registry, repository: push.repository };

  const sent = await uploadAll(transport, place, blobs, false, progress, retries);
  const putManifest = (name: string): Promise<void> =>
    put(transport, place, name, push.manifest, mediaType, where, retries);
  try {
    await putManifest(digest);
  } catch (error) {
    const missing = missingBlobs(error, blobs);
    if (missing === undefined) throw error;
    // The registry said that it had them: its answer was older than its last clean-up.
    for (const blob of await uploadAll(transport, place, missing, true, progress, retries)) sent.add(blob);
    await putManifest(digest);
  }
  for (const tag of push.tags) await putManifest(tag);

  const bytes = (of: readonly Blob[]): number => of.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    digest,
    pushedBytes: bytes(blobs.filter((blob) => sent.has(blob))),
    skippedBytes: bytes(blobs.filter((blob) => !sent.has(blob))),
  };
}

/** Brings one layer into a repository, before there is a manifest that names it. Throws as `pushImageTo` does. */
export async function uploadLayerTo(
  transport: Transport,
  { registry, repository }: Place,
  layer: PushLayer,
  signal?: AbortSignal,
): Promise<Uploaded> {
  checkNames({ registry, repository, layers: [layer], tags: [] });
  transport.checkWritable(registry, `${registry}/${repository}@${layer.descriptor.digest}`);
  const retries = transport.retries(signal);
  const context: UploadContext = {
    transport,
    place: { registry, repository },
    retries,
    signal: signal ?? new AbortController().signal,
    onProgress: () => {},
  };
  return uploadBlob(context, layerBlob(layer), false);
}

export interface ImageTag {
  readonly registry: string;
  readonly repository: string;
  /** The bytes that the image's digest names. */
  readonly manifest: Buffer;
  readonly tag: string;
  readonly signal?: AbortSignal | undefined;
}

/** Gives an image that is in the repository one more name. Throws as `pushImageTo` does. */
export async function tagImageAt(transport: Transport, image: ImageTag): Promise<void> {
  const { registry, repository, manifest, tag, signal } = image;
  checkNames({ registry, repository, layers: [], tags: [tag] });
  const where = `${registry}/${repository}:${tag}`;
  transport.checkWritable(registry, where);
  const { mediaType } = parseManifest(manifest, undefined, where);
  await put(transport, { registry, repository }, tag, manifest, mediaType, where, transport.retries(signal));
}

function checkNames({
  registry,
  repository,
  tags,
  layers,
}: Pick<ImagePush, 'registry' | 'repository' | 'tags' | 'layers'>): void {
  const wrong = !isRegistryHost(registry)
    ? registry
    : ([repository, ...layers.flatMap(({ mountFrom }) => mountFrom ?? [])].find(
        (name) => !isRepository(name),
      ) ?? tags.find((tag) => !isTag(tag)));
  if (wrong === undefined) return;
  throw new SlipwayError(
    'invalid_name',
    `${JSON.stringify(wrong)} cannot be pushed to: it is not a valid name`,
  );
}

/** The manifest must name exactly what is pushed with it. Returns its media type. */
function checkManifest({ manifest, config, layers }: ImagePush, where: string): string {
  const document = parseManifest(manifest, undefined, where);
  const named =
    document.kind === 'image'
      ? [document.manifest.config, ...document.manifest.layers].map(({ digest }) => digest)
      : [];
  const pushed = [digestOf(config), ...layers.map(({ descriptor }) => descriptor.digest)];
  if (named.length !== pushed.length || named.some((digest, i) => digest !== pushed[i])) {
    throw new SlipwayError('image_invalid', 'the manifest names other blobs than the ones pushed with it', {
      where,
    });
  }
  return document.mediaType;
}

function blobsOf({ layers, config }: ImagePush): Blob[] {
  const blobs = new Map<Digest, Blob>();
  for (const layer of layers) blobs.set(layer.descriptor.digest, layerBlob(layer));
  const digest = digestOf(config);
  blobs.set(digest, { digest, sizeBytes: config.length, content: { kind: 'bytes', bytes: config } });
  return [...blobs.values()];
}

function layerBlob({ descriptor, file, mountFrom, isThere = false }: PushLayer): Blob {
  return {
    digest: descriptor.digest,
    sizeBytes: descriptor.size,
    content: file === undefined ? { kind: 'none' } : { kind: 'file', file },
    mountFrom,
    isThere,
  };
}

/** A few at once; the first that fails stops the others, and none is still under way when this ends. */
async function uploadAll(
  transport: Transport,
  place: Place,
  blobs: readonly Blob[],
  force: boolean,
  progress: Progress,
  retries: RetryOptions,
): Promise<Set<Blob>> {
  const stop = new AbortController();
  const signal = retries.signal === undefined ? stop.signal : AbortSignal.any([retries.signal, stop.signal]);
  const context: UploadContext = {
    transport,
    place,
    retries: { ...retries, signal },
    signal,
    onProgress: (blob, bytes) => progress.set(blob, bytes),
  };
  const sent = new Set<Blob>();
  const waiting = [...blobs];
  const lane = async (): Promise<void> => {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
      signal.throwIfAborted();
      if ((await uploadBlob(context, blob, force)) === 'sent') sent.add(blob);
    }
  };
  const stopping = (error: unknown): never => {
    stop.abort(error);
    throw error;
  };
  const lanes = Array.from({ length: Math.min(BLOBS_AT_ONCE, blobs.length) }, () => lane().catch(stopping));
  await Promise.allSettled(lanes);
  signal.throwIfAborted();
  return sent;
}

async function put(
  transport: Transport,
  place: Place,
  name: string,
  manifest: Buffer,
  mediaType: string,
  where: string,
  retries: RetryOptions,
): Promise<void> {
  const answer = await transport.request(
    {
      place,
      method: 'PUT',
      target: `manifests/${name}`,
      headers: { 'content-type': mediaType },
      body: { bytes: manifest },
      actions: 'pull,push',
      expect: [200, 201, 202],
      where,
      missing: 'something that the manifest names',
      signal: retries.signal,
    },
    retries,
  );
  const stored = answer.header('docker-content-digest');
  const digest = digestOf(manifest);
  if (stored !== undefined && stored !== digest) {
    throw new SlipwayError(
      'image_invalid',
      `${place.registry} stored the manifest as ${stored} instead of ${digest}`,
      {
        where,
      },
    );
  }
}

/** The blobs that the registry misses after all; all of them if it does not say which. Undefined: another failure. */
function missingBlobs(error: unknown, blobs: readonly Blob[]): readonly Blob[] | undefined {
  if (!(error instanceof RegistryFault)) return undefined;
  const reasons = error.reasons.filter(
    ({ code }) => code === 'MANIFEST_BLOB_UNKNOWN' || code === 'BLOB_UNKNOWN',
  );
  if (reasons.length === 0) return undefined;
  const named = new Set(
    reasons.flatMap(({ detail }) => {
      const text = typeof detail === 'string' ? detail : (detail as { digest?: unknown } | undefined)?.digest;
      return typeof text === 'string' && isDigest(text) ? [text] : [];
    }),
  );
  const found = blobs.filter(({ digest }) => named.has(digest));
  return found.length > 0 ? found : blobs;
}

class Progress {
  readonly #totalBytes: number;
  readonly #report: ((progress: PushProgress) => void) | undefined;
  readonly #bytes = new Map<Blob, number>();
  #doneBytes = 0;

  constructor(blobs: readonly Blob[], report: ((progress: PushProgress) => void) | undefined) {
    this.#totalBytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.#report = report;
  }

  set(blob: Blob, bytes: number): void {
    this.#doneBytes += bytes - (this.#bytes.get(blob) ?? 0);
    this.#bytes.set(blob, bytes);
    this.#report?.({ doneBytes: this.#doneBytes, totalBytes: this.#totalBytes });
  }
}

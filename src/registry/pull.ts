/** From a reference to an image that is known by digest: mirrors first, then the registry itself. */
import { SlipwayError, toSlipwayError } from '../errors.js';
import { refuseForeign } from './blob.js';
import {
  type Descriptor,
  type DiffId,
  type Digest,
  digestOf,
  type ImageConfig,
  type Index,
  isDigest,
  type Manifest,
  MEDIA_TYPES,
  type Platform,
  parseImageConfig,
  parseManifest,
} from './image.js';
import { formatReference, type ImageReference, manifestName } from './reference.js';
import type { RetryOptions } from './retry.js';
import type { Place, Transport } from './transport.js';

/** Where an image was found; its blobs are there too. */
export interface ImageSource extends Place {
  /** Where to ask when this place fails meanwhile: a blob's digest is right wherever it comes from. */
  readonly otherwise?: ImageSource;
}

export interface ResolvedImage {
  readonly reference: ImageReference;
  /** Of the platform's own manifest. */
  readonly digest: Digest;
  /** Of the index, when the reference names one. */
  readonly indexDigest?: Digest;
  readonly manifest: Descriptor;
  /** The parsed manifest, and the bytes that `digest` names. */
  readonly document: Manifest;
  readonly manifestBytes: Buffer;
  readonly config: ImageConfig;
  /** Bottom first, one for each of `diffIds`. */
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly DiffId[];
  readonly source: ImageSource;
}

export interface WantedPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface Mirror {
  /** A registry as images name it: `docker.io`. */
  readonly from: string;
  /** `host[:port]`, or with a prefix for its repositories: `mirror.example.com/hub`. */
  readonly to: string;
}

export const MANIFEST_BYTES: number = 4 * 1024 * 1024;
const CONFIG_BYTES = 8 * 1024 * 1024;
/** Base images have some kilobytes, and an app's builds use few. */
const KNOWN_CONFIG_BYTES = 128 * 1024;
const KNOWN_CONFIGS = 64;
/** An index may hold an index (image-spec image-index.md). */
const INDEX_DEPTH = 3;
/** What a manifest may be, for the Accept header. */
export const MANIFEST_TYPES: string = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerList,
].join(', ');

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

/** What this machine runs. Architectures are named as Go does (image-spec image-index.md, "platform"). */
export function hostPlatform(): WantedPlatform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch };
}

/** The places to ask for a reference, in order. */
export function placesOf(reference: ImageReference, mirrors: readonly Mirror[]): ImageSource {
  const origin: ImageSource = { registry: reference.registry, repository: reference.repository };
  return mirrors
    .filter(({ from }) => from === reference.registry)
    .reduceRight<ImageSource>((otherwise, { to }) => {
      const [registry = '', ...prefix] = to.split('/');
      return { registry, repository: [...prefix, reference.repository].join('/'), otherwise };
    }, origin);
}

/** Configs by digest, which says all of what they are: the one of a base image is asked for by every build. */
export class KnownConfigs {
  readonly #configs = new Map<Digest, ImageConfig>();

  get(digest: Digest): ImageConfig | undefined {
    return this.#configs.get(digest);
  }

  add(digest: Digest, config: ImageConfig, sizeBytes: number): void {
    if (sizeBytes > KNOWN_CONFIG_BYTES) return;
    this.#configs.delete(digest);
    this.#configs.set(digest, config);
    const [oldest] = this.#configs.keys();
    if (this.#configs.size > KNOWN_CONFIGS && oldest !== undefined) this.#configs.delete(oldest);
  }
}

/** What a client asks with, whatever it asks for. */
export interface Asking {
  readonly transport: Transport;
  readonly mirrors: readonly Mirror[];
  readonly configs: KnownConfigs;
}

/** Asks each place in turn. The error names every place that was asked and what it said. */
export async function resolveImage(
  asking: Asking,
  reference: ImageReference,
  platform: WantedPlatform,
  signal?: AbortSignal,
): Promise<ResolvedImage> {
  return askInTurn(placesOf(reference, asking.mirrors), formatReference(reference), signal, (place) =>
    resolveAt(asking, reference, place, platform, signal),
  );
}

/** Calls `ask` with a place and then, while that fails, with each that it names otherwise. */
export async function askInTurn<T>(
  first: ImageSource,
  where: string,
  signal: AbortSignal | undefined,
  ask: (place: ImageSource) => Promise<T>,
): Promise<T> {
  const failures: { place: ImageSource; error: SlipwayError }[] = [];
  for (let place: ImageSource | undefined = first; place !== undefined; place = place.otherwise) {
    try {
      return await ask(place);
    } catch (error) {
      signal?.throwIfAborted();
      const known = toSlipwayError(error);
      // A full disk or a bug is no matter of the place.
      if (!isOfThePlace(known)) throw error;
      failures.push({ place, error: known });
    }
  }
  const last = failures.at(-1);
  if (last === undefined) throw new SlipwayError('internal', 'there was no place to ask', { where });
  if (failures.length === 1) throw last.error;
  const said = failures.map(
    ({ place, error }) => `  ${place.registry}/${place.repository}: ${error.message}`,
  );
  throw new SlipwayError(
    last.error.code,
    `none of the places that may have it could give it:\n${said.join('\n')}`,
    {
      where,
      temporary: failures.some(({ error }) => error.temporary),
      cause: last.error,
      hint: last.error.hint ?? 'check SLIPWAY_MIRRORS',
    },
  );
}

function isOfThePlace({ code }: SlipwayError): boolean {
  return (
    code === 'registry_unavailable' ||
    code === 'registry_denied' ||
    code === 'image_not_found' ||
    code === 'image_invalid'
  );
}

async function resolveAt(
  { transport, configs }: Asking,
  reference: ImageReference,
  source: ImageSource,
  platform: WantedPlatform,
  signal: AbortSignal | undefined,
): Promise<ResolvedImage> {
  const where = formatReference(reference);
  const retries = transport.retries(
    signal,
    source.otherwise === undefined ? undefined : transport.timing.mirrorTries,
  );
  let found = await fetchManifest(transport, source, manifestName(reference), where, retries);
  let indexDigest: Digest | undefined;
  for (let depth = 0; found.document.kind === 'index'; depth++) {
    if (depth >= INDEX_DEPTH) throw invalid(where, 'its indexes are nested too deep');
    indexDigest ??= found.digest;
    const chosen = choosePlatform(found.document.index, platform, where);
    found = await fetchManifest(transport, source, chosen.digest, where, retries);
  }
  const { manifest, mediaType } = found.document;
  for (const layer of manifest.layers) refuseForeign(layer, source);
  const known = configs.get(manifest.config.digest);
  const config = known ?? (await fetchConfig(transport, source, manifest.config, where, retries));
  if (known === undefined) configs.add(manifest.config.digest, config, manifest.config.size);
  if (config.diffIds.length !== manifest.layers.length) {
    throw invalid(where, `it has ${manifest.layers.length} layers but ${config.diffIds.length} diff ids`);
  }
  if (config.architecture !== '' && !fits(config, platform)) {
    throw wrongPlatform(where, platform, [platformName(config)]);
  }
  return {
    reference,
    digest: found.digest,
    ...(indexDigest === undefined ? {} : { indexDigest }),
    manifest: { mediaType, digest: found.digest, size: found.bytes.length },
    document: manifest,
    manifestBytes: found.bytes,
    config,
    layers: manifest.layers,
    diffIds: config.diffIds,
    source,
  };
}

/** A manifest by tag or digest, checked against the digest it was asked by and the one it was served with. */
async function fetchManifest(
  transport: Transport,
  place: Place,
  name: string,
  where: string,
  retries: RetryOptions,
): Promise<{ bytes: Buffer; digest: Digest; document: ReturnType<typeof parseManifest> }> {
  const answer = await transport.request(
    {
      place,
      method: 'GET',
      target: `manifests/${name}`,
      headers: { accept: MANIFEST_TYPES },
      actions: 'pull',
      expect: [200],
      where,
      missing: `the image ${place.repository}${isDigest(name) ? '@' : ':'}${name}`,
      maxBytes: MANIFEST_BYTES,
      signal: retries.signal,
    },
    retries,
  );
  const bytes = answer.body;
  const digest = digestOf(bytes);
  const served = answer.header('docker-content-digest');
  // Schema 1 is named by a digest of something else than its bytes; say what it is, not that its digest is wrong.
  const document = parseManifest(bytes, answer.header('content-type'), where);
  for (const expected of [isDigest(name) ? name : undefined, served]) {
    if (expected !== undefined && expected !== digest) {
      throw invalid(
        where,
        `${place.registry} sent a manifest with the digest ${digest} instead of ${expected}`,
      );
    }
  }
  return { bytes, digest, document };
}

async function fetchConfig(
  transport: Transport,
  place: Place,
  descriptor: Descriptor,
  where: string,
  retries: RetryOptions,
): Promise<ImageConfig> {
  if (descriptor.size > CONFIG_BYTES) {
    throw invalid(where, `its config has ${descriptor.size} bytes; the limit is ${CONFIG_BYTES}`);
  }
  const answer = await transport.request(
    {
      place,
      method: 'GET',
      target: `blobs/${descriptor.digest}`,
      actions: 'pull',
      expect: [200],
      where,
      missing: `the config ${descriptor.digest}`,
      maxBytes: descriptor.size,
      signal: retries.signal,
    },
    retries,
  );
  const digest = digestOf(answer.body);
  if (digest !== descriptor.digest) {
    throw invalid(
      where,
      `${place.registry} sent a config with the digest ${digest} instead of ${descriptor.digest}`,
    );
  }
  return parseImageConfig(answer.body, where);
}

function choosePlatform(index: Index, wanted: WantedPlatform, where: string): Descriptor {
  // Some tools leave the platform out of an index of one; its config says it then.
  const only = index.manifests.length === 1;
  const candidates = index.manifests.filter(({ platform }) =>
    platform === undefined ? only : fits(platform, wanted),
  );
  const plain = candidates.find(({ platform }) => (platform?.variant ?? '') === (wanted.variant ?? ''));
  const chosen = plain ?? candidates[0];
  if (chosen !== undefined) return chosen;
  // Attestations are listed as unknown/unknown.
  const named = index.manifests.flatMap(({ platform }) =>
    platform === undefined || platform.os === 'unknown' ? [] : [platformName(platform)],
  );
  throw wrongPlatform(where, wanted, [...new Set(named)]);
}

/** Without a variant the base one is meant: v8 for arm64, v1 for amd64; a higher one may not run here. */
function fits(
  has: { readonly os: string; readonly architecture: string; readonly variant?: string | undefined },
  wanted: WantedPlatform,
): boolean {
  if (has.os !== wanted.os || has.architecture !== wanted.architecture) return false;
  if (wanted.variant !== undefined) return (has.variant ?? wanted.variant) === wanted.variant;
  return has.architecture === 'arm' || ['', 'v1', 'v8'].includes(has.variant ?? '');
}

function platformName({
  os,
  architecture,
  variant,
}: Pick<Platform, 'os' | 'architecture' | 'variant'>): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

function wrongPlatform(where: string, wanted: WantedPlatform, has: readonly string[]): SlipwayError {
  const shown = has.length === 0 ? 'no platform at all' : has.slice(0, 20).join(', ');
  return new SlipwayError(
    'image_not_found',
    `${where} is no image for ${platformName(wanted)}; it is for ${shown}`,
    {
      where,
      hint: `use an image that is built for ${platformName(wanted)}`,
    },
  );
}

function invalid(where: string, message: string): SlipwayError {
  return new SlipwayError('image_invalid', message, { where });
}

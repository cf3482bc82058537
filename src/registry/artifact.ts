/**
 * Artifacts that are no images (OCI image-spec manifest.md, "Guidelines for Artifact Usage"): a manifest whose config is
 * a document of any kind. One place is asked, no mirror.
 */
import { SlipwayError } from '../errors.js';
import { type Descriptor, type Digest, digestOf, MEDIA_TYPES, parseManifest } from './image.js';
import { MANIFEST_BYTES } from './pull.js';
import { formatReference, isTag } from './reference.js';
import type { Place, Transport } from './transport.js';

export interface ArtifactRequest extends Place {
  readonly tag: string;
  /** Of the config: another one is `image_invalid`. */
  readonly configType: string;
  /** Bytes that the config may have. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Artifact {
  readonly digest: Digest;
  readonly config: Buffer;
  readonly layers: readonly Descriptor[];
}

/** The manifest of an artifact whose config is a document of the kind `type`: its bytes. */
export function artifactManifest(type: string, config: Buffer, layers: readonly Descriptor[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      artifactType: type,
      config: { mediaType: type, digest: digestOf(config), size: config.length },
      layers,
    }),
  );
}

/** Undefined when there is no such tag. Throws `image_invalid`, `registry_denied`, `registry_unavailable`. */
export async function fetchArtifact(
  transport: Transport,
  request: ArtifactRequest,
): Promise<Artifact | undefined> {
  const { registry, repository, tag, configType, maxBytes, signal } = request;
  if (!isTag(tag)) throw new SlipwayError('invalid_name', `${JSON.stringify(tag)} is not a tag`);
  const place: Place = { registry, repository };
  const where = formatReference({ registry, repository, tag });
  const retries = transport.retries(signal, 1);
  const common = { place, method: 'GET', actions: 'pull', where, signal } as const;
  const found = await transport.request(
    {
      ...common,
      target: `manifests/${tag}`,
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      expect: [200, 404],
      maxBytes: MANIFEST_BYTES,
    },
    retries,
  );
  if (found.status === 404) return undefined;
  const document = parseManifest(found.body, found.header('content-type'), where);
  if (document.kind !== 'image' || document.manifest.config.mediaType !== configType)
    throw new SlipwayError('image_invalid', `it is not of the kind ${configType}`, { where });
  const { config, layers } = document.manifest;
  if (config.size > maxBytes)
    throw new SlipwayError(
      'image_invalid',
      `its document has ${config.size} bytes; the limit is ${maxBytes}`,
      {
        where,
      },
    );
  const answer = await transport.request(
    {
      ...common,
      target: `blobs/${config.digest}`,
      expect: [200],
      missing: `the document ${config.digest}`,
      maxBytes: config.size,
    },
    retries,
  );
  const digest = digestOf(answer.body);
  if (digest !== config.digest)
    throw new SlipwayError(
      'image_invalid',
      `${registry} sent the digest ${digest} instead of ${config.digest}`,
      {
        where,
      },
    );
  return { digest: digestOf(found.body), config: answer.body, layers };
}

/** Is the blob in the repository? Throws `registry_denied`, `registry_unavailable`. */
export async function hasBlobAt(
  transport: Transport,
  place: Place,
  digest: Digest,
  signal?: AbortSignal,
): Promise<boolean> {
  const { registry, repository } = place;
  const head = await transport.request(
    {
      place: { registry, repository },
      method: 'HEAD',
      target: `blobs/${digest}`,
      actions: 'pull',
      expect: [200, 404],
      where: `${registry}/${repository}@${digest}`,
      signal,
    },
    transport.retries(signal, 1),
  );
  return head.status === 200;
}

/** Step 5 of a push's way: the built image into the registry. Only the digest counts from here on; tags are for people, and later. */
import type { Config } from '../config.js';
import { imageRepository } from '../model/image-repository.js';
import type { RegistryClient } from '../registry/client.js';
import { asDigest } from '../registry/image.js';
import type { PushedImage } from '../registry/push.js';
import type { Uploaded } from '../registry/upload.js';
import type { BuildResult } from './build-request.js';
import { inFamily } from './image.js';

/**
 * A base image's layers that nothing in the build needed are fetched only if the registry lacks them. `there`: layers that
 * were brought there during the build.
 */
export async function pushBuiltImage(
  config: Pick<Config, 'registry'>,
  registry: RegistryClient,
  { image, bases }: BuildResult,
  app: string,
  signal: AbortSignal,
  there: ReadonlyMap<string, Uploaded> = new Map(),
): Promise<PushedImage> {
  const pushed = await registry.pushImage({
    registry: config.registry.host,
    repository: imageRepository(app),
    layers: image.layers.map((layer) => ({
      descriptor: {
        mediaType: inFamily(layer.mediaType, 'oci'),
        digest: asDigest(layer.digest),
        size: layer.sizeBytes,
      },
      file: () => bases.blob(layer),
      mountFrom: bases.repositoryOf(layer, config.registry.host),
      isThere: there.has(layer.digest),
    })),
    config: image.config,
    manifest: image.manifest,
    tags: [],
    signal,
  });
  const layers = new Map(image.layers.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
  const early = [...layers]
    .filter(([digest]) => there.get(digest) === 'sent')
    .reduce((sum, [, sizeBytes]) => sum + sizeBytes, 0);
  return {
    ...pushed,
    pushedBytes: pushed.pushedBytes + early,
    skippedBytes: Math.max(0, pushed.skippedBytes - early),
  };
}

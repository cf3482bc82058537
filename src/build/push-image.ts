/** Step 5 of a push's way: the built image into the registry. Only the digest counts from here on; tags are for people, and later. */
import type { Config } from '../config.js';
import { imageRepository } from '../model/image-repository.js';
import type { RegistryClient } from '../registry/client.js';
import { asDigest } from '../registry/image.js';
import type { PushedImage } from '../registry/push.js';
import type { BuildResult } from './build-request.js';
import { inFamily } from './image.js';

/** A base image's layers that nothing in the build needed are fetched only if the registry lacks them. */
export async function pushBuiltImage(
  config: Pick<Config, 'registry'>,
  registry: RegistryClient,
  { image, bases }: BuildResult,
  app: string,
  signal: AbortSignal,
): Promise<PushedImage> {
  return registry.pushImage({
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
    })),
    config: image.config,
    manifest: image.manifest,
    tags: [],
    signal,
  });
}

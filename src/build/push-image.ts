/** Step 7 of a push's way: the built image into the registry. Only the digest counts from here on; the tags are for people. */
import type { Config } from '../config.js';
import type { RegistryClient } from '../registry/client.js';
import type { BuilderStore } from './builder-store.js';
import { type BuiltImage, ociLayerType } from './image.js';

export interface PushTools {
  readonly config: Pick<Config, 'registry'>;
  readonly registry: RegistryClient;
  readonly builderStore: BuilderStore;
}

export async function pushBuiltImage(
  tools: PushTools,
  app: string,
  buildId: string,
  commit: string,
  image: BuiltImage,
  signal: AbortSignal,
): Promise<{ pushedBytes: number; skippedBytes: number }> {
  const { config, registry, builderStore } = tools;
  return registry.pushImage({
    registry: config.registry.host,
    repository: `apps/${app}`,
    layers: image.layers.map((layer) => ({
      descriptor: { mediaType: ociLayerType(layer.mediaType), digest: layer.digest, size: layer.sizeBytes },
      file: builderStore.blobs.path(layer.digest),
    })),
    config: image.config,
    manifest: image.manifest,
    tags: [`git-${commit.slice(0, 12)}`, buildId],
    signal,
  });
}

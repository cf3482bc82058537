/** Finished images into registries: the blobs, the images' manifests, and last the index of several. */
import { SlipwayError } from '../errors.js';
import type { RegistryClient } from '../registry/client.js';
import { asDigest } from '../registry/image.js';
import type { PushProgress } from '../registry/push.js';
import { parseReference } from '../registry/reference.js';
import type { Bundle } from './bundle.js';
import type { ExportableImage } from './exportable.js';
import { type Family, inFamily } from './media-types.js';

export interface PushOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PushProgress) => void;
}

interface Target {
  readonly registry: string;
  readonly repository: string;
  readonly tags: string[];
}

/** `names` are full references. Throws as `RegistryClient.pushImage` does, and `bad_request` without a name. */
export async function pushBuilt(
  registry: RegistryClient,
  bundle: Bundle,
  family: Family,
  names: readonly string[],
  options: PushOptions,
): Promise<void> {
  if (names.length === 0)
    throw new SlipwayError('bad_request', 'there is no name to push the image under', {
      hint: 'name it: --tag registry.example.com/shop:v1',
    });
  for (const target of targetsOf(names)) {
    // The tags name the image only when all that they lead to is there.
    const tags = bundle.index === undefined ? target.tags : [];
    for (const image of bundle.images) await pushOne(registry, image, family, { ...target, tags }, options);
    for (const tag of bundle.index === undefined ? [] : target.tags) {
      await registry.tag({
        registry: target.registry,
        repository: target.repository,
        manifest: bundle.index as Buffer,
        tag,
        signal: options.signal,
      });
    }
  }
}

/** The names of one repository together: its blobs are looked for once. */
function targetsOf(names: readonly string[]): readonly Target[] {
  const targets = new Map<string, Target>();
  for (const name of names) {
    const { registry, repository, tag, digest } = parseReference(name);
    if (digest !== undefined)
      throw new SlipwayError('invalid_name', `${name} cannot be pushed to: it names a digest`, {
        hint: 'push to a tag',
      });
    const key = `${registry}/${repository}`;
    const target = targets.get(key) ?? { registry, repository, tags: [] };
    target.tags.push(tag ?? 'latest');
    targets.set(key, target);
  }
  return [...targets.values()];
}

async function pushOne(
  client: RegistryClient,
  { image, blob, repositoryOf }: ExportableImage,
  family: Family,
  target: Target,
  { signal, onProgress }: PushOptions,
): Promise<void> {
  await client.pushImage({
    ...target,
    layers: image.layers.map((layer) => ({
      descriptor: {
        mediaType: inFamily(layer.mediaType, family),
        digest: asDigest(layer.digest),
        size: layer.sizeBytes,
      },
      file: () => blob(layer),
      mountFrom: repositoryOf?.(layer, target.registry),
    })),
    config: image.config,
    manifest: image.manifest,
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

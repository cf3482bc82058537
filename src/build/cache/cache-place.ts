/** Where in a registry builders share what they have: an artifact with a tag. */
import { imageRepository } from '../../model/image-repository.js';

export interface CachePlace {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

/** The steps of an app. */
export function cachePlaceOf(app: string, registryHost: string): CachePlace {
  return { registry: registryHost, repository: imageRepository(app), tag: 'slipway-cache' };
}

/** The cache mounts of an app. */
export function cacheMountsPlaceOf(app: string, registryHost: string): CachePlace {
  return { registry: registryHost, repository: imageRepository(app), tag: 'cache-mounts' };
}

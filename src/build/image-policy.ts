/**
 * Which images a build may read: a Dockerfile is written by whoever may push, and the builder asks registries with the
 * platform's own credentials and from the platform's own network. Pure.
 */
import type { Config } from '../config.js';
import { SlipwayError } from '../errors.js';
import { belongsToAnApp, imageRepository } from '../model/image-repository.js';
import { isThisMachine } from '../registry/hosts.js';
import { placesOf } from '../registry/pull.js';
import { formatReference, type ImageReference } from '../registry/reference.js';

/** Throws `registry_denied` for an image that the build may not read. */
export type ImagePolicy = (reference: ImageReference) => void;

/** An app reads what its operator's registries hold, but neither other apps' images nor what was in volumes, and no other service of this machine. */
export function appImagePolicy(
  config: Pick<Config, 'registry' | 'mirrors' | 'insecureRegistries'>,
  app: string,
): ImagePolicy {
  const mirrorHosts = config.mirrors.map((mirror) => mirror.to.split('/')[0] ?? '');
  const known = new Set([config.registry.host, ...mirrorHosts, ...config.insecureRegistries]);
  return (reference) => {
    const name = formatReference(reference);
    if (isThisMachine(new URL(`http://${reference.registry}`)) && !known.has(reference.registry)) {
      throw new SlipwayError('registry_denied', `images may not be read from ${reference.registry}`, {
        hint: 'it is an address of the platform itself; push the image to a registry that the platform reads from',
      });
    }
    // A mirror may be the platform's own registry, under another name.
    for (
      let place: ReturnType<typeof placesOf> | undefined = placesOf(reference, config.mirrors);
      place !== undefined;
      place = place.otherwise
    ) {
      const isOurs = place.registry === config.registry.host;
      if (isOurs && belongsToAnApp(place.repository) && place.repository !== imageRepository(app)) {
        throw new SlipwayError('registry_denied', `${name} belongs to another app`, {
          hint: 'copy the image to a repository outside of apps/',
        });
      }
    }
  };
}

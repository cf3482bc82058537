/** The registry client of a local build: docker's credentials, the mirrors and plain-text hosts of options and settings. */
import type { Config } from '../config.js';
import { RegistryClient } from '../registry/client.js';
import { parseReference } from '../registry/reference.js';
import { dockerCredentials } from './credentials.js';
import type { LocalBuild } from './options.js';

/** `writes` are references whose registries may be written to. */
export function registryClient(
  build: Pick<LocalBuild, 'mirrors' | 'insecureRegistries'>,
  writes: readonly string[],
  config: Config,
  env: NodeJS.ProcessEnv,
): RegistryClient {
  const { host, username, password } = config.registry;
  return new RegistryClient({
    credentials: username === undefined ? {} : { [host]: { username, password: password ?? '' } },
    lookUp: dockerCredentials(env),
    insecure: [...build.insecureRegistries, ...config.insecureRegistries],
    mirrors: [...build.mirrors, ...config.mirrors],
    pushAllowed: [...new Set(writes.map((reference) => parseReference(reference).registry))],
  });
}

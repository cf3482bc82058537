/** The hosts that a rollout and the reconciler work on, each with the engine behind it. Where they come from is hosts/. */
import { SlipwayError } from '../src/errors.js';
import { LOCAL_HOST } from '../src/model/host.js';
import type { SwarmTarget } from './swarm/target.js';
import type { DockerTarget } from './targets/docker.js';
import type { Target } from './targets/target.js';

export interface Host {
  readonly name: string;
  readonly target: Target & (DockerTarget | SwarmTarget);
}

export interface Hosts {
  /** All that are known now, reachable or not, by name. */
  list(): Promise<readonly Host[]>;
  /** Throws `not_found`. */
  get(name: string): Promise<Host>;
}

/** Only the engine of DOCKER_HOST. */
export function oneHost(target: DockerTarget, name: string = LOCAL_HOST): Hosts {
  const host = { name, target };
  return {
    list: async () => [host],
    get: async (wanted) => {
      if (wanted === name) return host;
      throw new SlipwayError('not_found', `there is no host ${JSON.stringify(wanted.slice(0, 60))}`, {
        hint: 'see: slipway hosts',
      });
    },
  };
}

/** The hosts that a rollout and the reconciler work on, each with the engine behind it. Where they come from is hosts/. */
import { isSwarm, type SwarmTarget } from './swarm/target.js';
import type { DockerTarget } from './targets/docker.js';
import type { Target } from './targets/target.js';

export interface Host {
  readonly name: string;
  readonly target: Target & (DockerTarget | SwarmTarget);
}

/** A host that runs single containers, which a Swarm does not. */
export interface EngineHost extends Host {
  readonly target: Target & DockerTarget;
}

export function isEngine(host: Host): host is EngineHost {
  return !isSwarm(host.target);
}

export interface Hosts {
  /** All that are known now, reachable or not, by name. */
  list(): Promise<readonly Host[]>;
  /** Throws `not_found`. */
  get(name: string): Promise<Host>;
}

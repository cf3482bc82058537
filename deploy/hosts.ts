/** The hosts that a rollout and the reconciler work on, each with the engine behind it. Where they come from is hosts/. */
import type { DockerTarget } from './targets/docker.js';

export interface Host {
  readonly name: string;
  readonly target: DockerTarget;
}

export interface Hosts {
  /** All that are known now, reachable or not, by name. */
  list(): Promise<readonly Host[]>;
  /** Throws `not_found`. */
  get(name: string): Promise<Host>;
}

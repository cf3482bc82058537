/** The nouns that a target speaks in: the image it has, the container it runs, and what is left to say of a dead one. */
import type { ProcessResources, ReleaseImage } from '../../src/model/release.js';
import type { ContentMount } from '../../src/model/volume.js';
import type { Address, Instance } from '../names.js';

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface Container {
  /** Name of the host that it runs on. */
  readonly host: string;
  readonly id: string;
  readonly name: string;
  readonly app: string;
  readonly release: number;
  /** The id of the deployment that made the release; this, not the number, says whose container it is. */
  readonly deployment: string;
  readonly instance: Instance;
  readonly state: ContainerState;
  /** Where the edge reaches it, as soon as it runs. */
  readonly address?: Address;
  /** What it has in its volumes, sorted; absent when it has none. */
  readonly contents?: readonly string[];
}

/** For a container on the manager of a Swarm: what the app's services have there. */
export interface InSwarm {
  /** Their network, instead of the platform's own on that engine. */
  readonly network: string;
  /** What lies in /run/secrets, by name. */
  readonly files: ReadonlyMap<string, string>;
}

/** What to start. Everything but the image and the variables follows from the release. */
export interface ContainerSpec {
  readonly app: string;
  readonly release: number;
  readonly deployment: string;
  readonly instance: Instance;
  readonly image: ReleaseImage;
  /** The app's config, in clear. */
  readonly env: Readonly<Record<string, string>>;
  /** Instead of the image's own command. */
  readonly command?: readonly string[];
  /** The engine restarts it from its start on; else when `keep` is called. */
  readonly isKept?: boolean;
  readonly resources?: ProcessResources;
  readonly mounts?: readonly ContentMount[];
  readonly inSwarm?: InSwarm;
}

/** What to start for one command: a release's image and config, and nothing that serves. */
export interface OneOffSpec {
  readonly app: string;
  readonly release: number;
  /** `run.482913`. */
  readonly name: string;
  readonly image: ReleaseImage;
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly hasTerminal: boolean;
  readonly resources?: ProcessResources;
  readonly mounts?: readonly ContentMount[];
  readonly inSwarm?: InSwarm;
  /** Who asked for it. */
  readonly by: string;
  /** The process that is attached to it; without one it is detached. */
  readonly follower?: string;
  /** Who begins it looks for its name first: when nobody knows whether it has started, it is left to that. */
  readonly isLookedFor?: boolean;
}

/** A one-off container as it is found on a host. */
export interface OneOff {
  readonly host: string;
  readonly id: string;
  readonly app: string;
  readonly release: number;
  readonly name: string;
  readonly state: ContainerState;
  readonly by: string;
  readonly follower?: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

export interface Healthcheck {
  /** As argv; a check by shell is `/bin/sh -c …` inside the container. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
}

/** How a container looks at one moment. */
export interface Inspection {
  readonly state: ContainerState;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Why the engine could not start it, else empty. */
  readonly error: string;
  /** The container's port that the app should listen on, and whether the image says so by EXPOSE. */
  readonly port: number;
  readonly portIsExposed: boolean;
  /** How often the engine started it again by itself. */
  readonly restarts: number;
  /** ISO 8601; absent when it never started. */
  readonly startedAt?: string;
  /** ISO 8601; absent when it never ended. */
  readonly finishedAt?: string;
  readonly healthcheck?: Healthcheck;
  readonly health?: { readonly status: string; readonly lastOutput: string };
}

export interface ContainerEvent {
  readonly id: string;
  readonly app: string;
  /** `moved`: a Swarm has started another one by itself. */
  readonly action: 'start' | 'die' | 'oom' | 'destroy' | 'healthy' | 'unhealthy' | 'moved';
}

/**
 * What the rollout, the reconciler and `ps` ask of whatever runs a host's containers: one Docker Engine (docker.ts), or a Docker
 * Swarm by one of its managers (deploy/swarm). Only how containers are started is not the same, see instances.ts: an engine is
 * told container by container, a Swarm service by service (decision 39).
 */
import type { Readable } from 'node:stream';
import type { ReleaseImage } from '../../src/model/release.js';
import type { Container, ContainerEvent, Inspection } from './container.js';
import type { CallOptions, Engine } from './engine.js';
import type { LogStreamOptions } from './log-stream.js';

export interface Target {
  /** The host's name. */
  readonly host: string;
  readonly engine: Engine;
  /** Its containers are reached on published ports, which take connections whether the app listens or not. */
  readonly publishes: boolean;
  /** Whether `execute` can be called; where not, it runs the command checks of a release itself. */
  readonly executes: boolean;

  /** Throws `engine_unavailable` when it does not answer. */
  ping(options: CallOptions): Promise<void>;
  /** False when it had the image already. Throws `image_not_found`, `registry_…`, `engine_…`. */
  pull(image: ReleaseImage, options?: { signal?: AbortSignal }): Promise<boolean>;
  has(image: ReleaseImage): Promise<boolean>;
  /** Never a tag (invariant 4). */
  reference(image: ReleaseImage): string;

  /** The platform's containers, of one app or of all, running or not. */
  list(app?: string, options?: CallOptions): Promise<Container[]>;
  /** Throws `not_found`. */
  get(id: string, options?: CallOptions): Promise<Container>;
  inspect(id: string, options?: CallOptions): Promise<Inspection>;
  /** What happens to the platform's containers from the moment this resolves; ends or throws when the stream does. */
  events(signal: AbortSignal): Promise<AsyncIterable<ContainerEvent>>;
  /** Oldest first. Empty when it wrote nothing or is gone. */
  lastLines(id: string, count: number, options?: CallOptions): Promise<string[]>;
  logs(id: string, options: LogStreamOptions): Promise<Readable>;
  /** Runs argv in the container, as its health check. Only where `inspect` names one. */
  execute(
    id: string,
    argv: readonly string[],
    options?: CallOptions,
  ): Promise<{ exitCode: number; output: string }>;

  /** Starts a container that stopped. False when that cannot be. */
  restart(id: string, options?: CallOptions): Promise<boolean>;
  /** From here on it is started again by itself. */
  keep(id: string, options?: CallOptions): Promise<void>;
  /** With a grace to end what it does. Resolves when it is gone. */
  stop(id: string, graceMs: number, options?: CallOptions): Promise<void>;
  /** Without one. */
  remove(id: string, options?: CallOptions): Promise<void>;
}

/**
 * Where single commands run: in the engine of a host, and for a Swarm in the engine of its manager. There a command has what the
 * app's services have: their network, and the files of its secrets. See decision 49.
 */
import { whileItAnswers } from './answering.js';
import type { Host, Hosts } from './hosts.js';
import { surroundingsOf } from './swarm/secrets.js';
import { isSwarm } from './swarm/target.js';
import type { InSwarm } from './targets/container.js';
import type { DockerTarget } from './targets/docker.js';
import type { CallOptions } from './targets/engine.js';

export function commandEngine({ target }: Pick<Host, 'target'>): DockerTarget {
  return isSwarm(target) ? target.manager : target;
}

/** `withTargetOf` for a container of a single command. */
export async function withCommandEngine<T>(
  hosts: Hosts,
  { host }: { readonly host: string },
  work: (engine: DockerTarget, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const engine = commandEngine(await hosts.get(host));
  return whileItAnswers(engine, undefined, (signal) => work(engine, signal));
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  readonly inSwarm?: InSwarm;
}

/** What a command finds of the app's config there. Throws `conflict` for a network that takes no single containers. */
export async function commandSurroundings(
  { target }: Pick<Host, 'target'>,
  app: string,
  config: Readonly<Record<string, string>>,
  options: CallOptions,
): Promise<Surroundings> {
  if (!isSwarm(target)) return { env: config };
  const { env, files } = surroundingsOf(config);
  return { env, inSwarm: { network: await target.ensureAttachable(app, options), files } };
}

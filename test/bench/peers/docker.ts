/**
 * `docker build` with BuildKit and `docker push`: against an engine of its own, or one whose socket is given. The client is
 * Debian's, which has BuildKit's client built in, unless SLIPWAY_BENCH_DOCKER_CLIENT names another.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dockerMissing, startDocker } from '../../support/docker.js';
import { processIds } from '../measure/processes.js';
import { type Contender, type PublishedImage, TAG, type Work } from './contender.js';
import { execute } from './execute.js';

const CLIENT = process.env.SLIPWAY_BENCH_DOCKER_CLIENT ?? '/usr/bin/docker';

/** Why it cannot take part, and what helps; undefined when it can. */
export function dockerPeerMissing(socket?: string): string | undefined {
  if (!existsSync(CLIENT)) return `${CLIENT} is not there: apt-get install --no-install-recommends docker.io`;
  if (socket !== undefined) return existsSync(socket) ? undefined : `there is no socket ${socket}`;
  const missing = dockerMissing();
  return missing === undefined
    ? undefined
    : `${missing}: apt-get install --no-install-recommends docker.io, and run as root`;
}

export interface DockerPeer extends Contender {
  /** As DOCKER_HOST wants it. */
  readonly host: string;
  /** The program. */
  readonly client: string;
  docker(...args: string[]): Promise<string>;
}

/** A new engine, with data of its own. */
export async function startDockerPeer(registry: string): Promise<DockerPeer> {
  const engine = await startDocker();
  const home = engine.host.slice('unix://'.length, -'/docker.sock'.length);
  const pid = Number(await readFile(join(home, 'pid'), 'utf8'));
  const place = { host: engine.host, name: 'docker', daemons: [pid], mayEmpty: true };
  return dockerAt(place, registry, () => engine.stop());
}

/** An engine that somebody else has started. `mayEmpty`: its images and its build cache may be removed. */
export function useDocker(socket: string, registry: string, mayEmpty: boolean): Promise<DockerPeer> {
  const place = { host: `unix://${socket}`, name: 'docker-given', daemons: listeners(socket), mayEmpty };
  return dockerAt(place, registry, async () => {});
}

interface Engine {
  readonly host: string;
  readonly name: string;
  readonly daemons: readonly number[];
  readonly mayEmpty: boolean;
}

async function dockerAt(
  { host, name, daemons, mayEmpty }: Engine,
  registry: string,
  stop: () => Promise<void>,
): Promise<DockerPeer> {
  const docker = (...args: string[]): Promise<string> =>
    execute(CLIENT, ['-H', host, ...args], { env: { DOCKER_BUILDKIT: '1' } });
  const image = ({ app }: Work): string => `${registry}/${name}/${app}:${TAG}`;
  const version = await docker('version', '--format', '{{.Server.Version}}');
  return {
    name,
    host,
    client: CLIENT,
    docker,
    version: `docker ${version} with BuildKit`,
    mayEmpty,
    daemons: () => daemons,
    prepare: async () => {},
    async build(work) {
      const cache = work.noCache ? ['--no-cache'] : [];
      await docker('build', ...cache, '--quiet', `--tag=${image(work)}`, work.project.directory);
      if (work.push) await docker('push', '--quiet', image(work));
      return undefined;
    },
    async publish(work): Promise<PublishedImage> {
      if (!work.push) await docker('push', '--quiet', image(work));
      return { repository: `${name}/${work.app}`, reference: TAG };
    },
    async empty() {
      const ids = (await docker('image', 'ls', '--all', '--quiet')).split('\n').filter((id) => id !== '');
      if (ids.length > 0) await docker('image', 'rm', '--force', ...new Set(ids));
      await docker('builder', 'prune', '--all', '--force');
    },
    stop,
  };
}

/** Whoever has a socket at that path open; empty when they cannot be seen from here. */
function listeners(path: string): number[] {
  const inodes = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[7] === path)
    .map((fields) => `socket:[${fields[6]}]`);
  return processIds().filter((pid) => openFiles(pid).some((file) => inodes.includes(file)));
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

/** Everything that a run starts: the registry with the base images, ours, and the peers that are installed; and its end. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRegistry } from '../support/registry.js';
import type { BenchOptions } from './options.js';
import { startOurBuilder } from './ours/builder.js';
import { startOurCommand } from './ours/command.js';
import { buildahMissing, startBuildah } from './peers/buildah.js';
import type { Contender } from './peers/contender.js';
import { type DockerPeer, dockerPeerMissing, startDockerPeer, useDocker } from './peers/docker.js';
import { pushPlain } from './workloads/bases.js';

export interface Setting {
  readonly home: string;
  readonly registry: string;
  readonly version: string;
  /** Ours, ours as a command, then the peers. */
  readonly contenders: readonly Contender[];
  /** The engine of its own; undefined when it takes no part. */
  readonly docker: DockerPeer | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What is needed whoever takes part: by program, what it comes with. */
const NEEDED: Readonly<Record<string, string>> = {
  '/bin/busybox': 'apt-get install --no-install-recommends busybox-static',
  '/usr/bin/docker-registry': 'apt-get install --no-install-recommends docker-registry',
  '/usr/bin/cc': 'apt-get install --no-install-recommends gcc libc6-dev',
};

/** Throws an Error that says what is missing, and how to get it. */
export async function startSetting(options: BenchOptions, say: (text: string) => void): Promise<Setting> {
  if (process.getuid?.() !== 0) throw new Error('building images needs root: sudo npm run bench');
  for (const [program, how] of Object.entries(NEEDED))
    if (!existsSync(program)) throw new Error(`${program} is not there: ${how}`);
  const stops: (() => Promise<void>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse())
      await stop().catch((error: Error) => say(`could not be stopped: ${error.message}`));
  };
  try {
    const home = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
    stops.push(() => rm(home, { recursive: true, force: true }));
    const { host: registry, stop } = await startRegistry();
    stops.push(stop);
    await pushPlain(registry);
    const version = ourVersion();
    const contenders: Contender[] = [];
    const joins = (contender: Contender): void => {
      stops.push(() => contender.stop());
      contenders.push(contender);
    };
    const { profiles } = options;
    const ours = {
      home: join(home, 'ours'),
      registry,
      version,
      ...(profiles === undefined ? {} : { profiles }),
    };
    joins(await startOurBuilder(ours));
    joins(await startOurCommand(join(home, 'command'), registry, version));
    const docker = await startDockers(options, registry, joins, say);
    if (options.peers.includes('buildah')) {
      const missing = buildahMissing();
      if (missing === undefined) joins(await startBuildah(join(home, 'buildah'), registry));
      else say(`without buildah: ${missing}`);
    }
    return { home, registry, version, contenders, docker, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function startDockers(
  { peers, dockerSocket, mayEmpty }: BenchOptions,
  registry: string,
  joins: (contender: Contender) => void,
  say: (text: string) => void,
): Promise<DockerPeer | undefined> {
  let own: DockerPeer | undefined;
  if (peers.includes('docker')) {
    const missing = dockerPeerMissing();
    if (missing === undefined) {
      own = await startDockerPeer(registry);
      joins(own);
    } else say(`without docker: ${missing}`);
  }
  if (dockerSocket !== undefined) {
    const missing = dockerPeerMissing(dockerSocket);
    if (missing !== undefined) throw new Error(missing);
    joins(await useDocker(dockerSocket, registry, mayEmpty));
  }
  return own;
}

function ourVersion(): string {
  try {
    const args = ['-C', import.meta.dirname, 'rev-parse', '--short=12', 'HEAD'];
    return `slipway ${execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()}`;
  } catch {
    return 'slipway';
  }
}

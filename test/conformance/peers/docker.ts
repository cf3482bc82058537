/**
 * `docker build` with BuildKit: an engine of its own, or the one at SLIPWAY_CONFORMANCE_DOCKER (a DOCKER_HOST), which
 * may be newer. The client is SLIPWAY_CONFORMANCE_DOCKER_CLIENT or the one that comes with Debian's engine: it has
 * BuildKit's client built in.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dockerMissing, startDocker } from '../../support/docker.js';
import type { Case } from '../case.js';
import type { CaseContext } from '../context.js';
import { readSaved } from '../image.js';
import { type Builder, buildOptions, execute, type Outcome } from './peer.js';

const CLIENT = process.env.SLIPWAY_CONFORMANCE_DOCKER_CLIENT ?? '/usr/bin/docker';

/** Why it cannot run here, or undefined. */
export function dockerPeerMissing(): string | undefined {
  if (!existsSync(CLIENT)) return `${CLIENT} is not installed`;
  return process.env.SLIPWAY_CONFORMANCE_DOCKER === undefined ? dockerMissing() : undefined;
}

export async function startDockerPeer(): Promise<Builder> {
  const given = process.env.SLIPWAY_CONFORMANCE_DOCKER;
  const engine = given === undefined ? await startDocker() : undefined;
  const host = engine?.host ?? given ?? '';
  const home = await mkdtemp(join(tmpdir(), 'slipway-conformance-'));
  const docker = (args: readonly string[]): ReturnType<typeof execute> =>
    execute(CLIENT, ['-H', host, ...args], { DOCKER_BUILDKIT: '1' });
  let builds = 0;

  const build = async (one: Case, context: CaseContext): Promise<Outcome> => {
    builds += 1;
    const tag = `slipway-conformance:${process.pid}-${builds}`;
    // Without its cache: a result of another case proves nothing.
    const options = ['--no-cache', '--progress=plain', `--tag=${tag}`, ...buildOptions(one, context)];
    const ran = await docker(['build', ...options, context.directory]);
    if (ran.code !== 0) return { kind: 'failed', said: ran.stderr.slice(-1500) };
    const path = join(home, 'saved.tar');
    const saved = await docker(['save', `--output=${path}`, tag]);
    if (saved.code !== 0) throw new Error(`docker save: ${saved.stderr}`);
    const image = readSaved(await readFile(path));
    await docker(['image', 'rm', '--force', tag]);
    return { kind: 'built', image };
  };
  return {
    name: 'docker',
    build,
    async stop() {
      await rm(home, { recursive: true, force: true });
      await engine?.stop();
    },
  };
}

/** `buildah build` with a storage of its own. In docker's format, because OCI's has no HEALTHCHECK, SHELL and ONBUILD. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from '../case.js';
import type { CaseContext } from '../context.js';
import { readDirectory } from '../image.js';
import { type Builder, buildOptions, execute, type Outcome, type Ran } from './peer.js';

const PROGRAM = '/usr/bin/buildah';

/** Why it cannot run here, or undefined. */
export function buildahMissing(): string | undefined {
  if (!existsSync(PROGRAM)) return 'buildah is not installed';
  return process.getuid?.() === 0 ? undefined : 'buildah needs root';
}

export async function startBuildah(): Promise<Builder> {
  const home = await mkdtemp(join(tmpdir(), 'slipway-conformance-'));
  await mkdir(join(home, 'run'));
  const storage = [`--root=${home}/root`, `--runroot=${home}/run`, '--storage-driver=overlay'];
  const buildah = (args: readonly string[]): Promise<Ran> => execute(PROGRAM, [...storage, ...args]);
  let builds = 0;

  const build = async (one: Case, context: CaseContext): Promise<Outcome> => {
    builds += 1;
    const tag = `conformance-${builds}`;
    const options = [
      '--isolation=chroot',
      '--layers=false',
      '--format=docker',
      '--identity-label=false',
      '--tls-verify=false',
      `--tag=${tag}`,
    ];
    const args = ['bud', ...options, ...buildOptions(one, context), context.directory];
    let ran = await buildah(args);
    // A race of buildah with itself when it copies its own program, which a busy machine loses now and then.
    if (ran.stderr.includes('sealing memfd copy')) ran = await buildah(args);
    if (ran.code !== 0) return { kind: 'failed', said: ran.stderr.slice(-1500) };
    const output = join(home, 'image');
    const pushed = await buildah(['push', '--quiet', '--', tag, `dir:${output}`]);
    if (pushed.code !== 0) throw new Error(`buildah push: ${pushed.stderr}`);
    const image = await readDirectory(output);
    await rm(output, { recursive: true, force: true });
    await buildah(['rmi', '--force', '--', tag]);
    return { kind: 'built', image };
  };
  return {
    name: 'buildah',
    build,
    async stop() {
      await buildah(['rm', '--all']);
      await execute('umount', ['-l', join(home, 'root', 'overlay')]);
      await rm(home, { recursive: true, force: true });
    },
  };
}

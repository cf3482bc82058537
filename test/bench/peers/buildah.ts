/** `buildah build` with its layer cache, and `buildah push`, with a storage of its own. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Contender, type PublishedImage, TAG, type Work } from './contender.js';
import { execute } from './execute.js';

const PROGRAM = '/usr/bin/buildah';

/** Why it cannot take part, and what helps; undefined when it can. */
export function buildahMissing(): string | undefined {
  if (!existsSync(PROGRAM)) return `${PROGRAM} is not there: apt-get install --no-install-recommends buildah`;
  return process.getuid?.() === 0 ? undefined : 'buildah needs root here';
}

/** `home` is a new directory that the caller removes. */
export async function startBuildah(home: string, registry: string): Promise<Contender> {
  await mkdir(join(home, 'run'), { recursive: true });
  const storage = [`--root=${home}/root`, `--runroot=${home}/run`, '--storage-driver=overlay'];
  const buildah = async (...args: string[]): Promise<string> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await execute(PROGRAM, [...storage, ...args]);
      } catch (error) {
        // A race of buildah with itself when it copies its own program, which a busy machine loses now and then.
        if (attempt === 3 || !(error as Error).message.includes('sealing memfd copy')) throw error;
      }
    }
  };
  const name = 'buildah';
  const image = ({ app }: Work): string => `localhost/${app}:${TAG}`;
  const push = (work: Work): Promise<string> =>
    buildah('push', '--quiet', '--tls-verify=false', image(work), target(work));
  const target = ({ app }: Work): string => `docker://${registry}/${name}/${app}:${TAG}`;
  const version = (await buildah('--version')).replace(/^buildah version (\S+).*/, 'buildah $1');
  const unmount = (): Promise<unknown> =>
    execute('umount', ['-l', join(home, 'root', 'overlay')]).catch(() => undefined);
  return {
    name,
    version,
    mayEmpty: true,
    daemons: () => [],
    prepare: async () => {},
    async build(work) {
      const cache = work.noCache ? '--no-cache' : '--layers';
      // Without a container engine's network and without a runtime: the fastest isolation that it has.
      const how = ['--isolation=chroot', '--tls-verify=false', '--identity-label=false', '--quiet'];
      await buildah('build', cache, ...how, `--tag=${image(work)}`, work.project.directory);
      if (work.push) await push(work);
      return undefined;
    },
    async publish(work): Promise<PublishedImage> {
      if (!work.push) await push(work);
      return { repository: `${name}/${work.app}`, reference: TAG };
    },
    async empty() {
      await buildah('rmi', '--all', '--force');
    },
    async stop() {
      await buildah('rm', '--all').catch(() => undefined);
      await unmount();
      await rm(home, { recursive: true, force: true });
    },
  };
}

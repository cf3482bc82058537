/** Ours as a command: `slipway build`, process start included. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Contender, type PublishedImage, TAG, type Work } from '../peers/contender.js';
import { execute } from '../peers/execute.js';
import { ownEnvironment } from './builder.js';

const PROGRAM = join(import.meta.dirname, '../../../../bin/slipway');

export async function startOurCommand(home: string, registry: string, version: string): Promise<Contender> {
  await mkdir(home, { recursive: true });
  const store = join(home, 'store');
  const env = { ...ownEnvironment(), HOME: home };
  const name = 'command';
  const image = ({ app }: Work): string => `${registry}/${name}/${app}:${TAG}`;
  const build = async (work: Work, push: boolean): Promise<void> => {
    const options = [
      `--store=${store}`,
      '--progress=quiet',
      `--tag=${image(work)}`,
      ...(push ? ['--push'] : []),
      ...(work.noCache ? ['--no-cache'] : []),
    ];
    await execute(process.execPath, [PROGRAM, 'build', ...options, work.project.directory], { env });
  };
  return {
    name,
    version: `${version}, as a command`,
    mayEmpty: true,
    daemons: () => [],
    prepare: async () => {},
    async build(work) {
      await build(work, work.push);
      return undefined;
    },
    async publish(work): Promise<PublishedImage> {
      if (!work.push) await build({ ...work, noCache: false }, true);
      return { repository: `${name}/${work.app}`, reference: TAG };
    },
    async empty() {
      await rm(store, { recursive: true, force: true });
    },
    stop: () => rm(home, { recursive: true, force: true }),
  };
}

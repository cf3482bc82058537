/**
 * What a gitreceive is: a bare repository whose hook archives, builds, pushes, starts, waits for an answer and stops what
 * ran before. All that a person has to wait for is in the `git push`.
 */
import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DockerPeer } from './docker.js';
import { execute } from './execute.js';

export interface ReceiveScript {
  readonly gitDir: string;
  /** Where the app answers now. */
  url(): Promise<string>;
  stop(): Promise<void>;
}

type Engine = Pick<DockerPeer, 'host' | 'client'>;

export const APP_PORT = 8080;

/** `directory` is a new one. `image` is the full name of what it builds. */
export async function installReceiveScript(
  directory: string,
  image: string,
  { host, client }: Engine,
): Promise<ReceiveScript> {
  await promisify(execFile)('git', ['init', '--quiet', '--bare', '--initial-branch=main', directory]);
  const hook = join(directory, 'hooks', 'post-receive');
  await writeFile(hook, script(directory, image, { host, client }));
  await chmod(hook, 0o755);
  const env = { DOCKER_HOST: host };
  const read = async (name: string): Promise<string> =>
    (await readFile(join(directory, name), 'utf8')).trim();
  return {
    gitDir: directory,
    url: async () => `http://127.0.0.1:${await read('port')}/`,
    stop: async () => {
      const container = await read('container').catch(() => '');
      if (container !== '') await execute(client, ['rm', '--force', container], { env });
    },
  };
}

function script(directory: string, image: string, { host, client }: Engine): string {
  return `#!/bin/sh
# Written by the bench.
set -eu
export DOCKER_BUILDKIT=1 DOCKER_HOST='${host}'
read -r _ commit _
git -c tar.umask=0022 archive "$commit" | ${client} build --quiet --tag '${image}' - >/dev/null
${client} push --quiet '${image}' >/dev/null
container=$(${client} run --detach --publish 127.0.0.1::${APP_PORT} '${image}')
port=$(${client} port "$container" ${APP_PORT} | sed -n 's/.*://p;q')
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/"; do sleep 0.05; done
echo "$port" > '${directory}/port'
if [ -f '${directory}/container' ]; then
  old=$(cat '${directory}/container')
  ${client} stop "$old" >/dev/null
  ${client} rm "$old" >/dev/null
fi
echo "$container" > '${directory}/container'
`;
}

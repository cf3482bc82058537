/** An attached one-off command on a target: input in, output and exit code out. */
import { buffer } from 'node:stream/consumers';
import type { DockerTarget } from '../../../deploy/targets/docker.js';
import { splitOutput } from '../../../deploy/targets/output.js';
import type { ReleaseImage } from '../../../src/model/release.js';

export async function runOneOff(
  target: DockerTarget,
  image: ReleaseImage,
): Promise<{ exitCode: number; output: string }> {
  const command = ['/bin/sh', '-c', 'read line; echo "got: $line"; exit 4'];
  const spec = { app: 'hello', release: 1, name: 'run.482913', image, env: {}, command, hasTerminal: false };
  const { id, stream } = await target.startOneOff({ ...spec, by: 'alice', follower: 'slipway-1-1' });
  if (stream === undefined) throw new Error('it is not attached');
  stream.end('said\n');
  const output = splitOutput(await buffer(stream)).join('\n');
  const { exitCode } = await target.wait(id, {});
  await target.remove(id);
  return { exitCode, output };
}

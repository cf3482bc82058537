/** `node dist/platform/push-base.js DIRECTORY REPOSITORY:TAG COMMAND...`: a root file system into the local registry. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../src/config.js';
import { describeError, SlipwayError, toSlipwayError } from '../src/errors.js';
import { pushDirectory } from './base-image.js';

try {
  const [directory, name = '', ...cmd] = process.argv.slice(2);
  const [repository, tag = 'latest', ...rest] = name.split(':');
  if (!directory || !repository || rest.length > 0) {
    throw new SlipwayError('bad_request', 'usage: push-base DIRECTORY REPOSITORY[:TAG] [COMMAND...]');
  }
  const { home } = loadConfig();
  const config = loadConfig({
    ...process.env,
    SLIPWAY_REGISTRY: process.env.SLIPWAY_REGISTRY || localRegistry(home),
  });
  const digest = await pushDirectory(config, directory, { repository, tag, cmd });
  console.log(`       ${config.registry.host}/${repository}:${tag}@${digest}`);
} catch (thrown) {
  const error = toSlipwayError(thrown);
  for (const line of describeError(error)) console.error(` !     ${line}`);
  process.exitCode = error.code === 'bad_request' ? 2 : 1;
}

/** Where the registry of this home listens: `npm start` has written it down. */
function localRegistry(home: string): string | undefined {
  const record = join(home, 'platform.json');
  if (!existsSync(record)) return undefined;
  const { ports } = JSON.parse(readFileSync(record, 'utf8')) as { ports?: { registry?: number } };
  return ports?.registry === undefined ? undefined : `127.0.0.1:${ports.registry}`;
}

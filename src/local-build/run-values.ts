/** What `--secret`, `--ssh`, `--network` and `--allow` give the RUN steps. */
import { readFile, stat } from 'node:fs/promises';
import type { RunSettings } from '../build/run-settings.js';
import { parseBool } from '../dockerfile/mount-options.js';
import { SlipwayError } from '../errors.js';
import type { LocalBuild, SecretSource } from './options.js';

/** BuildKit's limit. */
const SECRET_BYTES = 500 * 1024;

/** All local builds that share a store share its cache mounts. */
export const CACHE_SCOPE = 'local';

export function runSettings(build: LocalBuild): RunSettings {
  return {
    network: build.network,
    // `--network host` for the whole build is asked for by whoever builds, not by the Dockerfile.
    allow: { ...build.allow, hostNetwork: build.allow.hostNetwork || build.network === 'host' },
    secret: async (id) => {
      const source = build.secrets.get(id);
      return source === undefined ? undefined : readSecret(id, source);
    },
    sshAgent: (id) => build.ssh.get(id),
    cacheScope: CACHE_SCOPE,
  };
}

/** BUILDKIT_CONTEXT_KEEP_GIT_DIR, as in BuildKit. Throws `bad_request`. */
export function keepsGitDir({ buildArgs }: LocalBuild): boolean {
  const given = buildArgs.BUILDKIT_CONTEXT_KEEP_GIT_DIR ?? '';
  const keeps = given === '' ? false : parseBool(given);
  if (keeps !== undefined) return keeps;
  throw new SlipwayError(
    'bad_request',
    `BUILDKIT_CONTEXT_KEEP_GIT_DIR is 1 or 0, not ${JSON.stringify(given)}`,
  );
}

/** Before the build, so that a mistyped path costs no time. Throws `bad_request`. */
export async function checkSecrets(build: LocalBuild): Promise<void> {
  for (const [id, source] of build.secrets) {
    if (source.kind === 'env') continue;
    const found = await stat(source.path).catch(() => undefined);
    if (found?.isFile() !== true)
      throw new SlipwayError('bad_request', `the secret "${id}": there is no file ${source.path}`, {
        hint: 'give it as --secret id=NAME,src=FILE or id=NAME,env=VARIABLE',
      });
  }
}

async function readSecret(id: string, source: SecretSource): Promise<Uint8Array> {
  const bytes = source.kind === 'env' ? Buffer.from(source.value) : await readFile(source.path);
  if (bytes.length > SECRET_BYTES)
    throw new SlipwayError('bad_request', `the secret "${id}" has more than ${SECRET_BYTES} bytes`);
  return bytes;
}

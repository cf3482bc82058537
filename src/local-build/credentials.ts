/**
 * Registry credentials as docker keeps them: `config.json` below `$DOCKER_CONFIG` or `~/.docker`, with `auths`,
 * `credHelpers` and `credsStore`. A helper is a program that is asked over stdin (docker-credential-helpers protocol).
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrno, SlipwayError } from '../errors.js';
import type { CredentialLookUp, Credentials } from '../registry/auth.js';

const text = z.string().nullish();
const dockerAuth = z.object({ auth: text, username: text, password: text });
const dockerConfig = z.object({
  auths: z.record(z.string(), dockerAuth.nullish()).nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: text,
});

type DockerConfig = z.infer<typeof dockerConfig>;
type DockerAuth = z.infer<typeof dockerAuth>;

/** What Docker Hub is called in config.json. */
const HUB = 'https://index.docker.io/v1/';
const HELPER_MS = 30_000;

/** Asked once for each registry, and only when it wants credentials. Throws `invalid_config`. */
export function dockerCredentials(env: NodeJS.ProcessEnv): CredentialLookUp {
  const path = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker'), 'config.json');
  let config: Promise<DockerConfig> | undefined;
  return async (registry) => {
    config ??= readConfig(path);
    return find(await config, registry, env);
  };
}

async function readConfig(path: string): Promise<DockerConfig> {
  try {
    return dockerConfig.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR') || isErrno(error, 'EACCES')) return {};
    const problem = error instanceof SyntaxError ? 'is not JSON' : unexpected(error);
    throw new SlipwayError('invalid_config', `${path} ${problem}`, { hint: 'correct it, or log in again' });
  }
}

/** Which of its fields is not as docker writes it. */
function unexpected(error: unknown): string {
  if (!(error instanceof z.ZodError)) throw error;
  const [issue] = error.issues;
  return `is not a config of docker: ${issue?.path.join('.') || 'it'}: ${issue?.message}`;
}

async function find(
  config: DockerConfig,
  registry: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const keys = registry === 'docker.io' ? [HUB, 'index.docker.io', 'docker.io'] : [registry];
  const { credHelpers, credsStore } = config;
  for (const key of keys) {
    const own = credHelpers && Object.hasOwn(credHelpers, key) ? credHelpers[key] : undefined;
    const helper = own ?? (credsStore || undefined);
    const found = helper === undefined ? undefined : await askHelper(helper, key, env);
    if (found !== undefined) return found;
  }
  const auths = Object.entries(config.auths ?? {});
  for (const key of keys) {
    const found = auths.find(([name]) => name === key || (key !== HUB && hostOf(name) === key))?.[1];
    const credentials = found ? decode(found) : undefined;
    if (credentials !== undefined) return credentials;
  }
  return undefined;
}

/** Older docker wrote `https://host/v1/`. */
function hostOf(name: string): string {
  return name.replace(/^https?:\/\//, '').split('/')[0] ?? '';
}

function decode({ auth, username, password }: DockerAuth): Credentials | undefined {
  if (username && password) return { username, password };
  if (!auth) return undefined;
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1
    ? undefined
    : { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** Undefined when the helper has none. Throws `invalid_config` when there is no such helper. */
async function askHelper(
  name: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
    throw new SlipwayError(
      'invalid_config',
      `${JSON.stringify(name)} is not the name of a credential helper`,
    );
  const program = `docker-credential-${name}`;
  const { code, out } = await ask(program, server, env);
  if (code !== 0) {
    if (/credentials not found/i.test(out)) return undefined;
    throw new SlipwayError(
      'registry_denied',
      `${program} gave no credentials for ${server}: ${out.trim().slice(0, 200)}`,
      {
        hint: 'log in to the registry again',
      },
    );
  }
  try {
    const { Username: username, Secret: password } = JSON.parse(out) as {
      Username?: string;
      Secret?: string;
    };
    if (username === '<token>')
      throw new SlipwayError('registry_denied', `${server}: identity tokens are not supported`, {
        hint: 'log in with a password or an access token',
      });
    return username && password ? { username, password } : undefined;
  } catch (error) {
    if (error instanceof SlipwayError) throw error;
    throw new SlipwayError('registry_denied', `${program} did not answer with JSON`);
  }
}

function ask(
  program: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], timeout: HELPER_MS });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (out.length < 64 * 1024) out += chunk;
    });
    child.on('error', (error) =>
      reject(
        isErrno(error, 'ENOENT')
          ? new SlipwayError(
              'invalid_config',
              `docker's config.json names ${program}, which is not installed`,
              {
                hint: 'install it, or take credsStore and credHelpers out of config.json',
              },
            )
          : error,
      ),
    );
    child.on('close', (code) => resolve({ code: code ?? 1, out }));
    child.stdin.on('error', () => {});
    child.stdin.end(server);
  });
}

/** Where the CLI keeps who the user is: one file, readable by the user only. SLIPWAY_URL with SLIPWAY_TOKEN override it, for CI. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isErrno, SlipwayError } from '../errors.js';

export interface Credentials {
  readonly url: string;
  readonly token: string;
}

export function credentialsPath(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CONFIG_HOME ?? join(env.HOME ?? homedir(), '.config'), 'slipway', 'credentials.json');
}

export async function loadCredentials(env: NodeJS.ProcessEnv): Promise<Credentials> {
  if (env.SLIPWAY_URL && env.SLIPWAY_TOKEN) return { url: env.SLIPWAY_URL, token: env.SLIPWAY_TOKEN };
  const path = credentialsPath(env);
  try {
    const { url, token } = JSON.parse(await readFile(path, 'utf8')) as Partial<Credentials>;
    if (typeof url === 'string' && typeof token === 'string') return { url, token };
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !(error instanceof SyntaxError)) throw error;
  }
  throw new SlipwayError('unauthorized', 'you are not logged in', {
    hint: 'slipway login URL, with a token from the operator; or set SLIPWAY_URL and SLIPWAY_TOKEN',
  });
}

export async function saveCredentials(env: NodeJS.ProcessEnv, credentials: Credentials): Promise<string> {
  const path = credentialsPath(env);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, path);
  return path;
}

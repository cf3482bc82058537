/** Where the CLI keeps who the user is: one file, readable by the user only. SLIPWAY_URL with SLIPWAY_TOKEN override it, for CI. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isErrno, SlipwayError } from '../errors.js';

export interface Credentials {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string;
}

/** An empty variable is no variable (XDG Base Directory Specification, "Environment variables"). */
function credentialsPath(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'slipway', 'credentials.json');
}

/** Throws `unauthorized` when there are none, `invalid_config` when what there is cannot be used. */
export async function loadCredentials(env: NodeJS.ProcessEnv): Promise<Credentials> {
  const { SLIPWAY_URL, SLIPWAY_TOKEN } = env;
  const url = SLIPWAY_URL ? platformUrl(SLIPWAY_URL, 'SLIPWAY_URL') : undefined;
  const token = SLIPWAY_TOKEN ? checkToken(SLIPWAY_TOKEN, 'SLIPWAY_TOKEN') : undefined;
  if (url !== undefined && token !== undefined) return { url, token };
  if (token !== undefined) {
    throw new SlipwayError('invalid_config', 'SLIPWAY_TOKEN is set, and SLIPWAY_URL is not', {
      hint: 'set both, or none to use what `slipway login` keeps',
    });
  }
  const path = credentialsPath(env);
  const kept = await readKept(path);
  // A platform's own settings have this variable too. But a token kept for one platform is never sent to another.
  if (url !== undefined && kept?.url !== url) {
    throw new SlipwayError('unauthorized', `SLIPWAY_URL names ${url}, where you are not logged in`, {
      hint: `slipway login ${url}; or set SLIPWAY_TOKEN as well, or unset SLIPWAY_URL`,
    });
  }
  if (kept === undefined) {
    throw new SlipwayError('unauthorized', 'you are not logged in', {
      hint: 'slipway login URL, with a token from the operator; or set SLIPWAY_URL and SLIPWAY_TOKEN',
    });
  }
  return { url: platformUrl(kept.url, path), token: checkToken(kept.token, path) };
}

export async function saveCredentials(env: NodeJS.ProcessEnv, credentials: Credentials): Promise<string> {
  const path = credentialsPath(env);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.${Date.now()}`;
  try {
    await writeFile(temporary, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  return path;
}

/** The address of a platform as it is compared and kept: no slash at its end. Throws `invalid_config`. */
export function platformUrl(text: string, where?: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usable =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.search + url.hash === '';
  if (usable) return url.href.replace(/\/+$/, '');
  throw new SlipwayError(
    'invalid_config',
    `${JSON.stringify(text.slice(0, 100))} is not the URL of a platform`,
    {
      hint: 'write it as http://host:port or https://host',
      ...(where === undefined ? {} : { where }),
    },
  );
}

/** A header holds it (RFC 6750, section 2.1). Never shows it. Throws `invalid_config`. */
export function checkToken(text: string, where?: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new SlipwayError(
    'invalid_config',
    'this is not a token: it holds blanks, line ends or other characters',
    {
      hint: 'a token is one word that begins with slipway_',
      ...(where === undefined ? {} : { where }),
    },
  );
}

async function readKept(path: string): Promise<Credentials | undefined> {
  try {
    const { url, token } = JSON.parse(await readFile(path, 'utf8')) as Partial<Credentials>;
    if (typeof url === 'string' && typeof token === 'string') return { url, token };
  } catch (error) {
    if (isErrno(error, 'EACCES'))
      throw new SlipwayError('invalid_config', 'this file of yours cannot be read', {
        where: path,
        hint: `make it yours again, or log in anew after: rm ${path}`,
      });
    if (!isErrno(error, 'ENOENT') && !(error instanceof SyntaxError)) throw error;
  }
  return undefined;
}

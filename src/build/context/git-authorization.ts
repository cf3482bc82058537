/**
 * How a repository that is not public is asked for over HTTPS: a header for its host alone, which git gets in its
 * environment, so that no list of processes and no log shows it.
 */
import { SlipwayError } from '../../errors.js';

/**
 * The value of the Authorization header for a host (`host`, or `host:port`); undefined for none. `isNamed`: by whoever
 * builds; otherwise by a repository on another host, as its submodule.
 */
export type Authorization = (host: string, isNamed: boolean) => Promise<string | undefined>;

export interface AuthorizationHeader {
  readonly env: Readonly<Record<string, string>>;
  /** For `-c`. */
  readonly settings: readonly string[];
}

/** `from` is the repository that has this one as a submodule. Throws `bad_request` for what cannot be in a header. */
export async function authorizationFor(
  remote: string,
  from: string | undefined,
  authorization: Authorization | undefined,
): Promise<AuthorizationHeader | undefined> {
  const url = hiddenFromOthers(remote);
  if (authorization === undefined || url === undefined) return undefined;
  const isNamed = from === undefined || hiddenFromOthers(from)?.host === url.host;
  const value = await authorization(url.host, isNamed);
  if (value === undefined) return undefined;
  if (value === '' || /\p{Cc}/u.test(value)) {
    throw new SlipwayError('bad_request', `the secret for ${url.host} is empty or more than one line`, {
      hint: 'a token is one line; a header is what stands behind "Authorization:"',
    });
  }
  return {
    // The first setting is of git's clean environment: see gitEnvironment.
    env: {
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_1: `http.${url.protocol}//${url.host}/.extraHeader`,
      GIT_CONFIG_VALUE_1: `Authorization: ${value}`,
    },
    // git would take the header along to wherever an answer leads.
    settings: ['http.followRedirects=false'],
  };
}

/** HTTPS, and what never leaves this machine. */
function hiddenFromOthers(remote: string): URL | undefined {
  if (!URL.canParse(remote)) return undefined;
  const url = new URL(remote);
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback) ? url : undefined;
}

/**
 * The cookie of the web page's session: it holds the token that a person has signed in with, where no script can read it (decision 57).
 * A browser sends it to every port of this host, and with requests that pages of other hosts below the same domain make, such as an app's:
 * so what changes something needs a header that only a script of our own origin can set.
 */
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import { SlipwayError } from '../errors.js';

/** A script of another origin may send it only after a preflight, which nobody here allows (Fetch, "CORS protocol"). */
export const PAGE_HEADER = 'x-slipway-page';

/**
 * The token of the request's cookie counts from here on as if it had come in the header `authorization`; one that is there holds. Throws
 * `forbidden` for a change that the page did not ask for.
 */
export function takeSession(
  config: Pick<Config, 'publicUrl'>,
  { method, headers }: Pick<FastifyRequest, 'method' | 'headers'>,
): void {
  if (headers.authorization !== undefined) return;
  const name = `${cookieName(config)}=`;
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const token = pairs.find((pair) => pair.startsWith(name))?.slice(name.length);
  if (token === undefined || token === '') return;
  const onlyReads = method === 'GET' || method === 'HEAD';
  if (!onlyReads || headers.upgrade !== undefined) requirePage({ headers });
  headers.authorization = `Bearer ${token}`;
}

export function requirePage({ headers }: Pick<FastifyRequest, 'headers'>): void {
  if (headers[PAGE_HEADER] !== undefined) return;
  throw new SlipwayError('forbidden', `a change by cookie needs the header ${PAGE_HEADER}`, {
    hint: 'only the web page uses the cookie; programs send the token in the header authorization',
  });
}

export function sessionCookie(config: Pick<Config, 'publicUrl'>, token: string, lastsS: number): string {
  const secure = isHttps(config) ? '; Secure' : '';
  return `${cookieName(config)}=${token}; Path=/; Max-Age=${lastsS}; HttpOnly; SameSite=Strict${secure}`;
}

/** With the prefix a browser takes it from this host alone, and from no app below the same domain (RFC 6265bis, section 4.1.3.2). */
function cookieName(config: Pick<Config, 'publicUrl'>): string {
  return isHttps(config) ? '__Host-slipway' : 'slipway';
}

function isHttps({ publicUrl }: Pick<Config, 'publicUrl'>): boolean {
  return publicUrl.startsWith('https:');
}

/**
 * Which repositories a build may fetch from, and how: protocols, hosts, and what git is told so that it asks nobody,
 * follows nothing, and runs nothing. Pure but for the look-up of names.
 */
import { lookup } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { isAbsolute } from 'node:path';
import { SlipwayError } from '../../errors.js';
import type { AddressGuard } from '../add/address-guard.js';

export interface RemoteRules {
  /** Which addresses may be reached. Without one all are, by all protocols: the command line, never the service. */
  readonly guard?: () => Promise<AddressGuard>;
  /** By default `https` and `http` with a guard, and all without. */
  readonly protocols?: readonly string[];
}

/** Settings (`-c`) for a fetch from `remote`. Throws `context_invalid` or `forbidden` for what must not be fetched from. */
export async function remoteSettings(remote: string, rules: RemoteRules): Promise<readonly string[]> {
  const protocol = protocolOf(remote);
  const anyhow = rules.guard === undefined ? ['https', 'http', 'ssh', 'git', 'file'] : ['https', 'http'];
  const allowed = rules.protocols ?? anyhow;
  if (protocol === undefined || !allowed.includes(protocol)) {
    throw new SlipwayError(
      'context_invalid',
      `a git repository cannot be fetched from ${shownRemote(remote)}`,
      {
        hint: `write a URL with ${allowed.map((name) => `${name}://`).join(', ')}`,
      },
    );
  }
  const settings = ['protocol.allow=never', `protocol.${protocol}.allow=always`];
  if (rules.guard === undefined) return settings;
  const url = new URL(remote);
  checkHostText(remote, url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = await checkedAddresses(host, await rules.guard());
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const pinned = addresses.map((address) => (isIPv6(address) ? `[${address}]` : address)).join(',');
  return [
    ...settings,
    // The name means what was checked, and nothing that an answer redirects to.
    ...(isIP(host) === 0 ? [`http.curloptResolve=${host}:${port}:${pinned}`] : []),
    'http.followRedirects=false',
    'http.proxy=',
  ];
}

/** `git@host:path` is ssh. Undefined for what is no address at all. */
function protocolOf(remote: string): string | undefined {
  if (/\p{Cc}/u.test(remote) || remote.startsWith('-')) return undefined;
  const scheme = /^([a-z]+):\/\/(?!-)/i.exec(remote)?.[1]?.toLowerCase();
  if (scheme === 'file') return isAbsolute(remote.slice('file://'.length)) ? 'file' : undefined;
  if (scheme !== undefined) return URL.canParse(remote) ? scheme : undefined;
  return /^[a-zA-Z0-9_][a-zA-Z0-9_-]*@[a-zA-Z0-9][a-zA-Z0-9.-]*:(?!:)/.test(remote) ? 'ssh' : undefined;
}

/**
 * Programs disagree on where the host of an odd address is: of `http://a\\@b/` it is a here, and b for git. What is checked
 * must be what is connected to, so the host has to be written as every one of them reads it.
 */
function checkHostText(remote: string, url: URL): void {
  const [, host] =
    /^[a-z]+:\/\/(?:[^/?#@\\]*@)?([a-z0-9._-]*[a-z0-9_-]|\[[0-9a-f:.]+\])(?::\d+)?(?:[/?#]|$)/i.exec(
      remote,
    ) ?? [];
  if (host?.toLowerCase() === url.hostname && !remote.includes('\\')) return;
  throw new SlipwayError('context_invalid', `the host of ${shownRemote(remote)} is not plain`, {
    hint: `write it as ${url.hostname}, without blanks, backslashes, escapes or a dot at its end`,
  });
}

/** Those addresses of a host that builds may reach. */
async function checkedAddresses(host: string, guard: AddressGuard): Promise<readonly string[]> {
  guard.check(host);
  if (isIP(host) !== 0) return [host];
  const found = await addressesOf(host);
  const usable = found.filter((address) => guard.allows(address));
  if (usable.length === 0) for (const address of found) guard.check(address);
  return usable;
}

async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new SlipwayError('context_invalid', `there is no host ${JSON.stringify(host)}`, {
      hint: 'check the address of the repository',
      temporary: true,
      cause: error,
    });
  }
}

/** Without a password. */
export function shownRemote(remote: string): string {
  return remote.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1').slice(0, 300);
}

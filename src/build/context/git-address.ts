/**
 * Which repositories a build may fetch from, and how: protocols, hosts, and what git is told so that it asks nobody,
 * follows nothing, and runs nothing. Pure but for the look-up of names.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { isAbsolute } from 'node:path';
import { SlipwayError } from '../../errors.js';

export interface RemoteRules {
  /** Repositories of this machine, and those that need this user's keys: the command line, never the service. */
  readonly trusted: boolean;
  /** Networks that may be reached although they are not public (CIDR). Only where `trusted` is false. */
  readonly networkAllow: readonly string[];
}

/** Settings (`-c`) for a fetch from `remote`. Throws `context_invalid` for what must not be fetched from. */
export async function remoteSettings(remote: string, rules: RemoteRules): Promise<readonly string[]> {
  const protocol = protocolOf(remote);
  const allowed = rules.trusted ? ['https', 'http', 'ssh', 'git', 'file'] : ['https', 'http'];
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
  if (rules.trusted) return settings;
  const url = new URL(remote);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = await publicAddresses(host, rules.networkAllow);
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

/** IANA's special-purpose registries: nothing of the public network is in them. */
const SPECIAL: readonly [string, number, 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
];

/**
 * The addresses of a host, all of them public or in `allow`. Throws `context_invalid` when one is not: a name that also
 * leads inside is a trap.
 */
export async function publicAddresses(host: string, allow: readonly string[]): Promise<readonly string[]> {
  const found = isIP(host) === 0 ? await addressesOf(host) : [host];
  const [special, allowed] = [new BlockList(), new BlockList()];
  for (const [network, bits, family] of SPECIAL) special.addSubnet(network, bits, family);
  for (const cidr of allow) {
    const [network = '', bits = '32'] = cidr.split('/');
    allowed.addSubnet(network, Number(bits), 'ipv4');
  }
  const inside = found.find((address) => !isPublic(address, special) && !isIn(address, allowed));
  if (inside === undefined) return found;
  throw new SlipwayError('context_invalid', `${host} leads to ${inside}, which builds must not reach`, {
    hint: 'use a public host, or have the operator add the network to SLIPWAY_BUILD_NETWORK_ALLOW',
  });
}

function isPublic(address: string, special: BlockList): boolean {
  // Of IPv6 only 2000::/3 is public, without what stands for an IPv4 address or a document's example.
  if (isIPv6(address))
    return /^[23][0-9a-f]{3}:/i.test(address) && !/^(2001:0?db8|2001:0{0,4}:|2002):/i.test(address);
  return !special.check(address, 'ipv4');
}

function isIn(address: string, networks: BlockList): boolean {
  return !isIPv6(address) && networks.check(address, 'ipv4');
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
  return remote.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1').slice(0, 300);
}

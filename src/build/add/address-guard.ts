/**
 * Which addresses Slipway itself may connect to for its users (a Dockerfile's ADD, a repository, a webhook): public ones. Its own
 * machine, its neighbours and the clouds' metadata services stay out of reach, by whatever name or redirect they are asked for.
 */
import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { SlipwayError } from '../../errors.js';
import { type Cidr, formatAddress, formatCidr, parseCidr, subtract } from '../sandbox/cidr.js';
import { blockedNetworks, readHostNetwork } from '../sandbox/host-network.js';

/** RFC 6890 and RFC 8190: what is not reachable from everywhere. */
const NOT_GLOBAL: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];

/** Who asks, for the error's text, and the setting that allows more. */
export interface Asker {
  readonly name: string;
  readonly setting: string;
}

const BUILDS: Asker = { name: 'builds', setting: 'SLIPWAY_BUILD_NETWORK_ALLOW' };

export class AddressGuard {
  readonly #blocked = new BlockList();
  readonly #asker: Asker;

  private constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** `allowed` are networks that may be reached although they are not public. Throws `unavailable`. */
  static async open(allowed: readonly Cidr[], asker: Asker = BUILDS): Promise<AddressGuard> {
    const guard = new AddressGuard(asker);
    const host = blockedNetworks(await readHostNetwork(), allowed);
    const open = NOT_GLOBAL.flatMap((text) => subtract(parseCidr(text) as Cidr, allowed)).map(formatCidr);
    for (const cidr of [...host, ...open]) {
      const [address = '', bits = ''] = cidr.split('/');
      guard.#blocked.addSubnet(address, Number(bits), 'ipv4');
    }
    for (const addresses of Object.values(networkInterfaces())) {
      for (const { family, address } of addresses ?? [])
        if (family === 'IPv6') guard.#blocked.addAddress(address.replace(/%.*$/, ''), 'ipv6');
    }
    return guard;
  }

  /** Lets nobody reach any other network than these, public or not. */
  static only(allowed: readonly Cidr[], asker: Asker): AddressGuard {
    const guard = new AddressGuard(asker);
    for (const { start, bits } of subtract({ start: 0, bits: 0 }, allowed))
      guard.#blocked.addSubnet(formatAddress(start), bits, 'ipv4');
    // All that is global unicast; the rest is refused anyway.
    guard.#blocked.addSubnet('2000::', 3, 'ipv6');
    return guard;
  }

  allows(address: string): boolean {
    if (isIP(address) === 4) return !this.#blocked.check(address, 'ipv4');
    if (isIP(address) !== 6) return false;
    const embedded = embeddedIpv4(address);
    if (embedded !== undefined) return this.allows(embedded);
    // Only 2000::/3 is global unicast; the loopback, link-local, site-local and multicast addresses are outside of it.
    return /^[23][0-9a-f]{3}:/.test(expanded(address)) && !this.#blocked.check(address, 'ipv6');
  }

  /** For `net.connect`: what it answers is what is connected to, so a name that changes its mind gains nothing. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const usable = addresses.filter(({ address }) => this.allows(address));
      const [first] = usable;
      if (first === undefined) return callback(refused(hostname, this.#asker), '', 0);
      if (options.all) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };

  /** A host that is an address already is never looked up. Throws `forbidden`. */
  check(hostname: string): void {
    const address = hostname.replace(/^\[|\]$/g, '');
    if (isIP(address) !== 0 && !this.allows(address)) throw refused(address, this.#asker);
  }
}

function refused(host: string, { name, setting }: Asker): SlipwayError {
  return new SlipwayError('forbidden', `${host} is an address that ${name} must not reach`, {
    hint: `only public addresses may be asked; ${setting} lists others that may`,
  });
}

/** Of an address that stands for an IPv4 one: mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), 6to4 (2002::/16). */
function embeddedIpv4(address: string): string | undefined {
  const words = expanded(address).split(':');
  const at = (index: number): number => Number.parseInt(words[index] ?? '0', 16);
  const join = (high: number, low: number): string => formatAddress(high * 65_536 + low);
  const start = words.slice(0, 6).join(':');
  if (start === '0000:0000:0000:0000:0000:ffff' || start === '0064:ff9b:0000:0000:0000:0000')
    return join(at(6), at(7));
  return words[0] === '2002' ? join(at(1), at(2)) : undefined;
}

/** Eight groups of four digits. */
function expanded(address: string): string {
  const plain = address
    .replace(/%.*$/, '')
    .toLowerCase()
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
      const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
      return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '');
  const start = groups(head);
  const end = groups(tail ?? '');
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - start.length - end.length }, () => '0');
  return [...start, ...zeros, ...end].map((group) => group.padStart(4, '0')).join(':');
}

/** IPv4 networks as sets of addresses: parse, print, contain, subtract. Pure. */
import { SlipwayError } from '../../errors.js';

/** `start` is the first address as a number, `bits` the prefix length. */
export interface Cidr {
  readonly start: number;
  readonly bits: number;
}

export function sizeOf(cidr: Cidr): number {
  return 2 ** (32 - cidr.bits);
}

/** `10.0.0.0/8`, or one address. Bits beyond the prefix are cleared. Undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const octets = match.slice(1, 5).map(Number);
  const bits = Number(match[5] ?? 32);
  if (bits > 32 || octets.some((octet) => octet > 255)) return undefined;
  const address = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return { start: address - (address % 2 ** (32 - bits)), bits };
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.start)}/${cidr.bits}`;
}

export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.bits <= inner.bits && inner.start >= outer.start && inner.start < outer.start + sizeOf(outer);
}

/** Networks are nested or apart, never in between. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a);
}

/** The addresses of `from` that are in none of `taken`, as the fewest networks. */
export function subtract(from: Cidr, taken: readonly Cidr[]): Cidr[] {
  const inside = taken.filter((cidr) => overlaps(from, cidr));
  if (inside.length === 0) return [from];
  if (inside.some((cidr) => contains(cidr, from))) return [];
  const half = { start: from.start, bits: from.bits + 1 };
  const other = { start: from.start + sizeOf(half), bits: from.bits + 1 };
  return [...subtract(half, inside), ...subtract(other, inside)];
}

const LOOPBACK: Cidr = { start: 0x7f000000, bits: 8 };

/** The networks of a setting. Throws `invalid_config` for what is no IPv4 network. */
export function parseNetworks(list: readonly string[], where: string): Cidr[] {
  return list.map((text) => {
    const cidr = parseCidr(text);
    if (cidr !== undefined) return cidr;
    throw new SlipwayError('invalid_config', `"${text}" is not an IPv4 network`, {
      where,
      hint: 'write networks as 10.0.0.0/8 or addresses as 10.1.2.3, with commas between them',
    });
  });
}

/** The networks of SLIPWAY_BUILD_NETWORK_ALLOW. Throws `invalid_config` for what is no IPv4 network, or the loopback. */
export function parseAllowList(list: readonly string[]): Cidr[] {
  const where = 'SLIPWAY_BUILD_NETWORK_ALLOW';
  return parseNetworks(list, where).map((cidr) => {
    if (overlaps(cidr, LOOPBACK)) {
      throw new SlipwayError(
        'invalid_config',
        `"${formatCidr(cidr)}" includes the loopback, which no step may reach`,
        {
          where,
          hint: 'let the service listen on another address of the host, and allow that one',
        },
      );
    }
    return cidr;
  });
}

/**
 * Addresses, ports and ranges that are given out here and not by the engine, which deals them anew when it restarts. At random, so
 * that what a container had that has gone is not soon another's, and two deployers seldom choose the same. Pure.
 */
import { createHash, randomInt } from 'node:crypto';

/** The bits of an app's network: 125 containers of one app on one host, old and new ones together. */
const APP_BITS = 25;

/** An address of the network that nobody uses. Undefined when all are taken. */
export function freeAddress(
  network: { readonly subnet: string; readonly gateway: string },
  used: ReadonlySet<string>,
): string | undefined {
  const { first, size } = rangeOf(network.subnet);
  // Neither the network's own address nor the broadcast address.
  const hosts = size - 2;
  if (hosts <= 0) return undefined;
  const start = randomInt(hosts);
  for (let step = 0; step < Math.min(hosts, used.size + 2); step += 1) {
    const address = toText(first + 1 + ((start + step) % hosts));
    if (address !== network.gateway && !used.has(address)) return address;
  }
  return undefined;
}

/** Published ports come from here: below those that Linux gives to outgoing connections, so that none of these has one. */
const PORTS = { first: 20_000, count: 10_000 } as const;

/** A port that none of ours has. One that a foreign process has is found out by trying. */
export function freePort(used: ReadonlySet<number>): number {
  const start = randomInt(PORTS.count);
  for (let step = 0; step < PORTS.count; step += 1) {
    const port = PORTS.first + ((start + step) % PORTS.count);
    if (!used.has(port)) return port;
  }
  return PORTS.first + start;
}

/**
 * A network's part of one of these blocks that overlaps none of `taken`; undefined when all are full. Where the search begins the name
 * says: two deployers that make the same network at once choose the same part, and the engine refuses the second.
 */
export function freeSubnet(
  name: string,
  blocks: readonly string[],
  taken: readonly string[],
): { readonly subnet: string; readonly block: string } | undefined {
  const used = taken.map(rangeOf);
  const seed = createHash('sha256').update(name).digest().readUInt32BE(0);
  for (const block of blocks) {
    const { first, size, bits } = rangeOf(block);
    const partBits = Math.max(bits, APP_BITS);
    const part = 2 ** (32 - partBits);
    const parts = size / part;
    for (let step = 0; step < parts; step += 1) {
      const begin = first + ((seed + step) % parts) * part;
      const isFree = used.every((one) => begin + part <= one.first || one.first + one.size <= begin);
      if (isFree) return { subnet: `${toText(begin)}/${partBits}`, block };
    }
  }
  return undefined;
}

/** The first address that a container could have; by custom the bridge's own. */
export function firstAddress(subnet: string): string {
  return toText(rangeOf(subnet).first + 1);
}

function rangeOf(subnet: string): { readonly first: number; readonly size: number; readonly bits: number } {
  const [base = '', bits = '32'] = subnet.split('/');
  return { first: toNumber(base), size: 2 ** (32 - Number(bits)), bits: Number(bits) };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

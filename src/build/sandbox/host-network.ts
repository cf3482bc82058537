/**
 * What the machine is attached to, read from the kernel's tables, and what of it a step must not reach. Node's
 * `networkInterfaces()` leaves out interfaces without a carrier (docker0 without containers), but their addresses answer.
 */
import { readFile } from 'node:fs/promises';
import { SlipwayError } from '../../errors.js';
import { type Cidr, contains, formatCidr, overlaps, parseCidr, sizeOf, subtract } from './cidr.js';

export interface HostNetwork {
  /** The host's own addresses, and local ranges; the loopback is not listed. */
  readonly local: readonly Cidr[];
  /** Networks that the host reaches otherwise than through the interface of its default route. */
  readonly attached: readonly Cidr[];
  /** Networks that it is attached to through that interface. */
  readonly outside: readonly Cidr[];
}

/** Link-local (the clouds' metadata service), other clouds' metadata addresses, multicast and reserved. */
const ALWAYS_BLOCKED: readonly Cidr[] = [
  '169.254.0.0/16',
  '100.100.100.200/32', // Alibaba Cloud
  '168.63.129.16/32', // Azure's wire server
  '192.0.0.192/32', // Oracle Cloud
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(network);

/** Throws `unavailable` where /proc does not show the routing tables. */
export async function readHostNetwork(): Promise<HostNetwork> {
  try {
    const [trie, routes] = await Promise.all([
      readFile('/proc/self/net/fib_trie', 'utf8'),
      readFile('/proc/self/net/route', 'utf8'),
    ]);
    return parseHostNetwork(trie, routes);
  } catch (error) {
    throw new SlipwayError('unavailable', "cannot read the host's routes, which steps must be kept from", {
      hint: 'the builder needs /proc/self/net/fib_trie and /proc/self/net/route',
      cause: error,
    });
  }
}

/** Pure: the text of /proc/net/fib_trie and /proc/net/route (hexadecimal words in the byte order of x86 and ARM). */
export function parseHostNetwork(trie: string, routes: string): HostNetwork {
  const local = new Map<string, Cidr>();
  let leaf = '';
  for (const line of trie.split('\n')) {
    leaf = /\|-- (\d+\.\d+\.\d+\.\d+)/.exec(line)?.[1] ?? leaf;
    const bits = /\/(\d+) host LOCAL/.exec(line)?.[1];
    if (bits !== undefined && !leaf.startsWith('127.'))
      local.set(`${leaf}/${bits}`, network(`${leaf}/${bits}`));
  }
  const table = routes
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .filter((fields) => fields.length >= 8)
    .map((fields) => ({ device: fields[0] ?? '', to: route(fields[1] ?? '', fields[7] ?? '') }));
  // A VPN that takes everything sets 0.0.0.0/1 and 128.0.0.0/1: a default route in two halves.
  const outward = new Set(table.filter(({ to }) => to.bits <= 1).map(({ device }) => device));
  const networks = table.filter(({ to }) => to.bits > 1);
  return {
    local: [...local.values()],
    attached: networks.filter(({ device }) => !outward.has(device)).map(({ to }) => to),
    outside: networks.filter(({ device }) => outward.has(device)).map(({ to }) => to),
  };
}

function route(destination: string, mask: string): Cidr {
  const bytes = Buffer.from(destination, 'hex').reverse();
  const ones = [...Buffer.from(mask, 'hex')].reduce(
    (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
    0,
  );
  return { start: bytes.readUInt32BE(0), bits: ones };
}

/** The networks a step must not reach: sorted text, so that two answers can be compared. */
export function blockedNetworks(host: HostNetwork, allowed: readonly Cidr[]): string[] {
  const wanted = [...ALWAYS_BLOCKED, ...host.local, ...host.attached];
  const widest = wanted.filter(
    (cidr) => !wanted.some((other) => other.bits < cidr.bits && contains(other, cidr)),
  );
  const open = widest.flatMap((cidr) => subtract(cidr, allowed));
  return [...new Set(open.map(formatCidr))].sort();
}

/** Inside networks that can be had for a step's own: the first that the host does not use itself. */
const INSIDE: readonly Cidr[] = ['10.0.2.0/24', '192.168.231.0/24', '172.30.231.0/24', '198.18.231.0/24'].map(
  network,
);

/** slirp4netns numbers it: .2 is the gateway, .3 the name server, .100 the step. Throws `unavailable` if none is free. */
export function insideNetwork(host: HostNetwork): Cidr {
  const used = [...host.local, ...host.attached, ...host.outside];
  const free = INSIDE.find((inside) => !used.some((cidr) => overlaps(cidr, inside)));
  if (free !== undefined) return free;
  throw new SlipwayError(
    'unavailable',
    "the host's networks leave no address range for the network of steps",
    {
      hint: `free one of ${INSIDE.map(formatCidr).join(', ')}, or use RUN --network=none`,
    },
  );
}

export function nameServerOf(inside: Cidr): Cidr {
  return { start: inside.start + Math.min(3, sizeOf(inside) - 1), bits: 32 };
}

function network(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new SlipwayError('internal', `not a network: ${text}`);
  return cidr;
}

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Cidr,
  contains,
  formatCidr,
  parseAllowList,
  parseCidr,
  sizeOf,
  subtract,
} from '../../src/build/sandbox/cidr.js';
import {
  blockedNetworks,
  insideNetwork,
  nameServerOf,
  parseHostNetwork,
} from '../../src/build/sandbox/host-network.js';

/** As Linux prints them: a machine with eth0, a docker0 without carrier, a VPN, and one address on the loopback. */
const TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.168.5.10
        /32 host LOCAL
Local:
     |-- 127.0.0.0
        /32 link BROADCAST
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
     |-- 192.168.5.10
        /32 host LOCAL
     |-- 192.168.5.255
        /32 link BROADCAST
     |-- 10.9.0.0
        /16 host LOCAL
`;
const HEADER = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const row = (device: string, destination: string, mask: string): string =>
  `${device}\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0\n`;
const ROUTES =
  HEADER +
  row('eth0', '00000000', '00000000') +
  row('docker0', '000011AC', '0000FFFF') +
  row('wg0', '0000080A', '00FFFFFF') +
  row('eth0', '0005A8C0', '00FFFFFF');

const cidr = (text: string): Cidr => parseCidr(text)!;

describe("the host's networks", () => {
  const host = parseHostNetwork(TRIE, ROUTES);

  it('are read from the kernel’s tables, with interfaces that have no carrier', () => {
    expect(host.local.map(formatCidr)).toEqual(['192.168.5.10/32', '172.17.0.1/32', '10.9.0.0/16']);
    expect(host.attached.map(formatCidr)).toEqual(['172.17.0.0/16', '10.8.0.0/24']);
    expect(host.outside.map(formatCidr)).toEqual(['192.168.5.0/24']);
  });

  it('are closed to a step: its own addresses and what it is attached to, but not the way out', () => {
    const blocked = blockedNetworks(host, []);
    expect(blocked).toEqual(
      expect.arrayContaining([
        '10.8.0.0/24',
        '10.9.0.0/16',
        '169.254.0.0/16',
        '172.17.0.0/16',
        '192.168.5.10/32',
      ]),
    );
    expect(blocked).not.toContain('192.168.5.0/24');
    expect(blocked).not.toContain('0.0.0.0/0');
    expect(blocked).not.toContain('172.17.0.1/32'); // within 172.17.0.0/16
  });

  it('are opened where the allow list says so, and only there', () => {
    expect(blockedNetworks(host, [cidr('172.16.0.0/12')])).not.toContain('172.17.0.0/16');
    const open = blockedNetworks(host, [cidr('172.17.0.1')]).map(cidr);
    expect(open.some((network) => contains(network, cidr('172.17.0.1')))).toBe(false);
    expect(open.some((network) => contains(network, cidr('172.17.0.2')))).toBe(true);
  });

  it('count a VPN that takes everything in two halves as the way out', () => {
    const vpn = parseHostNetwork(
      '',
      ROUTES + row('tun0', '00000000', '00000080') + row('tun0', '00000080', '00000080'),
    );
    expect(vpn.attached.map(formatCidr)).toEqual(['172.17.0.0/16', '10.8.0.0/24']);
  });

  it('never overlap with the network inside', () => {
    expect(formatCidr(insideNetwork(host))).toBe('10.0.2.0/24');
    expect(formatCidr(nameServerOf(insideNetwork(host)))).toBe('10.0.2.3/32');
    const virtualBox = { ...host, outside: [cidr('10.0.2.0/24')] };
    expect(formatCidr(insideNetwork(virtualBox))).toBe('192.168.231.0/24');
    const everything = {
      ...host,
      attached: ['10.0.0.0/8', '192.168.0.0/16', '172.16.0.0/12', '198.18.0.0/15'].map(cidr),
    };
    expect(() => insideNetwork(everything)).toThrow(/no address range/);
  });
});

describe('the allow list', () => {
  it('names what is wrong with an entry', () => {
    expect(parseAllowList(['10.0.0.0/8', '10.1.2.3']).map(formatCidr)).toEqual(['10.0.0.0/8', '10.1.2.3/32']);
    for (const text of ['', 'x', '10.0.0.0/33', '256.1.1.1', '::1', '10.0.0/8', '-1.0.0.0']) {
      expect(() => parseAllowList([text])).toThrow(/is not an IPv4 network/);
    }
    for (const text of ['127.0.0.1', '0.0.0.0/0']) expect(() => parseAllowList([text])).toThrow(/loopback/);
  });
});

describe('subtracting networks', () => {
  const anyCidr = fc
    .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 8, max: 32 }))
    .map(([address, bits]) => ({ start: address - (address % 2 ** (32 - bits)), bits }));

  it('keeps every other address and none that was taken', () => {
    fc.assert(
      fc.property(anyCidr, fc.array(anyCidr, { maxLength: 3 }), fc.nat(), (from, others, seed) => {
        // Half of the time something inside `from`, or random networks would hardly ever meet.
        const inside = { start: from.start + (seed % sizeOf(from)), bits: 32 };
        const taken = [...others, inside];
        const left = subtract(from, taken);
        for (const network of left) {
          expect(contains(from, network)).toBe(true);
          expect(taken.some((other) => contains(other, network) || contains(network, other))).toBe(false);
        }
        const lost = taken.filter(
          (other, n) =>
            contains(from, other) &&
            !taken.some(
              (wider, m) => m !== n && contains(wider, other) && (wider.bits < other.bits || m < n),
            ),
        );
        const gone = taken.some((other) => contains(other, from))
          ? sizeOf(from)
          : lost.reduce((sum, other) => sum + sizeOf(other), 0);
        expect(left.reduce((sum, network) => sum + sizeOf(network), 0)).toBe(sizeOf(from) - gone);
      }),
    );
  });

  it('prints what it parses', () => {
    fc.assert(
      fc.property(anyCidr, (network) => {
        expect(parseCidr(formatCidr(network))).toEqual(network);
      }),
    );
  });
});

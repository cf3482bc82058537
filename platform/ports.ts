/** Ports and address ranges: the default when it is free, else one that is, and from then on always the same. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { SlipwayError } from '../src/errors.js';

export type PortName = 'web' | 'ssh' | 'registry' | 'edge' | 'edgeTls';

const DEFAULT_PORTS: Readonly<Record<PortName, number>> = {
  web: 7070,
  ssh: 2222,
  registry: 5000,
  edge: 8080,
  edgeTls: 8443,
};

/** The variable that takes the choice from us. */
const PORT_VARIABLE: Readonly<Record<PortName, string>> = {
  web: 'SLIPWAY_LISTEN',
  ssh: 'SLIPWAY_SSH_LISTEN',
  registry: 'SLIPWAY_REGISTRY',
  edge: 'SLIPWAY_EDGE_BIND',
  edgeTls: 'SLIPWAY_EDGE_TLS_BIND',
};

/**
 * The loopback port for `name`. A remembered port that is taken is an error and no reason to move: git remotes, and
 * the links that people have, name it.
 */
export async function choosePort(name: PortName, remembered: number | undefined): Promise<number> {
  if (remembered === undefined) return (await isFree(DEFAULT_PORTS[name])) ? DEFAULT_PORTS[name] : freePort();
  if (await isFree(remembered)) return remembered;
  throw new SlipwayError(
    'conflict',
    `port ${remembered}, where the ${name} of this platform was before, is taken by another program`,
    {
      hint: `free it, or choose another with ${PORT_VARIABLE[name]}=127.0.0.1:<port>`,
    },
  );
}

async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new SlipwayError('unavailable', 'no port is free on 127.0.0.1');
  return port;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(taken));
    });
  });
}

/** Private /16 ranges (RFC 1918) that hardly anybody uses, tried in this order. */
const RANGES = Array.from({ length: 50 }, (_, index) => `10.${201 + index}`);

/** The first range that no route of this machine overlaps. `routes` is the text of /proc/net/route. */
export function chooseRange(routes: string = readFileSync('/proc/net/route', 'utf8')): string {
  const taken = parseRoutes(routes);
  const free = RANGES.find((range) => {
    const base = ((10 << 24) | (Number(range.split('.')[1]) << 16)) >>> 0;
    return taken.every(({ network, mask }) => {
      const common = (mask & 0xffff0000) >>> 0;
      return (base & common) >>> 0 !== (network & common) >>> 0;
    });
  });
  if (free !== undefined) return free;
  throw new SlipwayError(
    'unavailable',
    'no address range for containers is free between 10.201.0.0/16 and 10.250.0.0/16',
    {
      hint: 'start a Docker Engine yourself and set DOCKER_HOST',
    },
  );
}

/** Fields 2 and 8 are destination and mask, hexadecimal in host byte order (little-endian). The default route is left out. */
function parseRoutes(text: string): { network: number; mask: number }[] {
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .map((fields) => ({ network: fromRouteHex(fields[1] ?? '0'), mask: fromRouteHex(fields[7] ?? '0') }))
    .filter(({ mask }) => mask !== 0);
}

function fromRouteHex(text: string): number {
  return Buffer.from(text.padStart(8, '0'), 'hex').readUInt32LE();
}

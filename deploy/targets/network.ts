/**
 * The bridge network of one platform's containers. They cannot reach each other on it (enable_icc=false: the bridge
 * drops what goes from one port to another), and each has a fixed address. Fixed, because the engine otherwise deals addresses anew
 * when it restarts: the edge would send one app's requests to another app until somebody noticed.
 */
import { randomInt } from 'node:crypto';
import type Docker from 'dockerode';
import type { Engine } from './engine.js';
import { statusOf } from './engine.js';

export interface Network {
  readonly name: string;
  /** `10.214.0.0/24` */
  readonly subnet: string;
  readonly gateway: string;
}

const ATTEMPTS = 5;

/** Finds the network or makes it. */
export async function ensureNetwork(
  engine: Engine,
  name: string,
  labels: Record<string, string>,
): Promise<Network> {
  for (let attempt = 1; ; attempt += 1) {
    const known = await find(engine, name);
    if (known !== undefined) return known;
    try {
      await create(engine, name, labels);
    } catch (error) {
      // 409: another deployer was first. 403: somebody took the range between the question and the answer.
      const status = statusOf(error);
      if (attempt >= ATTEMPTS || (status !== 409 && status !== 403)) throw error;
    }
  }
}

/** The engine gives fixed addresses only in a range that was named, so it is asked for a free range first. */
async function create(engine: Engine, name: string, labels: Record<string, string>): Promise<void> {
  const probe = `${name}-probe`;
  await remove(engine, probe);
  await engine.call('create a network', (api, signal) =>
    api.json({
      method: 'POST',
      path: '/networks/create',
      body: { Name: probe, CheckDuplicate: true, Driver: 'bridge', Labels: labels },
      signal,
    }),
  );
  const range = await find(engine, probe);
  await remove(engine, probe);
  if (range === undefined) throw engine.unavailable('gave a network no addresses');
  await engine.call('create a network', (api, signal) =>
    api.json({
      method: 'POST',
      path: '/networks/create',
      body: {
        Name: name,
        CheckDuplicate: true,
        Driver: 'bridge',
        Labels: labels,
        Options: { 'com.docker.network.bridge.enable_icc': 'false' },
        IPAM: { Driver: 'default', Config: [{ Subnet: range.subnet, Gateway: range.gateway }] },
      },
      signal,
    }),
  );
}

async function find(engine: Engine, name: string): Promise<Network | undefined> {
  try {
    const found = await engine.call('inspect a network', (api, signal) =>
      api.json<Docker.NetworkInspectInfo>({ path: `/networks/${name}`, signal }),
    );
    const range = found.IPAM?.Config?.[0];
    if (range?.Subnet === undefined || range.Gateway === undefined) return undefined;
    return { name, subnet: range.Subnet, gateway: range.Gateway };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

async function remove(engine: Engine, name: string): Promise<void> {
  try {
    await engine.call('remove a network', (api, signal) =>
      api.json({ method: 'DELETE', path: `/networks/${name}`, signal }),
    );
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
}

/**
 * An address of the network that nobody uses. At random, so that the address of a container that has gone is not soon
 * another's, and two deployers seldom choose the same. Undefined when all are taken.
 */
export function freeAddress(
  network: Pick<Network, 'subnet' | 'gateway'>,
  used: ReadonlySet<string>,
): string | undefined {
  const [base = '', bits = ''] = network.subnet.split('/');
  const first = toNumber(base);
  const size = 2 ** (32 - Number(bits));
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

/** A port that none of ours has, at random for the same reasons. One that a foreign process has is found out by trying. */
export function freePort(used: ReadonlySet<number>): number {
  const start = randomInt(PORTS.count);
  for (let step = 0; step < PORTS.count; step += 1) {
    const port = PORTS.first + ((start + step) % PORTS.count);
    if (!used.has(port)) return port;
  }
  return PORTS.first + start;
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

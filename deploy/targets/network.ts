/**
 * The bridge network of an app on one engine: its processes find each other there by name, and no other app's are on it (decision 46).
 * Made once, when the app's first container is to start. The engine gives fixed addresses only in a range that was named; so a block
 * of what it has free is asked for once, and many networks share it.
 */
import type Docker from 'dockerode';
import { SlipwayError } from '../../src/errors.js';
import type { Turns } from '../../src/turns.js';
import { appNetworkName, LABELS, networkName } from '../names.js';
import { firstAddress, freeSubnet } from './addresses.js';
import type { CallOptions, Engine } from './engine.js';
import { refusalOf, statusOf } from './engine.js';

export interface Network {
  readonly name: string;
  /** `10.214.0.0/25` */
  readonly subnet: string;
  readonly gateway: string;
}

/** One of the platform's, as it is found on an engine. */
export interface FoundNetwork {
  readonly name: string;
  /** Absent: the one that all apps had before each had its own. */
  readonly app?: string;
  /** Asked for to learn of a free block, and left by a deployer that was killed. */
  readonly isProbe: boolean;
}

/** Many apps may be rolled out for the first time at the same moment. */
const ATTEMPTS = 20;
/** No app's name has a dot. */
const PROBE = '.probe';
const PROBE_MS = 60_000;

type Document = Pick<Docker.NetworkInspectInfo, 'Name' | 'IPAM' | 'Labels' | 'Created'>;

/** Finds the app's network or makes it. One after the other is made: each may be put into the block of the one before. */
export async function ensureNetwork(
  engine: Engine,
  platform: string,
  app: string,
  turns: Turns,
): Promise<Network> {
  const name = appNetworkName(platform, app);
  return (await find(engine, name)) ?? turns.take('networks', () => makeNetwork(engine, platform, app, name));
}

async function makeNetwork(engine: Engine, platform: string, app: string, name: string): Promise<Network> {
  const refused: string[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const known = await find(engine, name);
    if (known !== undefined) return known;
    const network = await place(engine, platform, name, refused);
    try {
      await create(engine, {
        Name: name,
        Labels: { [LABELS.platform]: platform, [LABELS.app]: app, [LABELS.block]: network.block },
        IPAM: { Driver: 'default', Config: [{ Subnet: network.subnet, Gateway: network.gateway }] },
      });
      return network;
    } catch (error) {
      // 409: another deployer was first. 403: somebody took the range between the question and the answer.
      const status = statusOf(error);
      if (attempt >= ATTEMPTS || (status !== 409 && status !== 403)) throw error;
      if (status === 403) refused.push(network.subnet);
    }
  }
}

/** The platform's networks, but for probes that are under way. */
export async function listNetworks(
  engine: Engine,
  platform: string,
  options: CallOptions = {},
): Promise<FoundNetwork[]> {
  const found = await list(engine, platform, options);
  return found.flatMap(({ Name: name, Labels: labels, Created }) => {
    const app = labels?.[LABELS.app];
    const isProbe = name.endsWith(PROBE);
    if (isProbe && Date.now() - Date.parse(Created) < PROBE_MS) return [];
    // A Swarm's are overlay networks, and its own affair.
    if (app === undefined && !isProbe && name !== networkName(platform)) return [];
    return [{ name, isProbe, ...(app === undefined ? {} : { app }) }];
  });
}

/** False when a container is on it. */
export async function removeNetwork(
  engine: Engine,
  name: string,
  options: CallOptions = {},
): Promise<boolean> {
  try {
    await engine.call(
      'remove a network',
      (api, signal) => api.json({ method: 'DELETE', path: `/networks/${name}`, signal }),
      options,
    );
    return true;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return true;
    if (status === 403) return false;
    throw error;
  }
}

/** Where it may be: in a block that networks of ours have already, or in another. */
async function place(
  engine: Engine,
  platform: string,
  name: string,
  refused: readonly string[],
): Promise<Network & { readonly block: string }> {
  const ours = await list(engine, platform, {});
  const blocks = [...new Set(ours.flatMap(({ Labels: labels }) => labels?.[LABELS.block] ?? []))].sort();
  const taken = [...ours.flatMap(({ IPAM }) => IPAM?.Config?.[0]?.Subnet ?? []), ...refused];
  const free =
    freeSubnet(name, blocks, taken) ??
    freeSubnet(name, [await freeBlock(engine, platform, `${name}${PROBE}`)], refused);
  if (free === undefined) throw engine.unavailable('gives addresses that somebody has');
  return { name, ...free, gateway: firstAddress(free.subnet) };
}

/** Only the engine knows which of its ranges overlap no route of its machine. */
async function freeBlock(engine: Engine, platform: string, probe: string): Promise<string> {
  await removeNetwork(engine, probe);
  try {
    await create(engine, { Name: probe, Labels: { [LABELS.platform]: platform } });
  } catch (error) {
    if (!/non-overlapping|address pool/i.test(refusalOf(error))) throw error;
    throw new SlipwayError('engine_unavailable', 'the Docker Engine has no addresses for another network', {
      where: engine.dockerHost,
      hint: 'remove networks that nobody uses (docker network prune), or give it more with default-address-pools',
      cause: error,
    });
  }
  const range = await find(engine, probe);
  await removeNetwork(engine, probe);
  if (range === undefined) throw engine.unavailable('gave a network no addresses');
  return range.subnet;
}

async function create(engine: Engine, network: Partial<Document>): Promise<void> {
  const body = { ...network, CheckDuplicate: true, Driver: 'bridge' };
  await engine.call('create a network', (api, signal) =>
    api.json({ method: 'POST', path: '/networks/create', body, signal }),
  );
}

async function list(engine: Engine, platform: string, options: CallOptions): Promise<Document[]> {
  const filters = JSON.stringify({ label: [`${LABELS.platform}=${platform}`], driver: ['bridge'] });
  return engine.call(
    'list networks',
    (api, signal) => api.json<Document[]>({ path: '/networks', query: { filters }, signal }),
    options,
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

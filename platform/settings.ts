/** The settings of one start: what the environment says, and for the rest the parts that are started here. */
import { type Config, loadConfig } from '../src/config.js';
import { type PlatformPaths, type PlatformRecord, saveRecord } from './home.js';
import { choosePort, chooseRange, type PortName } from './ports.js';

export interface Settings {
  readonly record: PlatformRecord;
  /** The environment of every process. */
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
  /** Which parts are started here, because no address was given. */
  readonly own: { readonly redis: boolean; readonly registry: boolean; readonly edge: boolean };
}

/** Chooses the ports that nobody has chosen and remembers them. */
export async function settle(
  env: NodeJS.ProcessEnv,
  paths: PlatformPaths,
  known: Partial<PlatformRecord>,
): Promise<Settings> {
  const own = {
    redis: !env.SLIPWAY_REDIS_URL,
    registry: !env.SLIPWAY_REGISTRY,
    edge: !env.SLIPWAY_EDGE_SOCKET,
  };
  const ports: Record<string, number> = { ...known.ports };
  const loopback = async (name: PortName): Promise<string> => {
    ports[name] = await choosePort(name, ports[name]);
    return `127.0.0.1:${ports[name]}`;
  };
  const filled: NodeJS.ProcessEnv = { ...env, SLIPWAY_HOME: paths.home };
  if (!env.SLIPWAY_LISTEN) filled.SLIPWAY_LISTEN = await loopback('web');
  if (!env.SLIPWAY_SSH_LISTEN) filled.SLIPWAY_SSH_LISTEN = await loopback('ssh');
  if (own.registry) filled.SLIPWAY_REGISTRY = await loopback('registry');
  if (own.edge && !env.SLIPWAY_EDGE_BIND) filled.SLIPWAY_EDGE_BIND = await loopback('edge');
  if (own.edge && !env.SLIPWAY_EDGE_TLS_BIND) filled.SLIPWAY_EDGE_TLS_BIND = await loopback('edgeTls');
  if (own.redis) filled.SLIPWAY_REDIS_URL = `unix://${paths.run}/redis.sock`;
  // Base images that somebody has put into the local registry are found there, also without the internet.
  if (own.registry && !env.SLIPWAY_MIRRORS) filled.SLIPWAY_MIRRORS = `docker.io=${filled.SLIPWAY_REGISTRY}`;

  const record = { ports, range: known.range ?? chooseRange() };
  saveRecord(paths.home, record);
  return { record, env: filled, config: loadConfig(filled), own };
}

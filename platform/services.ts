/** The backing services: those whose address is in the environment are checked, the others started. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, loadConfig } from '../src/config.js';
import type { PlatformPaths } from './home.js';
import { checkEdge, startEdge } from './services/edge.js';
import { answers, checkEngine, startEngine, stopContainers } from './services/engine.js';
import { checkRedis, startRedis } from './services/redis.js';
import { checkRegistry, startRegistry } from './services/registry.js';
import type { Service, ServiceContext } from './services/service.js';
import { startSsh } from './services/ssh.js';
import type { Settings } from './settings.js';
import { startAll } from './start-all.js';

/** In which they are stopped, backwards: first what lets requests in, so that none meets an app that is going. */
export const SERVICE_ORDER: readonly string[] = ['redis', 'registry', 'engine', 'edge', 'ssh'];

/** Those whose address may be that of others. */
const BACKING = ['redis', 'registry', 'engine', 'edge'];

export interface StartedServices {
  readonly services: readonly Service[];
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
}

export async function startServices(context: ServiceContext, settings: Settings): Promise<StartedServices> {
  const { config, own, record } = settings;
  const dockerHost = await foundEngine(settings);
  const engineOptions = {
    range: record.range,
    insecureRegistries: config.insecureRegistries,
  };
  const services = await startAll<Service>(
    [
      (signal) => (own.redis ? startRedis({ ...context, signal }) : checkRedis(config.redisUrl).then(none)),
      (signal) =>
        own.registry
          ? startRegistry({ ...context, signal }, portOf(config.registry.host))
          : checkRegistry(config).then(none),
      async (signal) => {
        if (dockerHost === undefined) return startEngine({ ...context, signal }, engineOptions);
        await checkEngine(dockerHost);
        return own.edge ? containersOn(dockerHost, context.paths) : undefined;
      },
      (signal) =>
        own.edge
          ? startEdge({ ...context, signal }, config.edge)
          : checkEdge(config.edge.masterSocket).then(none),
      async (signal) =>
        config.ssh === undefined ? undefined : startSsh({ ...context, signal }, config.ssh.listen),
    ],
    context.signal,
  );
  const engine = services.find(({ name }) => name === 'engine');
  const env = { ...settings.env, DOCKER_HOST: dockerHost ?? engine?.address };
  const used = BACKING.filter((name) => !services.some((service) => service.name === name));
  if (used.length > 0) context.output.say(`used as configured or found: ${used.join(', ')}`);
  return { services, env, config: loadConfig(env) };
}

/** The engine's address when one was named, or one answers where Docker's usually does. */
async function foundEngine({ env, config }: Settings): Promise<string | undefined> {
  if (env.DOCKER_HOST) return env.DOCKER_HOST;
  return (await answers(config.dockerHost).catch(() => false)) ? config.dockerHost : undefined;
}

/** With an engine of others but our edge, the apps of this platform end with the edge: nothing would reach them. */
function containersOn(dockerHost: string, paths: PlatformPaths): Service {
  return {
    name: 'containers',
    address: dockerHost,
    pid: undefined,
    // The deployer draws the id that it labels containers with, and writes it down.
    stop: async () => {
      const id = await readFile(join(paths.home, 'platform.id'), 'utf8').catch(() => undefined);
      if (id !== undefined)
        await stopContainers(dockerHost, `slipway.platform=${id.trim()}`).catch(() => undefined);
    },
    kill: async () => undefined,
  };
}

function none(): undefined {
  return undefined;
}

function portOf(hostPort: string): number {
  return Number(hostPort.split(':')[1]);
}

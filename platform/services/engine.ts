/**
 * A Docker Engine of our own, when none answers on this machine: its state below the home, its socket in the run directory,
 * its own bridge and address ranges, so that nothing else on the machine is touched.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { SlipwayError } from '../../src/errors.js';
import { inOurNetwork } from '../proc.js';
import { ENGINE_BRIDGE, makeBridge, removeEngineTraces } from './engine-traces.js';
import { type Service, type ServiceContext, startProgram } from './service.js';

const CALL_TIMEOUT_MS = 5000;
/** What a container gets between SIGTERM and SIGKILL when the platform stops. */
const CONTAINER_GRACE_S = 10;
const UNIX_SOCKET_PATH_BYTES = 107;

export interface EngineOptions {
  /** The first two bytes of a free /16. */
  readonly range: string;
  /** Registries that it may pull from without TLS; loopback ones need no mention. */
  readonly insecureRegistries: readonly string[];
}

export async function startEngine(context: ServiceContext, options: EngineOptions): Promise<Service> {
  const { paths } = context;
  const execRoot = join(paths.run, 'engine');
  const dockerHost = `unix://${join(paths.run, 'docker.sock')}`;
  checkPath(join(execRoot, 'containerd', 'containerd-debug.sock'));
  checkAlone();
  for (const dir of [paths.engine, execRoot]) mkdirSync(dir, { recursive: true, mode: 0o711 });
  const pidFile = join(execRoot, 'dockerd.pid');
  await makeBridge(`${options.range}.0.1/20`);

  const namespace = `slipway-${createHash('sha256').update(paths.engine).digest('hex').slice(0, 12)}`;
  const traces = { execRoot, dataRoot: paths.engine };
  const engine = await startProgram(context, {
    name: 'engine',
    address: dockerHost,
    argv: [
      'dockerd',
      ...['--data-root', paths.engine, '--exec-root', execRoot, '--pidfile', pidFile],
      ...['--host', dockerHost, '--log-level', 'warn'],
      // A bridge of our own: with docker0 the address of another engine's would be changed.
      ...['--bridge', ENGINE_BRIDGE],
      // Each block has room for the networks of 32 apps (decision 46).
      ...['128.0/17', '64.0/18'].flatMap((part) => [
        '--default-address-pool',
        `base=${options.range}.${part},size=20`,
      ]),
      // Where a containerd of the system runs, dockerd uses it; there our containers keep apart.
      ...['--containerd-namespace', namespace, '--containerd-plugins-namespace', `${namespace}-plugins`],
      // The apps keep serving while a dockerd that died is started again.
      '--live-restore',
      ...options.insecureRegistries.flatMap((registry) => ['--insecure-registry', registry]),
    ],
    graceMs: 20_000,
    prepare: () => removeStalePids(pidFile, join(execRoot, 'containerd', 'containerd.pid')),
    readyTimeoutMs: 60_000,
    ready: () => answers(dockerHost),
  }).catch(async (thrown: unknown) => {
    await removeEngineTraces(traces, []);
    throw thrown;
  });

  return {
    name: engine.name,
    address: engine.address,
    get pid(): number | undefined {
      return engine.pid;
    },
    stop: async () => {
      const bridges = await bridgesOf(dockerHost).catch(() => []);
      // --live-restore leaves containers running when the engine stops.
      await stopContainers(dockerHost).catch(() => undefined);
      await engine.stop();
      await removeEngineTraces(traces, bridges);
    },
    kill: async () => {
      await engine.kill();
      await removeEngineTraces(traces, []);
    },
  };
}

/** Stops the running containers: all, or those with a label. Each gets its grace, all at the same time. */
export async function stopContainers(dockerHost: string, label?: string): Promise<void> {
  const timeout = (CONTAINER_GRACE_S + 10) * 1000;
  const docker = client(dockerHost, timeout);
  const running = await docker.listContainers(label === undefined ? {} : { filters: { label: [label] } });
  await Promise.allSettled(running.map(({ Id }) => docker.getContainer(Id).stop({ t: CONTAINER_GRACE_S })));
}

/** True when a Docker Engine answers there. */
export async function answers(dockerHost: string): Promise<boolean> {
  const pong: unknown = await client(dockerHost, CALL_TIMEOUT_MS).ping();
  return String(pong) === 'OK';
}

/** Throws `engine_unavailable` when the engine of DOCKER_HOST does not answer. */
export async function checkEngine(dockerHost: string): Promise<void> {
  const problem = await answers(dockerHost).then(
    (yes) => (yes ? undefined : 'it is not a Docker Engine'),
    (thrown: unknown) => (thrown as Error).message,
  );
  if (problem === undefined) return;
  throw new SlipwayError(
    'engine_unavailable',
    `the Docker Engine does not answer at ${dockerHost}: ${problem}`,
    {
      where: 'DOCKER_HOST',
      hint: 'start it or correct the address; unset the variable to have one started',
    },
  );
}

function client(dockerHost: string, timeout: number): Docker {
  if (dockerHost.startsWith('unix://'))
    return new Docker({ socketPath: dockerHost.slice('unix://'.length), timeout });
  const { hostname, port } = new URL(dockerHost);
  return new Docker({ protocol: 'http', host: hostname, port: Number(port || 2375), timeout });
}

/** The Linux bridges of the engine's networks; libnetwork names one after its network's id. */
async function bridgesOf(dockerHost: string): Promise<string[]> {
  const networks = await client(dockerHost, CALL_TIMEOUT_MS).listNetworks({
    filters: { driver: ['bridge'] },
  });
  return networks.filter(({ Name }) => Name !== 'bridge').map(({ Id }) => `br-${Id.slice(0, 12)}`);
}

/** Two engines in one network namespace rewrite each other's firewall chains, and neither's containers are reached. */
function checkAlone(): void {
  const [other] = inOurNetwork('dockerd');
  if (other === undefined) return;
  throw new SlipwayError(
    'engine_unavailable',
    `a Docker Engine runs here already (pid ${other}), but not where it was looked for`,
    {
      where: 'DOCKER_HOST',
      hint: 'set DOCKER_HOST to its address (unix:///path/to/docker.sock), or stop it: two engines in one network disturb each other',
    },
  );
}

/**
 * dockerd refuses to start when its old pid is another process's now. Its containerd ends with it, but is still in the
 * process table for a while; dockerd then takes it for alive, waits 15 s for it, and gives up.
 */
function removeStalePids(dockerd: string, containerd: string): void {
  rmSync(dockerd, { force: true });
  if (!existsSync(containerd)) return;
  const pid = Number(readFileSync(containerd, 'utf8'));
  if (!inOurNetwork('containerd').includes(pid)) rmSync(containerd, { force: true });
}

function checkPath(socket: string): void {
  const tooLong = Buffer.byteLength(socket) - UNIX_SOCKET_PATH_BYTES;
  if (tooLong <= 0) return;
  throw new SlipwayError(
    'invalid_config',
    `SLIPWAY_HOME is ${tooLong} bytes too long for the sockets of the Docker Engine`,
    {
      where: 'SLIPWAY_HOME',
      hint: 'use a shorter path, or start a Docker Engine yourself and set DOCKER_HOST',
    },
  );
}

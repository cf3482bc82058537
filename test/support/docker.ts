/**
 * A Docker Engine of its own for tests, with its data in a temporary directory. Engines share the machine's network
 * set-up, so only one runs at a time: a second caller waits for the first.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { takeEngineLock } from './engine-lock.js';

const run = promisify(execFile);
const DOCKERD = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((path) => existsSync(path));
const BRIDGE_ADDRESS = '10.213.0.1/24';
/** Networks of the tests come from here, so that their bridges can be found again. */
const POOL_PREFIX = '10.214.';

export interface TestDocker {
  /** As DOCKER_HOST wants it. */
  readonly host: string;
  /** The same engine over TCP on the loopback address, when that was asked for. */
  readonly tcpHost: string | undefined;
  /** The docker client against this engine. Resolves with its output. */
  docker(args: readonly string[], options?: { input?: Uint8Array }): Promise<string>;
  /** Ends the engine and starts it again with the same data. `kill` is SIGKILL. */
  restart(options?: { kill?: boolean }): Promise<void>;
  /** Kills the engine; `resume` starts it. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

/** For the hook that calls `startDocker`: the tests before it in the line take their time. */
export const TURN_TIMEOUT_MS: number = 20 * 60_000;

/** Why a test with an engine cannot run here, or undefined. */
export function dockerMissing(): string | undefined {
  if (DOCKERD === undefined) return 'dockerd is not installed';
  return process.getuid?.() === 0 ? undefined : 'dockerd needs root';
}

/** Files: over TCP the engine shows this certificate and wants one of the CA. */
export interface EngineTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Registries on loopback need not be named as insecure. */
export async function startDocker(
  options: { readonly tcpPort?: number; readonly tls?: EngineTls } = {},
): Promise<TestDocker> {
  const endTurn = await takeEngineLock();
  // A short path: the engine's sockets lie below it.
  const home = await mkdtemp(join(tmpdir(), 'sd-'));
  const host = `unix://${home}/docker.sock`;
  const tcpHost = options.tcpPort === undefined ? undefined : `tcp://127.0.0.1:${options.tcpPort}`;
  let engine: ChildProcess | undefined;

  const docker: TestDocker['docker'] = async (args, { input } = {}) => {
    const child = spawn('docker', ['-H', host, ...args], {
      // The engine's own builder: the other needs a part that Debian packages apart.
      env: { ...process.env, DOCKER_BUILDKIT: '0' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${Buffer.concat(err).toString()}`);
    return Buffer.concat(out).toString().trim();
  };

  const begin = async (): Promise<void> => {
    const log = await open(join(home, 'log'), 'a');
    await mkdir(join(home, 'exec'), { recursive: true });
    const child = spawn(
      DOCKERD ?? 'dockerd',
      dockerdArguments(home, tcpHost === undefined ? [host] : [host, tcpHost], options.tls),
      {
        stdio: ['ignore', log.fd, log.fd],
      },
    );
    await log.close();
    engine = child;
    for (let attempt = 0; ; attempt += 1) {
      const up = await docker(['version']).then(
        () => true,
        () => false,
      );
      if (up) return;
      if (child.exitCode !== null || attempt > 300) {
        throw new Error(
          `dockerd did not start:\n${(await readFile(join(home, 'log'), 'utf8')).slice(-3000)}`,
        );
      }
      await sleep(100);
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = engine;
    engine = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };

  const kill = async (): Promise<void> => {
    await end('SIGKILL');
    // Its containerd dies with it. While nobody has reaped that, the next engine would wait for its socket.
    for (const file of ['pid', 'exec/containerd/containerd.pid']) await rm(join(home, file), { force: true });
  };

  const stop = async (): Promise<void> => {
    try {
      if (engine !== undefined) {
        const ids = (await docker(['ps', '-aq']).catch(() => '')).split('\n').filter((id) => id !== '');
        if (ids.length > 0) await docker(['rm', '-f', '-v', ...ids]).catch(() => '');
        await docker(['network', 'prune', '-f']).catch(() => '');
      }
      await end('SIGTERM');
      await endLeftContainerd(home);
      await removeBridges();
      await unmountBelow(home);
      await rm(home, { recursive: true, force: true });
    } finally {
      await endTurn();
    }
  };

  try {
    await begin();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host,
    tcpHost,
    docker,
    restart: async ({ kill: killed = false } = {}) => {
      await (killed ? kill() : end('SIGTERM'));
      await begin();
    },
    pause: kill,
    resume: begin,
    stop,
  };
}

function dockerdArguments(home: string, hosts: readonly string[], tls: EngineTls | undefined): string[] {
  return [
    `--data-root=${home}/data`,
    `--exec-root=${home}/exec`,
    `--pidfile=${home}/pid`,
    ...hosts.map((host) => `--host=${host}`),
    `--bip=${BRIDGE_ADDRESS}`,
    `--default-address-pool=base=${POOL_PREFIX}0.0/16,size=24`,
    '--log-level=warn',
    ...(tls === undefined
      ? []
      : ['--tlsverify', `--tlscacert=${tls.ca}`, `--tlscert=${tls.cert}`, `--tlskey=${tls.key}`]),
  ];
}

/** dockerd's own containerd may outlive it. */
async function endLeftContainerd(home: string): Promise<void> {
  const path = join(home, 'exec', 'containerd', 'containerd.pid');
  const pid = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!command.includes(home)) return;
  process.kill(pid, 'SIGKILL');
  await sleep(200);
}

/** The bridges that the engine made: docker0 and those of our pool. An engine leaves them when it ends. */
async function removeBridges(): Promise<void> {
  const { stdout } = await run('ip', ['-json', 'address', 'show', 'type', 'bridge']);
  const links = JSON.parse(stdout === '' ? '[]' : stdout) as {
    ifname?: string;
    addr_info?: { local?: string }[];
  }[];
  for (const link of links) {
    const ours = link.addr_info?.some(
      ({ local }) => local?.startsWith(POOL_PREFIX) || local === BRIDGE_ADDRESS.split('/')[0],
    );
    if (ours && link.ifname !== undefined)
      await run('ip', ['link', 'delete', link.ifname]).catch(() => undefined);
  }
}

async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .reverse();
  for (const path of mounts) await run('umount', ['-l', path]).catch(() => undefined);
}

/**
 * Machines to deploy to, all on this one: each is a network namespace with a Docker Engine, joined to us by a veth pair. For the
 * demo and for tests; what a run that was killed has left is cleared away by the next one.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { processTree, signalAll } from '../proc.js';
import { mountsBelow } from '../services/engine-traces.js';

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 20_000;
const START_TIMEOUT_MS = 60_000;
/** A /24 of its own for each run: `10.215.<slot>.0`. */
const RANGE = '10.215';
const SLOTS = 200;
const ENGINE_PORT = 2375;
const DOCKERD = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((path) => existsSync(path)) ?? 'dockerd';
/** `slipway-m<pid>-<slot>-<number>` */
const NAMESPACE = /^slipway-m(\d+)-(\d+)-(\d+)$/;

export interface MachineWish {
  readonly name: string;
  /** The engine's data lie in memory, and there is only so much of it. */
  readonly diskBytes?: number;
}

export interface Machines {
  /** Where each of them reaches us, whatever becomes of the others. */
  readonly ourAddress: string;
  readonly all: readonly Machine[];
  get(name: string): Machine;
  /** Ends everything and removes all traces. */
  stop(): Promise<void>;
}

/** The engines trust any registry at `ourAddress`. */
export async function startMachines(wishes: readonly MachineWish[]): Promise<Machines> {
  await clearKilledRuns();
  // A short path: the engines' sockets lie below it.
  const home = await mkdtemp(join(tmpdir(), `sm-${process.pid}-`));
  const slot = await takeSlot();
  const ourAddress = `${RANGE}.${slot}.254`;
  const all = wishes.map((wish, index) => new Machine(wish, home, slot, index, ourAddress));
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((machine) => machine.destroy()));
    await ip('address', 'delete', `${ourAddress}/32`, 'dev', 'lo').catch(() => undefined);
    await rm(home, { recursive: true, force: true });
  };
  try {
    await Promise.all(all.map((machine) => machine.create()));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ourAddress,
    all,
    get: (name) => {
      const found = all.find((machine) => machine.name === name);
      if (found === undefined) throw new Error(`there is no machine ${name}`);
      return found;
    },
    stop,
  };
}

export class Machine {
  readonly name: string;
  readonly address: string;
  /** As DOCKER_HOST wants it: over the network that `cutOff` cuts. */
  readonly dockerHost: string;
  readonly #diskBytes: number | undefined;
  readonly #home: string;
  readonly #namespace: string;
  readonly #link: string;
  readonly #gateway: string;
  readonly #number: number;
  readonly #range: string;
  readonly #ourAddress: string;
  #engine: ChildProcess | undefined;

  constructor(
    { name, diskBytes }: MachineWish,
    home: string,
    slot: number,
    number: number,
    ourAddress: string,
  ) {
    this.name = name;
    this.#diskBytes = diskBytes;
    this.#home = join(home, String(number));
    this.#number = number;
    this.#namespace = `slipway-m${process.pid}-${slot}-${number}`;
    this.#link = `sm${process.pid}x${number}`;
    this.#range = `${RANGE}.${slot}.${number * 4}/30`;
    this.#gateway = `${RANGE}.${slot}.${number * 4 + 1}`;
    this.address = `${RANGE}.${slot}.${number * 4 + 2}`;
    this.dockerHost = `tcp://${this.address}:${ENGINE_PORT}`;
    this.#ourAddress = ourAddress;
  }

  async create(): Promise<void> {
    const { name } = this;
    await mkdir(join(this.#home, 'exec'), { recursive: true });
    await mkdir(join(this.#home, 'data'));
    if (this.#diskBytes !== undefined)
      await command('mount', [
        '-t',
        'tmpfs',
        '-o',
        `size=${this.#diskBytes}`,
        'tmpfs',
        join(this.#home, 'data'),
      ]);
    await ip('netns', 'add', this.#namespace);
    await ip('link', 'add', this.#link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#namespace);
    await ip('address', 'add', `${this.#gateway}/30`, 'dev', this.#link);
    await ip('link', 'set', this.#link, 'up');
    // Without its link it must not be looked for anywhere else.
    await ip('route', 'add', 'unreachable', this.#range, 'metric', '4000');
    await this.inside('ip', ['link', 'set', 'lo', 'up']);
    await this.inside('ip', ['address', 'add', `${this.address}/30`, 'dev', 'eth0']);
    await this.inside('ip', ['link', 'set', 'eth0', 'up']);
    await this.inside('ip', ['route', 'add', 'default', 'via', this.#gateway]);
    await this.start().catch((cause: unknown) => {
      throw new Error(`the engine of ${name} did not start`, { cause });
    });
  }

  /** A cable of their own: between our links a firewall of this machine may stand, such as another engine's. */
  async connect(other: Machine): Promise<void> {
    const [here, there] = [`to${other.#number}`, `to${this.#number}`];
    const peer = ['peer', 'name', there, 'netns', other.#namespace];
    await ip('link', 'add', here, 'netns', this.#namespace, 'type', 'veth', ...peer);
    await this.#reach(other, here);
    await other.#reach(this, there);
  }

  /** Runs a command in the machine's network. */
  inside(program: string, args: readonly string[]): Promise<string> {
    return command('nsenter', [...this.network, program, ...args]);
  }

  /** What nsenter(1) is told before the program that it starts in the machine's network. */
  get network(): readonly string[] {
    return [`--net=/run/netns/${this.#namespace}`, '--'];
  }

  /** The docker client against this engine, whether its network is there or not. Resolves with its output. */
  async docker(args: readonly string[], { input }: { input?: Uint8Array } = {}): Promise<string> {
    const child = spawn('docker', ['-H', `unix://${this.#socket}`, ...args], {
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
  }

  /** Packets get lost without a word, each of them or this share. */
  async cutOff(share = 1): Promise<void> {
    await this.#dropping('-I', share);
  }

  async reconnect(share = 1): Promise<void> {
    await this.#dropping('-D', share);
  }

  /** Takes the cable out, or puts it back. */
  async link(state: 'up' | 'down'): Promise<void> {
    await ip('link', 'set', this.#link, state);
  }

  /** SIGKILL, to the engine only: its containers go on until it is started again. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
    // Its containerd dies with it. While nobody has reaped that, the next engine would wait for its socket.
    for (const file of ['pid', 'exec/containerd/containerd.pid'])
      await rm(join(this.#home, file), { force: true });
  }

  async start(): Promise<void> {
    const log = await open(join(this.#home, 'log'), 'a');
    const child = spawn(
      'nsenter',
      [`--net=/run/netns/${this.#namespace}`, '--', DOCKERD, ...this.#arguments()],
      {
        stdio: ['ignore', log.fd, log.fd],
      },
    );
    await log.close();
    this.#engine = child;
    for (const endsAt = Date.now() + START_TIMEOUT_MS; ; ) {
      const up = await this.docker(['version']).then(
        () => true,
        () => false,
      );
      if (up) return;
      if (child.exitCode !== null || Date.now() > endsAt)
        throw new Error((await readFile(join(this.#home, 'log'), 'utf8')).slice(-3000));
      await sleep(100);
    }
  }

  async destroy(): Promise<void> {
    if (this.#engine !== undefined) {
      const ids = (await this.docker(['ps', '-aq']).catch(() => '')).split('\n').filter((id) => id !== '');
      if (ids.length > 0) await this.docker(['rm', '-f', '-v', ...ids]).catch(() => '');
    }
    await this.#end('SIGTERM');
    await clearAway(this.#home);
    await disconnect(this.#namespace, this.#link, this.#range);
  }

  async #reach({ address }: Machine, link: string): Promise<void> {
    await this.inside('ip', ['link', 'set', link, 'up']);
    await this.inside('ip', ['route', 'add', `${address}/32`, 'dev', link, 'src', this.address]);
  }

  get #socket(): string {
    return join(this.#home, 'docker.sock');
  }

  async #dropping(action: '-I' | '-D', share: number): Promise<void> {
    const some = share === 1 ? [] : ['-m', 'statistic', '--mode', 'random', '--probability', String(share)];
    const ways = [
      ['raw', action, 'PREROUTING', '-i'],
      ['mangle', action, 'POSTROUTING', '-o'],
    ];
    for (const way of ways)
      await this.inside('iptables', ['-w', '-t', ...way, 'eth0', ...some, '-j', 'DROP']);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#engine;
    this.#engine = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  #arguments(): string[] {
    return [
      `--data-root=${this.#home}/data`,
      `--exec-root=${this.#home}/exec`,
      `--pidfile=${this.#home}/pid`,
      `--host=unix://${this.#socket}`,
      `--host=${this.dockerHost}`,
      // No other machine's: what is behind it must not look like a neighbour.
      `--bip=10.216.${this.#number}.1/24`,
      `--default-address-pool=base=10.217.${this.#number * 16}.0/20,size=24`,
      `--insecure-registry=${this.#ourAddress}/32`,
      '--log-level=warn',
    ];
  }
}

/** An address on the loopback interface, so that it stays when a machine's link goes down. Nobody else has it then. */
async function takeSlot(): Promise<number> {
  for (let attempt = 0; attempt < SLOTS; attempt += 1) {
    const slot = (process.pid + attempt) % SLOTS;
    const taken = await ip('address', 'add', `${RANGE}.${slot}.254/32`, 'dev', 'lo').then(
      () => true,
      () => false,
    );
    if (taken) return slot;
  }
  throw new Error(`no range of ${RANGE}.0.0/16 is free for machines`);
}

async function clearKilledRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = /^sm-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await clearAway(join(tmpdir(), name));
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  for (const namespace of await readdir('/run/netns').catch(() => [])) {
    const [, pid, slot, number] = NAMESPACE.exec(namespace) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await disconnect(namespace, `sm${pid}x${number}`, `${RANGE}.${slot}.${Number(number) * 4}/30`);
    await ip('address', 'delete', `${RANGE}.${slot}.254/32`, 'dev', 'lo').catch(() => undefined);
  }
}

/** Engines, shims and containers whose arguments name a path below here, and the mounts. */
async function clearAway(home: string): Promise<void> {
  for (const name of ['dockerd', 'containerd']) signalAll(processTree(name, `${home}/`), 'SIGKILL');
  await unmountBelow(home);
}

/** A process that is just ending keeps its network, and with it the other end of the link. */
async function disconnect(namespace: string, link: string, range: string): Promise<void> {
  await ip('link', 'delete', link).catch(() => undefined);
  await ip('netns', 'delete', namespace).catch(() => undefined);
  await ip('route', 'delete', 'unreachable', range).catch(() => undefined);
}

async function unmountBelow(home: string): Promise<void> {
  // Lazily: a process that is just ending may still hold it.
  for (const path of mountsBelow([home])) await command('umount', ['-l', '--', path]).catch(() => undefined);
}

async function ip(...args: string[]): Promise<string> {
  return command('ip', args);
}

async function command(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { timeout: COMMAND_TIMEOUT_MS });
  return stdout.trim();
}
